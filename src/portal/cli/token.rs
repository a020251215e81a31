//! `entitle-portal token`: by which the vendor's own programs call `/v1/vendor`.

use super::output::{Output, pairs, table};
use crate::portal::{
    Portal, PortalError,
    access::{ApiToken, Right},
};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a token; it is printed once
    Create(Create),
    /// List tokens
    List,
    /// Refuse a token from now on
    Revoke {
        /// The token
        name: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// For people and the audit; never used again
    name: String,
    /// What it may do: subscriptions:read, subscriptions:write, activation-codes:read, environments:read, environments:write (release), environments:assist (one-time codes, approvals, survivors), audit:read; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Right>,
    /// For how many days it is good, or `never`
    #[arg(long, value_name = "DAYS", default_value = "365", value_parser = days_or_never)]
    expires: Expiry,
}

#[derive(Clone, Copy)]
struct Expiry(Option<u32>);

fn days_or_never(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry(None)),
        days => match days.parse() {
            Ok(days @ 1..=36_500) => Ok(Expiry(Some(days))),
            _ => Err("expected 1 to 36500 days, or never".to_owned()),
        },
    }
}

impl Command {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        match self {
            Self::Create(create) => create.run(portal, out),
            Self::List => list(&portal.tokens()?, portal.now(), out),
            Self::Revoke { name } => {
                let token = portal.revoke_token(&name)?;
                out.show(&token, || format!("Token {name} is refused from now on."))
            }
        }
    }
}

impl Create {
    fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let lifetime = self.expires.0.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        let expires_at = lifetime.and_then(|lifetime| portal.now().checked_add(lifetime).ok());
        let (token, secret) = portal.create_token(&self.name, &self.scopes, expires_at)?;
        let value = json!({
            "name": token.name,
            "token": secret.expose(),
            "scopes": token.scopes,
            "expires_at": token.expires_at,
        });
        out.show(&value, || {
            let shown = pairs(&[
                ("Token", secret.expose().to_owned()),
                ("Name", token.name.clone()),
                ("Scopes", scopes(&token)),
                ("Good until", time_or(token.expires_at, "revoked")),
            ]);
            format!("{shown}\n\nIt is shown this once: `Authorization: Bearer TOKEN`.")
        })
    }
}

fn scopes(token: &ApiToken) -> String {
    token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

fn time_or(time: Option<Timestamp>, otherwise: &str) -> String {
    time.map_or_else(|| otherwise.to_owned(), |time| time.to_string())
}

fn list(all: &[ApiToken], now: Timestamp, out: &mut Output) -> Result<(), PortalError> {
    out.show(&all, || {
        if all.is_empty() {
            return "There are no tokens; `entitle-portal token create NAME --scope SCOPE` makes one."
                .to_owned();
        }
        let rows = all.iter().map(|token| {
            let status = match token.revoked_at {
                Some(_) => "revoked",
                None if token.is_good(now) => "good",
                None => "expired",
            };
            vec![
                token.name.clone(),
                status.to_owned(),
                time_or(token.expires_at, "never"),
                time_or(token.last_used_at, "never"),
                scopes(token),
            ]
        });
        table(&["NAME", "STATUS", "EXPIRES", "USED", "SCOPES"], rows)
    })
}

//! Tokens of the vendor's own programs.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        form::Posted,
        page::{Layout, moment, see_other},
    },
    Done, SignedIn,
    administration::field_of,
    secrets::secret_page,
    sign_in::Nothing,
    told,
};
use crate::portal::{
    Portal,
    access::{AccessError, ApiToken, Right},
};
use askama::Template;
use axum::{extract::State, response::Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use zeroize::Zeroizing;

struct TokenRow {
    name: String,
    status: &'static str,
    scopes: String,
    expires: String,
    used: String,
}

fn token_row(token: ApiToken, now: Timestamp) -> TokenRow {
    let status = match token.revoked_at {
        Some(_) => "revoked",
        None if token.is_good(now) => "good",
        None => "expired",
    };
    let or_never = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), moment);
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    TokenRow {
        status,
        scopes: scopes.join(", "),
        expires: or_never(token.expires_at),
        used: or_never(token.last_used_at),
        name: token.name,
    }
}

#[derive(Template)]
#[template(path = "vendor/tokens.html")]
struct TokensPage {
    layout: Layout,
    tokens: Vec<TokenRow>,
    scopes: Vec<&'static str>,
    typed: NewToken,
}

pub(super) async fn tokens(
    State(web): State<Web>,
    who: SignedIn,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    let layout = who.layout(&web, "/vendor/tokens", &done);
    tokens_page(&web, &who, layout, NewToken { days: "365".to_owned(), ..NewToken::default() })
        .await
}

async fn tokens_page(
    web: &Web,
    who: &SignedIn,
    layout: Layout,
    typed: NewToken,
) -> Result<Response, PageError> {
    let (tokens, now) = (who.ask(web, Portal::tokens).await?, web.portal.now());
    let scopes = Right::ALL.into_iter().filter(|right| *right != Right::Administer);
    Ok(layout.reply().with(&TokensPage {
        layout,
        tokens: tokens.into_iter().map(|token| token_row(token, now)).collect(),
        scopes: scopes.map(Right::as_str).collect(),
        typed,
    }))
}

/// The page of tokens again, with what is wrong.
async fn tokens_again(
    web: &Web,
    who: &SignedIn,
    error: PageError,
    typed: NewToken,
) -> Result<Response, PageError> {
    let field = field_of(error.code());
    let layout = who.layout(web, "/vendor/tokens", &Done::default());
    let layout = layout.refused(Some(error.on_form(field)?));
    tokens_page(web, who, layout, typed).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewToken {
    name: String,
    days: String,
    scopes: String,
}

impl NewToken {
    /// What it may, and until when; none: without an end.
    fn read(&self, now: Timestamp) -> Result<(Vec<Right>, Option<Timestamp>), PageError> {
        let words = self.scopes.split([' ', ',', '\r', '\n']).filter(|word| !word.is_empty());
        let scopes: Result<Vec<Right>, String> = words.map(str::parse).collect();
        let scopes = scopes.map_err(|_| told(AccessError::TokenScope.into()))?;
        if self.days.trim().is_empty() {
            return Ok((scopes, None));
        }
        let days = self.days.trim().parse::<u32>().ok().filter(|days| *days > 0);
        let lifetime = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
        let end = lifetime.and_then(|lifetime| now.checked_add(lifetime).ok());
        Ok((scopes, Some(end.ok_or_else(|| told(AccessError::TokenLifetime.into()))?)))
    }
}

pub(super) async fn create_token(
    State(web): State<Web>,
    Posted { who, form }: Posted<SignedIn, NewToken>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let made = match form.read(web.portal.now()) {
        Ok((scopes, end)) => {
            let name = form.name.trim().to_owned();
            who.ask(&web, move |portal| portal.create_token(&name, &scopes, end)).await
        }
        Err(error) => Err(error),
    };
    let (token, secret) = match made {
        Ok(made) => made,
        Err(error) => return tokens_again(&web, &who, error, form).await,
    };
    let text = format!(
        "The token {} is shown now and kept nowhere: `Authorization: Bearer TOKEN`.",
        token.name
    );
    let secret = Zeroizing::new(secret.expose().to_owned());
    Ok(secret_page(&web, &who, "New token", text, secret, "/vendor/tokens".to_owned()))
}

pub(super) async fn revoke_token(
    State(web): State<Web>,
    At(name): At<String>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    match who.ask(&web, move |portal| portal.revoke_token(&name)).await {
        Ok(_) => Ok(see_other("/vendor/tokens?done=stored")),
        Err(error) => tokens_again(&web, &who, error, NewToken::default()).await,
    }
}

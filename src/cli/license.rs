//! The license, its features, and what happened.

use super::{
    CliError, DONE, Output,
    client::Agent,
    output::{print, shown},
    status::day,
};
use crate::{license::LicenseClaims, store::StoredEvent};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write};

/// What the agent tells of its license.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    claims: LicenseClaims,
    license: String,
    trust: String,
}

pub(super) async fn show(agent: &Agent, output: Output, raw: bool) -> Result<u8, CliError> {
    let held: Held = agent.get("/v1/license").await?;
    if raw && !output.json {
        print(&format!("{}\n{}", held.trust, held.license))?;
    } else {
        output.answer(&held, |held| claims_page(&held.claims))?;
    }
    Ok(DONE)
}

/// The claims of a license for people.
pub(super) fn claims_page(claims: &LicenseClaims) -> String {
    let mut page = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(page, "{name:<16} {}", shown(&value));
    };
    let subscription = &claims.subscription;
    row("License", claims.jti.to_string());
    row("Sequence", claims.seq.to_string());
    row("Product", claims.aud.clone());
    row("Issuer", claims.iss.clone());
    row("Serial Number", claims.sub.to_string());
    let bound = claims.cnf.map_or("the Serial Number alone".to_owned(), |cnf| {
        format!("environment key {}", cnf.jwk.thumbprint())
    });
    row("Bound to", bound);
    row("Environment", format!("{} ({})", claims.environment.name, claims.environment.purpose));
    row("Subscription", subscription.id.to_string());
    row("Edition", subscription.edition.clone());
    row("Support level", subscription.support_level.clone());
    row("Issued", day(claims.iat));
    row("Term", format!("{} to {}", day(subscription.starts_at), day(subscription.ends_at)));
    row("Grace ends", day(claims.exp));
    row("Lease", format!("{} days", claims.lease_days));
    if let Some(days) = claims.check_in_days {
        row("Check-in", format!("every {days} days"));
    }
    for (name, value) in &claims.features {
        row("Feature", format!("{name} = {value}"));
    }
    for (name, limit) in &claims.limits {
        let most = limit.limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        row("Limit", format!("{name} = {most}"));
    }
    page
}

pub(super) async fn features(agent: &Agent, output: Output) -> Result<u8, CliError> {
    let features: BTreeMap<String, serde_json::Value> = agent.get("/v1/features").await?;
    output.answer(&features, |features| {
        let line =
            |(name, value): (&String, &serde_json::Value)| format!("{} = {value}\n", shown(name));
        let lines: String = features.iter().map(line).collect();
        if lines.is_empty() { "the license names no features".to_owned() } else { lines }
    })?;
    Ok(DONE)
}

pub(super) async fn events(agent: &Agent, output: Output, limit: u32) -> Result<u8, CliError> {
    let events: Vec<StoredEvent> = agent.get_as_admin(&format!("/v1/events?limit={limit}")).await?;
    output.answer(&events, |events| {
        if events.is_empty() {
            return "nothing happened yet".to_owned();
        }
        let line = |event: &StoredEvent| {
            format!(
                "{}  {:<17} {:<24} {}\n",
                day(event.at),
                event.action,
                event.actor,
                shown(&event.detail)
            )
        };
        events.iter().map(line).collect()
    })?;
    Ok(DONE)
}

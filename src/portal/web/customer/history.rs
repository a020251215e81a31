//! What happened to the subscription, in words: its part of the audit.

use super::{
    super::{
        PageError, Web,
        address::Asked,
        page::{Layout, moment, show},
    },
    Customer, HISTORY,
};
use crate::portal::store::AuditEntry;
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;

/// Entries a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "customer/history.html")]
struct HistoryPage {
    layout: Layout,
    entries: Vec<Entry>,
    /// From which entry on the next page goes.
    older: Option<i64>,
}

struct Entry {
    at: String,
    what: String,
    more: String,
    who: String,
    environment: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Before {
    before: Option<i64>,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: Customer,
    Asked(Before { before }): Asked<Before>,
) -> Result<Response, PageError> {
    let (portal, id) = (who.portal.clone(), who.id);
    let mut found = web.blocking(move || portal.history(id, before, PAGE + 1)).await?;
    let is_more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let older = found.last().filter(|_| is_more).map(|entry| entry.id);
    let entries = found.iter().map(entry).collect();
    Ok(show(&HistoryPage { layout: who.layout(&web, HISTORY), entries, older }))
}

fn entry(entry: &AuditEntry) -> Entry {
    Entry {
        at: moment(entry.at),
        what: what(&entry.event).map_or_else(|| entry.event.replace('-', " "), str::to_owned),
        more: more(entry),
        who: who(&entry.actor),
        environment: entry.environment_id.clone(),
    }
}

/// Who it was. The vendor's people are the vendor to a customer.
fn who(actor: &str) -> String {
    let is_customer = actor.starts_with("customer ") || actor.starts_with("visitor ");
    if let Some((_, address)) = actor.split_once(" via ").filter(|_| is_customer) {
        return format!("you, from {address}");
    }
    if actor.starts_with("agent ") { "the server".to_owned() } else { "your vendor".to_owned() }
}

/// What else an entry says that means something to a customer.
fn more(entry: &AuditEntry) -> String {
    let text = |name: &str| entry.detail.get(name).and_then(|value| value.as_str());
    let number = |name: &str| entry.detail.get(name).and_then(serde_json::Value::as_u64);
    let mut parts = Vec::new();
    parts.extend(text("reason").map(|reason| format!("reason: {reason}")));
    parts.extend(text("purpose").map(str::to_owned));
    if entry.event == "license-issued" {
        parts.extend(number("sequence").map(|sequence| format!("license {sequence}")));
    }
    parts.extend(text("serial_number").map(|serial| format!("Serial Number {serial}")));
    parts.join(", ")
}

fn what(event: &str) -> Option<&'static str> {
    Some(match event {
        "subscription-created" => "The subscription was made",
        "subscription-changed" => "The subscription was changed",
        "subscription-renewed" => "The subscription was renewed",
        "subscription-suspended" => "The subscription was suspended",
        "subscription-revoked" => "The subscription was revoked",
        "subscription-resumed" => "The subscription goes on",
        "activation-code-shown" => "The Activation Code was shown",
        "trial-started" => "The trial was started",
        "environment-activated" => "An environment was activated",
        "environment-bound" => "A reserved environment was activated",
        "environment-reserved" => "An environment was made for a Serial Number",
        "slot-reserved" => "An environment was kept for a Serial Number",
        "environment-rebound" => "An environment got a new key",
        "environment-moved" => "An environment moved to another server",
        "environment-released" => "An environment was released",
        "release-asked" => "The vendor was asked to approve a release",
        "release-approved" => "A release was approved",
        "release-refused" => "A release was refused",
        "release-overtaken" => "A release that waited was done otherwise",
        "branch-released" => "A copy of an environment gave up",
        "slot-freed" => "A slot was freed",
        "license-issued" => "A license was issued",
        "revocation-issued" => "A revocation was issued",
        "license-adopted" | "environment-adopted" | "sequence-caught-up" => {
            "The portal learnt of a license after it was restored from a backup"
        }
        "chain-forked" => "Two machines ask as one environment",
        "chain-restarted" => "A server began anew",
        "survivor-named" => "It was said which of two machines goes on",
        "rebind-code-made" => "A one-time code was made",
        "rebind-code-refused" => "A wrong one-time code was refused",
        "rebind-asked" => "A new key waits for the vendor's approval",
        "rebind-approved" => "A new key was approved",
        "retired-key-told" => "A server with an old key was told that it is retired",
        "usage-reported" => "A usage report was taken",
        "signed-in" => "Someone signed in",
        "signed-out" => "Someone signed out",
        "signed-out-everywhere" => "Everyone was signed out",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{what, who};

    /// By the first part of their names: what no subscription has in its history.
    const OF_THE_PORTAL: [&str; 7] =
        ["operator", "token", "webhook", "database", "trials", "signing", "trust"];

    #[test]
    fn every_event_of_the_audit_has_words_for_a_customer() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/portal.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (_, table) = page.split_once("## Audit events").unwrap();
        let mut seen = 0;
        for row in table.lines().filter_map(|line| line.strip_prefix("| `")) {
            let (names, _) = row.split_once(" | ").unwrap();
            let family = names.split('-').next().unwrap();
            for name in names.split("`, `").map(|name| name.trim_end_matches('`')) {
                let event = match name.strip_prefix('-') {
                    Some(rest) => format!("{family}-{rest}"),
                    None => name.to_owned(),
                };
                let of_the_portal = OF_THE_PORTAL.contains(&event.split('-').next().unwrap_or(""));
                assert!(of_the_portal || what(&event).is_some(), "no words for {event}");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen} events in the table");
    }

    #[test]
    fn the_vendor_s_people_have_no_names_here() {
        let id = "019b0000-0000-7000-8000-000000000000";
        assert_eq!(who(&format!("customer {id} via 192.0.2.1")), "you, from 192.0.2.1");
        assert_eq!(who("agent thumbprint"), "the server");
        for vendor in ["operator jane", "operator uid 0", "token crm", "entitled dev"] {
            assert_eq!(who(vendor), "your vendor");
        }
    }
}

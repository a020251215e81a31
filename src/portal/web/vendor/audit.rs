//! The audit: what was changed, when, by whom.

use super::{
    super::{
        PageError, Web,
        address::Asked,
        faults::Faults,
        page::{Layout, moment, show},
    },
    Done, SignedIn, told,
};
use crate::portal::{
    access::Right,
    store::{AuditEntry, AuditFilter, AuditTampering},
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use uuid::Uuid;

/// Entries of a page.
const ROWS: u32 = 100;

/// An entry in a table.
pub(super) struct EntryRow {
    pub(super) at: String,
    pub(super) event: String,
    pub(super) actor: String,
    pub(super) subscription: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) detail: String,
}

/// The entries of a table.
pub(super) fn rows_of(entries: Vec<AuditEntry>) -> Vec<EntryRow> {
    let row = |entry: AuditEntry| EntryRow {
        at: moment(entry.at),
        event: entry.event,
        actor: entry.actor,
        subscription: entry.subscription_id,
        environment: entry.environment_id,
        detail: entry.detail.to_string(),
    };
    entries.into_iter().map(row).collect()
}

/// Which entries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    event: String,
    actor: String,
    subscription: String,
    before: String,
}

#[derive(Template)]
#[template(path = "vendor/audit.html")]
struct AuditPage {
    layout: Layout,
    search: Search,
    entries: Vec<EntryRow>,
    next: Option<i64>,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: SignedIn,
    Asked(search): Asked<Search>,
) -> Result<Response, PageError> {
    who.needs(Right::AuditRead)?;
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let subscription = given(&search.subscription).map(|text| text.parse::<Uuid>());
    let faults = subscription.as_ref().filter(|id| id.is_err()).map(|_| {
        let text = "This is no id of a subscription: it is the last part of its page's address.";
        Faults::one(StatusCode::OK, "subscription", text)
    });
    let filter = AuditFilter {
        event: given(&search.event),
        actor: given(&search.actor),
        subscription: subscription.and_then(Result::ok),
    };
    let before = search.before.parse().ok();
    // Without the condition that could not be read it would be everybody's entries.
    let mut found = if faults.is_some() {
        Vec::new()
    } else {
        who.ask(&web, move |portal| portal.search_audit(&filter, before, ROWS + 1)).await?
    };
    let more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let layout = who.layout(&web, "/vendor/audit", &Done::default()).refused(faults);
    Ok(layout.reply().with(&AuditPage {
        layout,
        next: found.last().filter(|_| more).map(|last| last.id),
        entries: rows_of(found),
        search,
    }))
}

#[derive(Template)]
#[template(path = "vendor/audit_check.html")]
struct CheckPage {
    layout: Layout,
    entries: u64,
    head: String,
    fault: Option<String>,
}

/// Walks along the whole chain, one walk at a time.
pub(super) async fn verify(State(web): State<Web>, who: SignedIn) -> Result<Response, PageError> {
    who.needs(Right::AuditRead)?;
    let check = who.portal.check_audit_apart().await.map_err(told)?;
    let fault = check.fault.map(|fault| match fault.found {
        AuditTampering::Removed => format!("Entries before entry {} were removed.", fault.id),
        AuditTampering::ChangedOrPutIn => format!("Entry {} was changed or put in.", fault.id),
    });
    let layout = who.layout(&web, "/vendor/audit", &Done::default());
    Ok(show(&CheckPage { layout, entries: check.entries, head: check.head, fault }))
}

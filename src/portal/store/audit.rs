//! The audit: what was changed, when, by whom. Entries are added with the change that they tell of, and never changed.

use super::{
    Change, StoreError, View,
    rows::{json, time, to_json},
};
use jiff::Timestamp;
use rusqlite::{Row, params};
use serde::Serialize;
use uuid::Uuid;

/// What is to be told. Never a secret: an Activation Code is masked.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// When.
    pub at: Timestamp,
    /// Who: `operator NAME` or `agent THUMBPRINT`.
    pub actor: &'a str,
    /// What happened, in stable words.
    pub event: &'a str,
    /// To which subscription.
    pub subscription_id: Option<Uuid>,
    /// To which environment.
    pub environment_id: Option<Uuid>,
    /// What else there is to say.
    pub detail: serde_json::Value,
}

/// An entry as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Its place.
    pub id: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What happened.
    pub event: String,
    /// To which subscription.
    pub subscription_id: Option<String>,
    /// To which environment.
    pub environment_id: Option<String>,
    /// What else there is to say.
    pub detail: serde_json::Value,
}

impl View<'_> {
    /// The newest `most` entries, of one subscription or all, oldest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn audit(
        &self,
        subscription: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT * FROM (SELECT * FROM audit WHERE ?1 IS NULL OR subscription_id = ?1 \
                   ORDER BY id DESC LIMIT ?2) ORDER BY id";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_map(params![subscription.map(|id| id.to_string()), most], entry)?.collect()
            })
            .map_err(StoreError::during("read the audit"))
    }
}

impl Change<'_> {
    /// Adds an entry.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn audit_event(&self, event: &Event<'_>) -> Result<(), StoreError> {
        let add = || {
            let sql = "INSERT INTO audit (at, actor, event, subscription_id, environment_id, detail) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            self.0.0.prepare_cached(sql)?.execute(params![
                event.at.as_second(),
                event.actor,
                event.event,
                event.subscription_id.map(|id| id.to_string()),
                event.environment_id.map(|id| id.to_string()),
                to_json(&event.detail)?,
            ])
        };
        add().map(drop).map_err(StoreError::during("add to the audit"))
    }
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.get("id")?,
        at: time(row, "at")?,
        actor: row.get("actor")?,
        event: row.get("event")?,
        subscription_id: row.get("subscription_id")?,
        environment_id: row.get("environment_id")?,
        detail: json(row, "detail")?,
    })
}

//! The audit: what was changed, when, by whom. Entries are added with the change that they tell of, and never changed.

use super::{
    Change, Fault, StoreError, View,
    audit_chain::{Link, NO_HASH},
    session::{Row, values},
};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// Named one by one: PostgreSQL refuses a prepared `SELECT *` once the table has another column.
pub(super) const COLUMNS: &str =
    "id, at, actor, event, subscription_id, environment_id, detail, hash";

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
    /// The digest of it and of all before it: its place in the chain.
    pub hash: String,
}

impl View<'_> {
    /// The newest `most` entries, of one subscription or all, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn audit(
        &self,
        subscription: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let newest = |filter: &str| {
            format!(
                "SELECT {COLUMNS} FROM (SELECT {COLUMNS} FROM audit {filter} ORDER BY id DESC LIMIT ?1) AS newest ORDER BY id"
            )
        };
        let doing = "read the audit";
        match subscription {
            None => self.all(doing, &newest(""), values![most], entry),
            Some(id) => {
                self.all(doing, &newest("WHERE subscription_id = ?2"), values![most, id], entry)
            }
        }
    }
}

impl View<'_> {
    /// At most `most` entries of a subscription before the entry `before`, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn audit_before(
        &self,
        subscription: Uuid,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE subscription_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        );
        let values = values![subscription, before.unwrap_or(i64::MAX), most];
        self.all("read the audit", &sql, values, entry)
    }
}

impl Change<'_> {
    /// Adds an entry, and what webhooks are told of it.
    ///
    /// # Errors
    /// What the database says.
    pub fn audit_event(&self, told: &Event<'_>) -> Result<(), StoreError> {
        let doing = "add to the audit";
        let head = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1";
        let head =
            self.first(doing, head, &[], |row| Ok((row.integer("id")?, row.string("hash")?)));
        let (last, previous) = head?.unwrap_or_else(|| (0, NO_HASH.to_owned()));
        let subscription = told.subscription_id.map(|id| id.to_string());
        let environment = told.environment_id.map(|id| id.to_string());
        let detail = serde_json::to_string(&told.detail).map_err(|_| StoreError::Unwritable)?;
        let link = Link {
            id: last + 1,
            at: told.at.as_second(),
            actor: told.actor,
            event: told.event,
            subscription_id: subscription.as_deref(),
            environment_id: environment.as_deref(),
            detail: &detail,
        };
        let sql = "INSERT INTO audit (id, at, actor, event, subscription_id, environment_id, detail, hash) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let hash = link.hash(&previous);
        let Link { id, at, actor, event, subscription_id, environment_id, detail } = link;
        let values = values![id, at, actor, event, subscription_id, environment_id, detail, hash];
        self.execute_later(doing, sql, values)?;
        self.queue_messages(told)
    }
}

pub(super) fn entry(row: &Row<'_>) -> Result<AuditEntry, Fault> {
    Ok(AuditEntry {
        id: row.integer("id")?,
        at: row.time("at")?,
        actor: row.string("actor")?,
        event: row.string("event")?,
        subscription_id: row.optional_string("subscription_id")?,
        environment_id: row.optional_string("environment_id")?,
        detail: row.json("detail")?,
        hash: row.string("hash")?,
    })
}

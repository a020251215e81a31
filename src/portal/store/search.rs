//! Lists that are read a page at a time, the newest first: ids begin with the time.

use super::{
    AuditEntry, StoreError, View, audit::entry, environments, rows::integer, subscriptions,
};
use crate::{
    codes::{ActivationId, SerialNumber},
    license::Purpose,
    portal::domain::{Environment, Subscription},
};
use rusqlite::params;
use uuid::Uuid;

/// Which subscriptions.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    /// That have this in the customer's name, in whatever case.
    pub customer: Option<String>,
    /// Of this edition.
    pub edition: Option<String>,
    /// Of this standing: `active`, `suspended` or `revoked`.
    pub standing: Option<String>,
    /// Of this Activation Code.
    pub activation: Option<ActivationId>,
    /// With an environment of this Serial Number.
    pub serial_number: Option<SerialNumber>,
}

/// Which environments.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentFilter {
    /// Of this subscription.
    pub subscription: Option<Uuid>,
    /// Of this purpose.
    pub purpose: Option<Purpose>,
    /// Of this Serial Number.
    pub serial_number: Option<SerialNumber>,
}

/// Which audit entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this subscription.
    pub subscription: Option<Uuid>,
    /// Of this event.
    pub event: Option<String>,
    /// By whom.
    pub actor: Option<String>,
}

impl View<'_> {
    /// At most `most` subscriptions that were made before that one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn subscriptions_page(
        &self,
        filter: &SubscriptionFilter,
        before: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        let sql = format!(
            "SELECT {} FROM subscriptions WHERE (?1 IS NULL OR id < ?1) \
             AND (?2 IS NULL OR lower(customer) LIKE ?2 ESCAPE '\\') \
             AND (?3 IS NULL OR terms LIKE ?3 ESCAPE '\\') \
             AND (?4 IS NULL OR standing LIKE ?4 ESCAPE '\\') \
             AND (?5 IS NULL OR activation_id = ?5) \
             AND (?6 IS NULL OR EXISTS (SELECT 1 FROM environments \
                  WHERE environments.subscription_id = subscriptions.id AND serial_number = ?6)) \
             ORDER BY id DESC LIMIT ?7",
            subscriptions::COLUMNS
        );
        let customer =
            filter.customer.as_ref().map(|name| format!("%{}%", literal(&name.to_lowercase())));
        // The edition is the first member of the terms, as they are written.
        let edition = filter.edition.as_ref().map(|name| {
            let name = serde_json::Value::from(name.as_str()).to_string();
            format!("{{\"edition\":{},%", literal(&name))
        });
        let standing =
            filter.standing.as_ref().map(|word| format!("{{\"status\":\"{}\"%", literal(word)));
        self.0
            .prepare_cached(&sql)
            .and_then(|mut s| {
                let with = params![
                    before.map(|id| id.to_string()),
                    customer,
                    edition,
                    standing,
                    filter.activation.map(|id| id.to_string()),
                    filter.serial_number.map(|serial| serial.to_string()),
                    most,
                ];
                s.query_map(with, subscriptions::subscription)?.collect()
            })
            .map_err(StoreError::during("search subscriptions"))
    }

    /// At most `most` environments that were made before that one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn environments_page(
        &self,
        filter: &EnvironmentFilter,
        before: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<Environment>, StoreError> {
        let sql = format!(
            "SELECT {} FROM environments WHERE (?1 IS NULL OR id < ?1) \
             AND (?2 IS NULL OR subscription_id = ?2) AND (?3 IS NULL OR purpose = ?3) \
             AND (?4 IS NULL OR serial_number = ?4) ORDER BY id DESC LIMIT ?5",
            environments::COLUMNS
        );
        self.0
            .prepare_cached(&sql)
            .and_then(|mut s| {
                let with = params![
                    before.map(|id| id.to_string()),
                    filter.subscription.map(|id| id.to_string()),
                    filter.purpose.map(Purpose::as_str),
                    filter.serial_number.map(|serial| serial.to_string()),
                    most,
                ];
                s.query_map(with, environments::environment)?.collect()
            })
            .map_err(StoreError::during("search environments"))
    }

    /// At most `most` audit entries before that one, the newest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT * FROM audit WHERE (?1 IS NULL OR id < ?1) \
                   AND (?2 IS NULL OR subscription_id = ?2) AND (?3 IS NULL OR event = ?3) \
                   AND (?4 IS NULL OR actor = ?4) ORDER BY id DESC LIMIT ?5";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                let with = params![
                    before.map(integer),
                    filter.subscription.map(|id| id.to_string()),
                    filter.event,
                    filter.actor,
                    most,
                ];
                s.query_map(with, entry)?.collect()
            })
            .map_err(StoreError::during("search the audit"))
    }
}

/// `text` without any meaning to `LIKE`.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

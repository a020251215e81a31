//! Lists that are read a page at a time, the newest first: ids begin with the time.

use super::{
    AuditEntry, StoreError, View,
    audit::{self, entry},
    environments,
    folding::folded,
    session::{Value, integer},
    subscriptions,
};
use crate::{
    codes::{ActivationId, SerialNumber},
    license::Purpose,
    portal::domain::{Environment, Subscription},
};
use uuid::Uuid;

/// Which subscriptions.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    /// That have this in the customer's name, in whatever case.
    pub customer: Option<String>,
    /// Of this edition, in whatever case of its ASCII letters.
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

/// The conditions of a search, each with its value.
#[derive(Default)]
struct Conditions<'a> {
    text: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// That what `condition` says of the value `?` holds, where there is one.
    fn with(mut self, condition: &str, value: Option<impl Into<Value<'a>>>) -> Self {
        if let Some(value) = value {
            self.values.push(value.into());
            self.text.push(condition.replace('?', &format!("?{}", self.values.len())));
        }
        self
    }

    /// The statement: the newest `most` of what `from` selects that meet them all.
    fn newest(&mut self, from: &str, most: u32) -> String {
        self.values.push(most.into());
        let all = if self.text.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", self.text.join(" AND "))
        };
        format!("{from} {all} ORDER BY id DESC LIMIT ?{}", self.values.len())
    }
}

impl View<'_> {
    /// At most `most` subscriptions that were made before that one.
    ///
    /// # Errors
    /// What the database says.
    pub fn subscriptions_page(
        &self,
        filter: &SubscriptionFilter,
        before: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        let customer = filter.customer.as_ref().map(|name| format!("%{}%", literal(&folded(name))));
        // The edition is the first member of the terms, as they are written.
        let edition = filter.edition.as_ref().map(|name| {
            let name = serde_json::Value::from(name.as_str()).to_string();
            format!("{{\"edition\":{name},").to_ascii_lowercase()
        });
        let standing = filter.standing.as_ref().map(|word| format!("{{\"status\":\"{word}\""));
        let with_serial = "EXISTS (SELECT 1 FROM environments \
                           WHERE environments.subscription_id = subscriptions.id AND environments.serial_number = ?)";
        let mut conditions = Conditions::default()
            .with("id < ?", before)
            .with("customer_folded LIKE ? ESCAPE '\\'", customer)
            .with("lower(substr(terms, 1, length(?))) = ?", edition)
            .with("substr(standing, 1, length(?)) = ?", standing)
            .with("activation_id = ?", filter.activation.map(|id| id.to_string()))
            .with(with_serial, filter.serial_number.map(|serial| serial.to_string()));
        let from = format!("SELECT {} FROM subscriptions", subscriptions::COLUMNS);
        let sql = conditions.newest(&from, most);
        self.all("search subscriptions", &sql, &conditions.values, subscriptions::subscription)
    }

    /// At most `most` environments that were made before that one.
    ///
    /// # Errors
    /// What the database says.
    pub fn environments_page(
        &self,
        filter: &EnvironmentFilter,
        before: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<Environment>, StoreError> {
        let mut conditions = Conditions::default()
            .with("id < ?", before)
            .with("subscription_id = ?", filter.subscription)
            .with("purpose = ?", filter.purpose.map(Purpose::as_str))
            .with("serial_number = ?", filter.serial_number.map(|serial| serial.to_string()));
        let from = format!("SELECT {} FROM environments", environments::COLUMNS);
        let sql = conditions.newest(&from, most);
        self.all("search environments", &sql, &conditions.values, environments::environment)
    }

    /// At most `most` audit entries before that one, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut conditions = Conditions::default()
            .with("id < ?", before.map(integer))
            .with("subscription_id = ?", filter.subscription)
            .with("event = ?", filter.event.as_deref())
            .with("actor = ?", filter.actor.as_deref());
        let sql = conditions.newest(&format!("SELECT {} FROM audit", audit::COLUMNS), most);
        self.all("search the audit", &sql, &conditions.values, entry)
    }
}

/// `text` without any meaning to `LIKE`.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

//! The table of subscriptions.

use super::{
    Change, Fault, StoreError, View,
    folding::folded,
    session::{Row, integer, to_json, values},
};
use crate::{
    codes::ActivationId,
    portal::domain::{Revision, Subscription},
};
use uuid::Uuid;

pub(super) const COLUMNS: &str =
    "id, activation_code, customer, terms, standing, revision, created_at";
/// The same beside columns of what belongs to it.
pub(super) const SOLD_COLUMNS: &str =
    "id AS sold_id, activation_code, customer, terms, standing, revision, created_at";

impl View<'_> {
    /// The subscription of that id.
    ///
    /// # Errors
    /// What the database says.
    pub fn subscription(&self, id: Uuid) -> Result<Option<Subscription>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM subscriptions WHERE id = ?1");
        self.first("read a subscription", &sql, values![id], subscription)
    }

    /// The subscription whose Activation Code has that digest.
    ///
    /// # Errors
    /// What the database says.
    pub fn subscription_by_activation(
        &self,
        id: ActivationId,
    ) -> Result<Option<Subscription>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM subscriptions WHERE activation_id = ?1");
        self.first("find a subscription", &sql, values![id.to_string()], subscription)
    }

    /// All subscriptions, the newest last.
    ///
    /// # Errors
    /// What the database says.
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM subscriptions ORDER BY created_at, id");
        self.all("list subscriptions", &sql, &[], subscription)
    }
}

impl Change<'_> {
    /// Adds a subscription.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_subscription(&self, new: &Subscription) -> Result<(), StoreError> {
        let sql = "INSERT INTO subscriptions (id, activation_id, activation_code, customer, terms, \
                   standing, revision, created_at, customer_folded) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let values = values![
            new.id,
            new.activation_code.id().to_string(),
            new.activation_code.expose(),
            &new.customer,
            to_json(&new.terms)?,
            to_json(&new.standing)?,
            integer(new.revision.0),
            new.created_at,
            folded(&new.customer),
        ];
        self.execute("add a subscription", sql, values).map(drop)
    }

    /// Stores a subscription's customer, terms, standing and revision; its id and its code never change.
    ///
    /// # Errors
    /// What the database says.
    pub fn update_subscription(&self, changed: &Subscription) -> Result<(), StoreError> {
        let sql = "UPDATE subscriptions SET customer = ?2, terms = ?3, standing = ?4, \
                   revision = ?5, customer_folded = ?6 WHERE id = ?1";
        let values = values![
            changed.id,
            &changed.customer,
            to_json(&changed.terms)?,
            to_json(&changed.standing)?,
            integer(changed.revision.0),
            folded(&changed.customer),
        ];
        self.execute("change a subscription", sql, values).map(drop)
    }
}

pub(super) fn subscription(row: &Row<'_>) -> Result<Subscription, Fault> {
    named(row, "id")
}

/// A subscription in [`SOLD_COLUMNS`].
pub(super) fn sold(row: &Row<'_>) -> Result<Subscription, Fault> {
    named(row, "sold_id")
}

fn named(row: &Row<'_>, id: &str) -> Result<Subscription, Fault> {
    Ok(Subscription {
        id: row.parsed(id)?,
        activation_code: row.parsed("activation_code")?,
        customer: row.string("customer")?,
        terms: row.json("terms")?,
        standing: row.json("standing")?,
        revision: Revision(row.count("revision")?),
        created_at: row.time("created_at")?,
    })
}

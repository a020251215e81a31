//! The table of subscriptions.

use super::{
    Change, StoreError, View,
    rows::{count, integer, json, parsed, time, to_json},
};
use crate::{
    codes::ActivationId,
    portal::domain::{Revision, Subscription},
};
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

pub(super) const COLUMNS: &str =
    "id, activation_code, customer, terms, standing, revision, created_at";

impl View<'_> {
    /// The subscription of that id.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn subscription(&self, id: Uuid) -> Result<Option<Subscription>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM subscriptions WHERE id = ?1"))
            .and_then(|mut s| s.query_row([id.to_string()], subscription).optional())
            .map_err(StoreError::during("read a subscription"))
    }

    /// The subscription whose Activation Code has that digest.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn subscription_by_activation(
        &self,
        id: ActivationId,
    ) -> Result<Option<Subscription>, StoreError> {
        self.0
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM subscriptions WHERE activation_id = ?1"
            ))
            .and_then(|mut s| s.query_row([id.to_string()], subscription).optional())
            .map_err(StoreError::during("find a subscription"))
    }

    /// All subscriptions, the newest last.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM subscriptions ORDER BY created_at, id"))
            .and_then(|mut s| s.query_map([], subscription)?.collect())
            .map_err(StoreError::during("list subscriptions"))
    }
}

impl Change<'_> {
    /// Adds a subscription.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn add_subscription(&self, new: &Subscription) -> Result<(), StoreError> {
        let add = || {
            let sql = "INSERT INTO subscriptions (id, activation_id, activation_code, customer, terms, \
                       standing, revision, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            self.0.0.prepare_cached(sql)?.execute(params![
                new.id.to_string(),
                new.activation_code.id().to_string(),
                new.activation_code.expose(),
                new.customer,
                to_json(&new.terms)?,
                to_json(&new.standing)?,
                integer(new.revision.0),
                new.created_at.as_second(),
            ])
        };
        add().map(drop).map_err(StoreError::during("add a subscription"))
    }

    /// Stores a subscription's customer, terms, standing and revision; its id and its code never change.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn update_subscription(&self, changed: &Subscription) -> Result<(), StoreError> {
        let update = || {
            let sql = "UPDATE subscriptions SET customer = ?2, terms = ?3, standing = ?4, \
                       revision = ?5 WHERE id = ?1";
            self.0.0.prepare_cached(sql)?.execute(params![
                changed.id.to_string(),
                changed.customer,
                to_json(&changed.terms)?,
                to_json(&changed.standing)?,
                integer(changed.revision.0),
            ])
        };
        update().map(drop).map_err(StoreError::during("change a subscription"))
    }
}

pub(super) fn subscription(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    Ok(Subscription {
        id: parsed(row, "id")?,
        activation_code: parsed(row, "activation_code")?,
        customer: row.get("customer")?,
        terms: json(row, "terms")?,
        standing: json(row, "standing")?,
        revision: Revision(count(row, "revision")?),
        created_at: time(row, "created_at")?,
    })
}

//! How much there is of everything, for monitors.

use super::{StoreError, View};
use crate::{license::Purpose, portal::domain::Standing};
use std::collections::BTreeMap;

/// Numbers of what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Subscriptions by the word of their standing.
    pub subscriptions: BTreeMap<&'static str, u64>,
    /// Environments that are not released, by purpose.
    pub environments: BTreeMap<Purpose, u64>,
    /// Messages to webhooks that wait.
    pub waiting_messages: u64,
    /// Messages to webhooks that were given up.
    pub dead_messages: u64,
}

impl View<'_> {
    /// Counts.
    ///
    /// # Errors
    /// What the database says.
    pub fn census(&self) -> Result<Census, StoreError> {
        let mut census = Census::default();
        // Those that are revoked differ in when and why.
        let sql = "SELECT standing, count(*) AS number FROM subscriptions GROUP BY standing";
        self.each("count subscriptions", sql, &[], |row| {
            let standing: Standing = row.json("standing")?;
            *census.subscriptions.entry(standing.as_str()).or_default() +=
                row.count::<u64>("number")?;
            Ok(true)
        })?;
        let sql = "SELECT purpose, count(*) AS number FROM environments \
                   WHERE released_at IS NULL GROUP BY purpose";
        self.each("count environments", sql, &[], |row| {
            census.environments.insert(row.parsed("purpose")?, row.count("number")?);
            Ok(true)
        })?;
        // Each by an index of its own, without reading a message.
        let sql = "SELECT (SELECT count(*) FROM webhook_messages WHERE dead_at IS NULL) AS waiting, \
                   (SELECT count(*) FROM webhook_messages WHERE dead_at IS NOT NULL) AS dead";
        self.each("count messages", sql, &[], |row| {
            census.waiting_messages = row.count("waiting")?;
            census.dead_messages = row.count("dead")?;
            Ok(false)
        })?;
        Ok(census)
    }
}

//! The table of off-line releases and moves whose slot was free at once.

use super::{Change, StoreError, View};
use jiff::Timestamp;
use rusqlite::params;
use uuid::Uuid;

impl View<'_> {
    /// When the off-line releases of a subscription after `since` were, oldest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn offline_releases(
        &self,
        subscription: Uuid,
        since: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let sql =
            "SELECT at FROM offline_releases WHERE subscription_id = ?1 AND at > ?2 ORDER BY at";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                let rows = params![subscription.to_string(), since.as_second()];
                s.query_map(rows, |row| super::rows::time(row, "at"))?.collect()
            })
            .map_err(StoreError::during("count off-line releases"))
    }
}

impl Change<'_> {
    /// Counts an off-line release.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn add_offline_release(
        &self,
        subscription: Uuid,
        environment: Uuid,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO offline_releases (subscription_id, environment_id, at) \
                   VALUES (?1, ?2, ?3)";
        let row = params![subscription.to_string(), environment.to_string(), at.as_second()];
        self.0
            .0
            .prepare_cached(sql)
            .and_then(|mut s| s.execute(row))
            .map(drop)
            .map_err(StoreError::during("count an off-line release"))
    }
}

//! The table of off-line releases and moves whose slot was free at once.

use super::{Change, StoreError, View, session::values};
use jiff::Timestamp;
use uuid::Uuid;

impl View<'_> {
    /// When the off-line releases of a subscription after `since` were, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn offline_releases(
        &self,
        subscription: Uuid,
        since: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let sql =
            "SELECT at FROM offline_releases WHERE subscription_id = ?1 AND at > ?2 ORDER BY at";
        self.all("count off-line releases", sql, values![subscription, since], |row| row.time("at"))
    }
}

impl Change<'_> {
    /// Counts an off-line release.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_offline_release(
        &self,
        subscription: Uuid,
        environment: Uuid,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO offline_releases (subscription_id, environment_id, at) \
                   VALUES (?1, ?2, ?3)";
        let values = values![subscription, environment, at];
        self.execute("count an off-line release", sql, values).map(drop)
    }
}

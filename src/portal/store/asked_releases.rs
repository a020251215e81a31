//! The table of releases that customers asked for.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, values},
};
use crate::portal::{AskedRelease, ReleaseState};
use jiff::Timestamp;
use uuid::Uuid;

const COLUMNS: &str = "id, subscription_id, environment_id, reason, asked_by, asked_at, state, decided_by, decided_at, answer";

impl View<'_> {
    /// The release of that id.
    ///
    /// # Errors
    /// What the database says.
    pub fn asked_release(&self, id: Uuid) -> Result<Option<AskedRelease>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM asked_releases WHERE id = ?1");
        self.first("read a release", &sql, values![id], asked_release)
    }

    /// The releases that wait for approval, oldest first; of one environment or all.
    ///
    /// # Errors
    /// What the database says.
    pub fn waiting_releases(
        &self,
        environment: Option<Uuid>,
    ) -> Result<Vec<AskedRelease>, StoreError> {
        let sql = |filter: &str| {
            format!(
                "SELECT {COLUMNS} FROM asked_releases WHERE state = 'waits' {filter} ORDER BY asked_at, id"
            )
        };
        let doing = "list releases";
        match environment {
            None => self.all(doing, &sql(""), &[], asked_release),
            Some(id) => {
                self.all(doing, &sql("AND environment_id = ?1"), values![id], asked_release)
            }
        }
    }

    /// The release of an environment that was asked for last.
    ///
    /// # Errors
    /// What the database says.
    pub fn last_asked_release(
        &self,
        subscription: Uuid,
        environment: Uuid,
    ) -> Result<Option<AskedRelease>, StoreError> {
        // By the subscription first: that is what there is an index for.
        let sql = format!(
            "SELECT {COLUMNS} FROM asked_releases WHERE subscription_id = ?1 AND environment_id = ?2 \
             ORDER BY asked_at DESC, id DESC LIMIT 1"
        );
        self.first("read a release", &sql, values![subscription, environment], asked_release)
    }

    /// How many releases of a subscription that its customer asked for after `since` were done.
    ///
    /// # Errors
    /// What the database says.
    pub fn releases_done(&self, subscription: Uuid, since: Timestamp) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) AS done FROM asked_releases \
                   WHERE subscription_id = ?1 AND asked_at > ?2 AND state = 'done'";
        let values = values![subscription, since];
        let done = self.first("count releases", sql, values, |row| row.count("done"))?;
        Ok(done.unwrap_or(0))
    }
}

impl Change<'_> {
    /// Stores a release, asked for or decided.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_asked_release(&self, put: &AskedRelease) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO asked_releases ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by, \
             decided_at = excluded.decided_at, answer = excluded.answer"
        );
        let values = values![
            put.id,
            put.subscription_id,
            put.environment_id,
            &put.reason,
            &put.asked_by,
            put.asked_at,
            put.state.as_str(),
            put.decided_by.as_deref(),
            put.decided_at,
            put.answer.as_deref(),
        ];
        self.execute("store a release", &sql, values).map(drop)
    }

    /// Forgets a release that was asked for.
    ///
    /// # Errors
    /// What the database says.
    pub fn forget_release(&self, id: Uuid) -> Result<(), StoreError> {
        let sql = "DELETE FROM asked_releases WHERE id = ?1";
        self.execute("forget a release", sql, values![id]).map(drop)
    }
}

fn asked_release(row: &Row<'_>) -> Result<AskedRelease, Fault> {
    Ok(AskedRelease {
        id: row.parsed("id")?,
        subscription_id: row.parsed("subscription_id")?,
        environment_id: row.parsed("environment_id")?,
        reason: row.string("reason")?,
        asked_by: row.string("asked_by")?,
        asked_at: row.time("asked_at")?,
        state: row.parsed::<ReleaseState>("state")?,
        decided_by: row.optional_string("decided_by")?,
        decided_at: row.optional_time("decided_at")?,
        answer: row.optional_string("answer")?,
    })
}

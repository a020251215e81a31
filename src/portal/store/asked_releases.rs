//! The table of releases that customers asked for.

use super::{
    Change, StoreError, View,
    rows::{optional_time, parsed, time},
};
use crate::portal::{AskedRelease, ReleaseState};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

const COLUMNS: &str = "id, subscription_id, environment_id, reason, asked_by, asked_at, state, decided_by, decided_at, answer";

impl View<'_> {
    /// The release of that id.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn asked_release(&self, id: Uuid) -> Result<Option<AskedRelease>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM asked_releases WHERE id = ?1"))
            .and_then(|mut s| s.query_row([id.to_string()], asked_release).optional())
            .map_err(StoreError::during("read a release"))
    }

    /// The releases that wait for approval, oldest first; of one environment or all.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn waiting_releases(
        &self,
        environment: Option<Uuid>,
    ) -> Result<Vec<AskedRelease>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM asked_releases \
             WHERE state = 'waits' AND (?1 IS NULL OR environment_id = ?1) ORDER BY asked_at, id"
        );
        self.0
            .prepare_cached(&sql)
            .and_then(|mut s| {
                s.query_map([environment.map(|id| id.to_string())], asked_release)?.collect()
            })
            .map_err(StoreError::during("list releases"))
    }

    /// How many releases of a subscription that its customer asked for after `since` were done.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn releases_done(&self, subscription: Uuid, since: Timestamp) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM asked_releases \
                   WHERE subscription_id = ?1 AND asked_at > ?2 AND state = 'done'";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                let of = params![subscription.to_string(), since.as_second()];
                s.query_row(of, |row| row.get(0))
            })
            .map_err(StoreError::during("count releases"))
    }
}

impl Change<'_> {
    /// Stores a release, asked for or decided.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_asked_release(&self, put: &AskedRelease) -> Result<(), StoreError> {
        let store = || {
            let sql = format!(
                "INSERT INTO asked_releases ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by, \
                 decided_at = excluded.decided_at, answer = excluded.answer"
            );
            self.0.0.prepare_cached(&sql)?.execute(params![
                put.id.to_string(),
                put.subscription_id.to_string(),
                put.environment_id.to_string(),
                put.reason,
                put.asked_by,
                put.asked_at.as_second(),
                put.state.as_str(),
                put.decided_by,
                put.decided_at.map(Timestamp::as_second),
                put.answer,
            ])
        };
        store().map(drop).map_err(StoreError::during("store a release"))
    }
}

fn asked_release(row: &Row<'_>) -> rusqlite::Result<AskedRelease> {
    Ok(AskedRelease {
        id: parsed(row, "id")?,
        subscription_id: parsed(row, "subscription_id")?,
        environment_id: parsed(row, "environment_id")?,
        reason: row.get("reason")?,
        asked_by: row.get("asked_by")?,
        asked_at: time(row, "asked_at")?,
        state: parsed::<ReleaseState>(row, "state")?,
        decided_by: row.get("decided_by")?,
        decided_at: optional_time(row, "decided_at")?,
        answer: row.get("answer")?,
    })
}

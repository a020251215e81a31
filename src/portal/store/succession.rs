//! The tables of what puts one key in the place of another: retired keys, one-time codes, rebinds that wait.

use super::{
    Change, StoreError, View,
    rows::{count, integer, json, optional_time, parsed, time, to_json},
};
use crate::{
    license::{PublicKey, Retirement, Thumbprint},
    portal::domain::{PendingRebind, StoredCode},
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

/// Rebinds that wait for approval in one environment; more push the oldest out.
const MOST_PENDING: u32 = 8;

/// A key that was bound before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredKey {
    /// The environment that it was bound to.
    pub environment_id: Uuid,
    /// The key.
    pub key: PublicKey,
    /// How it lost it.
    pub by: Retirement,
    /// When.
    pub at: Timestamp,
}

impl View<'_> {
    /// The key of that thumbprint that an environment was bound to: of that environment, or else of the one where it was
    /// retired last.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn retired_key(
        &self,
        thumbprint: &Thumbprint,
        environment: Option<Uuid>,
    ) -> Result<Option<RetiredKey>, StoreError> {
        let sql = "SELECT environment_id, key, retired_by, retired_at FROM retired_keys \
                   WHERE thumbprint = ?1 AND (?2 IS NULL OR environment_id = ?2) \
                   ORDER BY retired_at DESC LIMIT 1";
        let environment = environment.map(|id| id.to_string());
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_row(params![thumbprint.as_str(), environment], retired).optional()
            })
            .map_err(StoreError::during("find a retired key"))
    }

    /// The one-time code of an environment, whether or not it is still good.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn rebind_code(&self, environment: Uuid) -> Result<Option<StoredCode>, StoreError> {
        let sql = "SELECT verifier, expires_at, attempts_left FROM rebind_codes \
                   WHERE environment_id = ?1";
        let read = |row: &Row<'_>| {
            Ok(StoredCode {
                verifier: json(row, "verifier")?,
                expires_at: time(row, "expires_at")?,
                attempts_left: count(row, "attempts_left")?,
            })
        };
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| s.query_row([environment.to_string()], read).optional())
            .map_err(StoreError::during("read a one-time code"))
    }

    /// The rebinds that wait for approval or were approved and not asked for again, of one environment or all, oldest
    /// first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn pending_rebinds(
        &self,
        environment: Option<Uuid>,
    ) -> Result<Vec<PendingRebind>, StoreError> {
        let sql = "SELECT environment_id, thumbprint, asked_at, machine, approved_at \
                   FROM pending_rebinds WHERE ?1 IS NULL OR environment_id = ?1 \
                   ORDER BY asked_at, thumbprint";
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_map([environment.map(|id| id.to_string())], pending)?.collect()
            })
            .map_err(StoreError::during("list rebinds"))
    }
}

impl Change<'_> {
    /// Remembers a key that an environment was bound to.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn retire_key(&self, retired: &RetiredKey) -> Result<(), StoreError> {
        let retire = || {
            let sql = "INSERT OR REPLACE INTO retired_keys \
                       (environment_id, thumbprint, key, retired_by, retired_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            self.0.0.prepare_cached(sql)?.execute(params![
                retired.environment_id.to_string(),
                retired.key.thumbprint().as_str(),
                to_json(&retired.key)?,
                retired.by.as_str(),
                retired.at.as_second(),
            ])
        };
        retire().map(drop).map_err(StoreError::during("retire a key"))
    }

    /// Stores the one-time code of an environment in the place of an earlier one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_rebind_code(&self, environment: Uuid, code: &StoredCode) -> Result<(), StoreError> {
        let put = || {
            let sql = "INSERT OR REPLACE INTO rebind_codes \
                       (environment_id, verifier, expires_at, attempts_left) VALUES (?1, ?2, ?3, ?4)";
            self.0.0.prepare_cached(sql)?.execute(params![
                environment.to_string(),
                to_json(&code.verifier)?,
                code.expires_at.as_second(),
                integer(code.attempts_left),
            ])
        };
        put().map(drop).map_err(StoreError::during("store a one-time code"))
    }

    /// Stores a rebind that waits for approval, or that it was approved.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_pending_rebind(&self, pending: &PendingRebind) -> Result<(), StoreError> {
        let put = || {
            let sql = "INSERT OR REPLACE INTO pending_rebinds \
                       (environment_id, thumbprint, asked_at, machine, approved_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            let environment = pending.environment_id.to_string();
            self.0.0.prepare_cached(sql)?.execute(params![
                environment,
                pending.key.as_str(),
                pending.asked_at.as_second(),
                pending.machine,
                pending.approved_at.map(Timestamp::as_second),
            ])?;
            let surplus = format!(
                "DELETE FROM pending_rebinds WHERE environment_id = ?1 AND thumbprint NOT IN \
                 (SELECT thumbprint FROM pending_rebinds WHERE environment_id = ?1 \
                  ORDER BY approved_at IS NULL, asked_at DESC LIMIT {MOST_PENDING})"
            );
            self.0.0.prepare_cached(&surplus)?.execute([environment])
        };
        put().map(drop).map_err(StoreError::during("store a rebind"))
    }

    /// Forgets the one-time code of an environment and the rebinds that wait, once another key is bound.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn forget_rebinds(&self, environment: Uuid) -> Result<(), StoreError> {
        let forget = || {
            let id = environment.to_string();
            for table in ["rebind_codes", "pending_rebinds"] {
                let sql = format!("DELETE FROM {table} WHERE environment_id = ?1");
                self.0.0.prepare_cached(&sql)?.execute([&id])?;
            }
            Ok(())
        };
        forget().map_err(StoreError::during("forget rebinds"))
    }
}

fn retired(row: &Row<'_>) -> rusqlite::Result<RetiredKey> {
    // The table allows these two words only.
    let by = match row.get_ref("retired_by")?.as_str()? {
        "move" => Retirement::Move,
        _ => Retirement::Rebind,
    };
    Ok(RetiredKey {
        environment_id: parsed(row, "environment_id")?,
        key: json(row, "key")?,
        by,
        at: time(row, "retired_at")?,
    })
}

fn pending(row: &Row<'_>) -> rusqlite::Result<PendingRebind> {
    Ok(PendingRebind {
        environment_id: parsed(row, "environment_id")?,
        key: parsed(row, "thumbprint")?,
        asked_at: time(row, "asked_at")?,
        machine: row.get("machine")?,
        approved_at: optional_time(row, "approved_at")?,
    })
}

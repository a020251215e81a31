//! The tables of what puts one key in the place of another: retired keys, one-time codes, rebinds that wait.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, integer, to_json, values},
};
use crate::{
    license::{PublicKey, Retirement, Thumbprint},
    portal::domain::{PendingRebind, StoredCode},
};
use jiff::Timestamp;
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
    /// What the database says.
    pub fn retired_key(
        &self,
        thumbprint: &Thumbprint,
        environment: Option<Uuid>,
    ) -> Result<Option<RetiredKey>, StoreError> {
        let sql = |filter: &str| {
            format!(
                "SELECT environment_id, key, retired_by, retired_at FROM retired_keys \
                 WHERE thumbprint = ?1 {filter} ORDER BY retired_at DESC LIMIT 1"
            )
        };
        let (doing, thumbprint) = ("find a retired key", thumbprint.as_str());
        match environment {
            None => self.first(doing, &sql(""), values![thumbprint], retired),
            Some(id) => {
                let sql = sql("AND environment_id = ?2");
                self.first(doing, &sql, values![thumbprint, id], retired)
            }
        }
    }

    /// The one-time code of an environment, whether or not it is still good.
    ///
    /// # Errors
    /// What the database says.
    pub fn rebind_code(&self, environment: Uuid) -> Result<Option<StoredCode>, StoreError> {
        let sql = "SELECT verifier, expires_at, attempts_left FROM rebind_codes \
                   WHERE environment_id = ?1";
        self.first("read a one-time code", sql, values![environment], |row| {
            Ok(StoredCode {
                verifier: row.json("verifier")?,
                expires_at: row.time("expires_at")?,
                attempts_left: row.count("attempts_left")?,
            })
        })
    }

    /// The rebinds that wait for approval or were approved and not asked for again, of one environment or all, oldest
    /// first.
    ///
    /// # Errors
    /// What the database says.
    pub fn pending_rebinds(
        &self,
        environment: Option<Uuid>,
    ) -> Result<Vec<PendingRebind>, StoreError> {
        let sql = |filter: &str| {
            format!(
                "SELECT environment_id, thumbprint, asked_at, machine, approved_at \
                 FROM pending_rebinds {filter} ORDER BY asked_at, thumbprint"
            )
        };
        let doing = "list rebinds";
        match environment {
            None => self.all(doing, &sql(""), &[], pending),
            Some(id) => self.all(doing, &sql("WHERE environment_id = ?1"), values![id], pending),
        }
    }
}

impl Change<'_> {
    /// Remembers a key that an environment was bound to.
    ///
    /// # Errors
    /// What the database says.
    pub fn retire_key(&self, retired: &RetiredKey) -> Result<(), StoreError> {
        let sql = "INSERT INTO retired_keys (environment_id, thumbprint, key, retired_by, retired_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (thumbprint, environment_id) DO UPDATE SET \
                   key = excluded.key, retired_by = excluded.retired_by, retired_at = excluded.retired_at";
        let thumbprint = retired.key.thumbprint();
        let values = values![
            retired.environment_id,
            thumbprint.as_str(),
            to_json(&retired.key)?,
            retired.by.as_str(),
            retired.at,
        ];
        self.execute("retire a key", sql, values).map(drop)
    }

    /// Stores the one-time code of an environment in the place of an earlier one.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_rebind_code(&self, environment: Uuid, code: &StoredCode) -> Result<(), StoreError> {
        let sql = "INSERT INTO rebind_codes (environment_id, verifier, expires_at, attempts_left) \
                   VALUES (?1, ?2, ?3, ?4) ON CONFLICT (environment_id) DO UPDATE SET \
                   verifier = excluded.verifier, expires_at = excluded.expires_at, \
                   attempts_left = excluded.attempts_left";
        let values = values![
            environment,
            to_json(&code.verifier)?,
            code.expires_at,
            integer(code.attempts_left),
        ];
        self.execute("store a one-time code", sql, values).map(drop)
    }

    /// Stores a rebind that waits for approval, or that it was approved.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_pending_rebind(&self, pending: &PendingRebind) -> Result<(), StoreError> {
        let doing = "store a rebind";
        let sql = "INSERT INTO pending_rebinds (environment_id, thumbprint, asked_at, machine, approved_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (environment_id, thumbprint) DO UPDATE SET \
                   asked_at = excluded.asked_at, machine = excluded.machine, \
                   approved_at = excluded.approved_at";
        let PendingRebind { environment_id, key, asked_at, machine, approved_at } = pending;
        let values = values![*environment_id, key.as_str(), *asked_at, machine, *approved_at];
        self.execute(doing, sql, values)?;
        let surplus = format!(
            "DELETE FROM pending_rebinds WHERE environment_id = ?1 AND thumbprint NOT IN \
             (SELECT thumbprint FROM pending_rebinds WHERE environment_id = ?1 \
              ORDER BY approved_at IS NULL, asked_at DESC LIMIT {MOST_PENDING})"
        );
        self.execute(doing, &surplus, values![*environment_id]).map(drop)
    }

    /// Forgets the one-time code of an environment and the rebinds that wait, once another key is bound.
    ///
    /// # Errors
    /// What the database says.
    pub fn forget_rebinds(&self, environment: Uuid) -> Result<(), StoreError> {
        for table in ["rebind_codes", "pending_rebinds"] {
            let sql = format!("DELETE FROM {table} WHERE environment_id = ?1");
            self.execute("forget rebinds", &sql, values![environment])?;
        }
        Ok(())
    }
}

fn retired(row: &Row<'_>) -> Result<RetiredKey, Fault> {
    // The table allows these two words only.
    let by = match row.text("retired_by")? {
        "move" => Retirement::Move,
        _ => Retirement::Rebind,
    };
    Ok(RetiredKey {
        environment_id: row.parsed("environment_id")?,
        key: row.json("key")?,
        by,
        at: row.time("retired_at")?,
    })
}

fn pending(row: &Row<'_>) -> Result<PendingRebind, Fault> {
    Ok(PendingRebind {
        environment_id: row.parsed("environment_id")?,
        key: row.parsed("thumbprint")?,
        asked_at: row.time("asked_at")?,
        machine: row.string("machine")?,
        approved_at: row.optional_time("approved_at")?,
    })
}

//! The table of environments.

use super::{
    Change, StoreError, View,
    rows::{count, integer, json, optional_json, optional_time, parsed, time, to_json},
};
use crate::{
    codes::SerialNumber,
    license::{Purpose, Sequence, Thumbprint},
    portal::domain::{CurrentDocument, Environment, Revision},
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

pub(super) const COLUMNS: &str = "id, subscription_id, serial_number, name, purpose, key, sequence, document_kind, document, \
                       made_from, chain, activated_at, seen_at, released_at, slot_held_until";

impl View<'_> {
    /// The environment of that id.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn environment(&self, id: Uuid) -> Result<Option<Environment>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM environments WHERE id = ?1"))
            .and_then(|mut s| s.query_row([id.to_string()], environment).optional())
            .map_err(StoreError::during("read an environment"))
    }

    /// The environments of a subscription that have one of these Serial Numbers, in their order. Of several with one
    /// Serial Number, the one that has its slot, or else the one that was released last.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn environments_by_serial(
        &self,
        subscription: Uuid,
        serial_numbers: &[SerialNumber],
    ) -> Result<Vec<Environment>, StoreError> {
        let find = || {
            let mut statement = self.0.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM environments WHERE subscription_id = ?1 AND serial_number = ?2 \
                 ORDER BY released_at IS NOT NULL, released_at DESC LIMIT 1"
            ))?;
            let mut found = Vec::new();
            for serial in serial_numbers {
                let key = [subscription.to_string(), serial.to_string()];
                found.extend(statement.query_row(key, environment).optional()?);
            }
            Ok(found)
        };
        find().map_err(StoreError::during("find environments"))
    }

    /// The environment of that Serial Number and key, of whichever subscription.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn environment_by_key(
        &self,
        serial_number: SerialNumber,
        key: &Thumbprint,
    ) -> Result<Option<Environment>, StoreError> {
        let find = || {
            let sql = format!(
                "SELECT {COLUMNS} FROM environments WHERE serial_number = ?1 ORDER BY activated_at DESC"
            );
            let mut statement = self.0.prepare_cached(&sql)?;
            let mut rows = statement.query([serial_number.to_string()])?;
            while let Some(row) = rows.next()? {
                let found = environment(row)?;
                if found.is_bound_to(key) {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        };
        find().map_err(StoreError::during("find an environment"))
    }

    /// All environments, or those of one subscription, in the order of their activation.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn environments(&self, subscription: Option<Uuid>) -> Result<Vec<Environment>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM environments WHERE ?1 IS NULL OR subscription_id = ?1 \
             ORDER BY activated_at, id"
        );
        self.0
            .prepare_cached(&sql)
            .and_then(|mut s| {
                s.query_map([subscription.map(|id| id.to_string())], environment)?.collect()
            })
            .map_err(StoreError::during("list environments"))
    }

    /// How many slots of that purpose are in use, those of off-line releases whose license may still run among them.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn slots_in_use(
        &self,
        subscription: Uuid,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        // The first condition is the index's, so that it is used.
        let sql = "SELECT count(*) FROM environments WHERE subscription_id = ?1 AND purpose = ?2 \
                   AND (released_at IS NULL OR slot_held_until IS NOT NULL) \
                   AND (released_at IS NULL OR slot_held_until > ?3)";
        let (subscription, purpose) = (subscription.to_string(), purpose.as_str());
        self.0
            .prepare_cached(sql)
            .and_then(|mut s| {
                s.query_row(params![subscription, purpose, now.as_second()], |row| row.get(0))
            })
            .map_err(StoreError::during("count slots"))
    }
}

impl Change<'_> {
    /// Stores an environment, new or changed.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_environment(&self, put: &Environment) -> Result<(), StoreError> {
        if self.update_in_place(put)? {
            return Ok(());
        }
        let insert = || {
            let sql = format!(
                "INSERT INTO environments ({COLUMNS}) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
                 ON CONFLICT (id) DO UPDATE SET serial_number = excluded.serial_number, \
                 name = excluded.name, purpose = excluded.purpose, \
                 key = excluded.key, sequence = excluded.sequence, \
                 document_kind = excluded.document_kind, document = excluded.document, \
                 made_from = excluded.made_from, chain = excluded.chain, \
                 activated_at = excluded.activated_at, seen_at = excluded.seen_at, \
                 released_at = excluded.released_at, slot_held_until = excluded.slot_held_until"
            );
            let kind = put.current.as_ref().map(kind);
            self.0.0.prepare_cached(&sql)?.execute(params![
                put.id.to_string(),
                put.subscription_id.to_string(),
                put.serial_number.to_string(),
                put.name,
                put.purpose.as_str(),
                put.key.as_ref().map(to_json).transpose()?,
                integer(put.sequence.0),
                kind,
                put.current.as_ref().map(CurrentDocument::text),
                integer(put.made_from.0),
                to_json(&put.chain)?,
                put.activated_at.as_second(),
                put.seen_at.as_second(),
                put.released_at.map(Timestamp::as_second),
                put.slot_held_until.map(Timestamp::as_second),
            ])
        };
        insert().map(drop).map_err(StoreError::during("store an environment"))
    }

    /// Stores what changes with every request, where nothing else has changed: SQLite writes an index anew for each of its
    /// columns that a statement sets, whether or not the value is another.
    fn update_in_place(&self, put: &Environment) -> Result<bool, StoreError> {
        let update = || {
            let sql = "UPDATE environments SET key = ?8, sequence = ?9, document_kind = ?10, document = ?11, \
                       made_from = ?12, chain = ?13, seen_at = ?14 \
                       WHERE id = ?1 AND serial_number = ?2 AND name = ?3 AND purpose = ?4 AND activated_at = ?5 \
                       AND released_at IS ?6 AND slot_held_until IS ?7";
            self.0.0.prepare_cached(sql)?.execute(params![
                put.id.to_string(),
                put.serial_number.to_string(),
                put.name,
                put.purpose.as_str(),
                put.activated_at.as_second(),
                put.released_at.map(Timestamp::as_second),
                put.slot_held_until.map(Timestamp::as_second),
                put.key.as_ref().map(to_json).transpose()?,
                integer(put.sequence.0),
                put.current.as_ref().map(kind),
                put.current.as_ref().map(CurrentDocument::text),
                integer(put.made_from.0),
                to_json(&put.chain)?,
                put.seen_at.as_second(),
            ])
        };
        let updated = update().map_err(StoreError::during("store an environment"))?;
        Ok(updated == 1)
    }
}

const fn kind(document: &CurrentDocument) -> &'static str {
    match document {
        CurrentDocument::License(_) => "license",
        CurrentDocument::Revocation(_) => "revocation",
    }
}

pub(super) fn environment(row: &Row<'_>) -> rusqlite::Result<Environment> {
    let document: Option<String> = row.get("document")?;
    let kind: Option<String> = row.get("document_kind")?;
    let current = document.map(|text| match kind.as_deref() {
        Some("revocation") => CurrentDocument::Revocation(text),
        _ => CurrentDocument::License(text),
    });
    Ok(Environment {
        id: parsed(row, "id")?,
        subscription_id: parsed(row, "subscription_id")?,
        serial_number: parsed(row, "serial_number")?,
        name: row.get("name")?,
        purpose: parsed(row, "purpose")?,
        key: optional_json(row, "key")?,
        sequence: Sequence(count(row, "sequence")?),
        current,
        made_from: Revision(count(row, "made_from")?),
        chain: json(row, "chain")?,
        activated_at: time(row, "activated_at")?,
        seen_at: time(row, "seen_at")?,
        released_at: optional_time(row, "released_at")?,
        slot_held_until: optional_time(row, "slot_held_until")?,
    })
}

//! The table of environments.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, integer, optional_json, to_json, values},
    subscriptions,
};
use crate::{
    codes::SerialNumber,
    license::{Purpose, Sequence, Thumbprint},
    portal::domain::{CurrentDocument, Environment, Revision, Subscription},
};
use jiff::Timestamp;
use uuid::Uuid;

pub(super) const COLUMNS: &str = "id, subscription_id, serial_number, name, purpose, key, sequence, document_kind, document, \
                       made_from, chain, activated_at, seen_at, released_at, slot_held_until";

impl View<'_> {
    /// The environment of that id.
    ///
    /// # Errors
    /// What the database says.
    pub fn environment(&self, id: Uuid) -> Result<Option<Environment>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM environments WHERE id = ?1");
        self.first("read an environment", &sql, values![id], environment)
    }

    /// The environment of that id, and its subscription.
    ///
    /// # Errors
    /// What the database says.
    pub fn environment_with_subscription(
        &self,
        id: Uuid,
    ) -> Result<Option<(Environment, Subscription)>, StoreError> {
        let sql = format!(
            "SELECT * FROM (SELECT {COLUMNS} FROM environments WHERE id = ?1) AS e \
             JOIN (SELECT {} FROM subscriptions) AS s ON s.sold_id = e.subscription_id",
            subscriptions::SOLD_COLUMNS
        );
        self.first("read an environment", &sql, values![id], |row| {
            Ok((environment(row)?, subscriptions::sold(row)?))
        })
    }

    /// The environments of a subscription that have one of these Serial Numbers, in their order. Of several with one
    /// Serial Number, the one that has its slot, or else the one that was released last.
    ///
    /// # Errors
    /// What the database says.
    pub fn environments_by_serial(
        &self,
        subscription: Uuid,
        serial_numbers: &[SerialNumber],
    ) -> Result<Vec<Environment>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM environments WHERE subscription_id = ?1 AND serial_number = ?2 \
             ORDER BY released_at IS NOT NULL, released_at DESC LIMIT 1"
        );
        let mut found = Vec::new();
        for (place, serial) in serial_numbers.iter().enumerate() {
            if serial_numbers[..place].contains(serial) {
                continue;
            }
            let values = values![subscription, serial.to_string()];
            found.extend(self.first("find environments", &sql, values, environment)?);
        }
        Ok(found)
    }

    /// The environment of that Serial Number and key, of whichever subscription.
    ///
    /// # Errors
    /// What the database says.
    pub fn environment_by_key(
        &self,
        serial_number: SerialNumber,
        key: &Thumbprint,
    ) -> Result<Option<Environment>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM environments WHERE serial_number = ?1 ORDER BY activated_at DESC"
        );
        let mut found = None;
        let doing = "find an environment";
        self.each(doing, &sql, values![serial_number.to_string()], |row| {
            found = Some(environment(row)?).filter(|known| known.is_bound_to(key));
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// All environments, or those of one subscription, in the order of their activation.
    ///
    /// # Errors
    /// What the database says.
    pub fn environments(&self, subscription: Option<Uuid>) -> Result<Vec<Environment>, StoreError> {
        let sql = |filter: &str| {
            format!("SELECT {COLUMNS} FROM environments {filter} ORDER BY activated_at, id")
        };
        let doing = "list environments";
        match subscription {
            None => self.all(doing, &sql(""), &[], environment),
            Some(id) => {
                self.all(doing, &sql("WHERE subscription_id = ?1"), values![id], environment)
            }
        }
    }

    /// How many slots of that purpose are in use, those of off-line releases whose license may still run among them.
    ///
    /// # Errors
    /// What the database says.
    pub fn slots_in_use(
        &self,
        subscription: Uuid,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        // The first condition is the index's, so that it is used.
        let sql = "SELECT count(*) AS used FROM environments WHERE subscription_id = ?1 AND purpose = ?2 \
                   AND (released_at IS NULL OR slot_held_until IS NOT NULL) \
                   AND (released_at IS NULL OR slot_held_until > ?3)";
        let values = values![subscription, purpose.as_str(), now];
        let used = self.first("count slots", sql, values, |row| row.count("used"))?;
        Ok(used.unwrap_or(0))
    }
}

impl Change<'_> {
    /// Stores an environment, new or changed.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_environment(&self, put: &Environment) -> Result<(), StoreError> {
        if self.update_in_place(put)? {
            return Ok(());
        }
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
        let values = values![
            put.id,
            put.subscription_id,
            put.serial_number.to_string(),
            &put.name,
            put.purpose.as_str(),
            optional_json(put.key.as_ref())?,
            integer(put.sequence.0),
            put.current.as_ref().map(kind),
            put.current.as_ref().map(CurrentDocument::text),
            integer(put.made_from.0),
            to_json(&put.chain)?,
            put.activated_at,
            put.seen_at,
            put.released_at,
            put.slot_held_until,
        ];
        self.execute("store an environment", &sql, values).map(drop)
    }

    /// Stores what changes with every request, where nothing else has changed: SQLite writes an index anew for each of its
    /// columns that a statement sets, whether or not the value is another.
    fn update_in_place(&self, put: &Environment) -> Result<bool, StoreError> {
        let sql = "UPDATE environments SET key = ?8, sequence = ?9, document_kind = ?10, document = ?11, \
                   made_from = ?12, chain = ?13, seen_at = ?14 \
                   WHERE id = ?1 AND serial_number = ?2 AND name = ?3 AND purpose = ?4 AND activated_at = ?5 \
                   AND released_at IS NOT DISTINCT FROM ?6 AND slot_held_until IS NOT DISTINCT FROM ?7";
        let values = values![
            put.id,
            put.serial_number.to_string(),
            &put.name,
            put.purpose.as_str(),
            put.activated_at,
            put.released_at,
            put.slot_held_until,
            optional_json(put.key.as_ref())?,
            integer(put.sequence.0),
            put.current.as_ref().map(kind),
            put.current.as_ref().map(CurrentDocument::text),
            integer(put.made_from.0),
            to_json(&put.chain)?,
            put.seen_at,
        ];
        Ok(self.execute("store an environment", sql, values)? == 1)
    }

    /// Stores that an environment was heard of again, which is all that most requests change: `stored` is as this transaction has
    /// read it and not changed it since. Whatever else has changed is stored as well.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_environment_heard(
        &self,
        put: &Environment,
        stored: &Environment,
    ) -> Result<(), StoreError> {
        let heard =
            Environment { chain: put.chain.clone(), seen_at: put.seen_at, ..stored.clone() };
        if heard != *put {
            return self.put_environment(put);
        }
        let sql = "UPDATE environments SET chain = ?2, seen_at = ?3 WHERE id = ?1";
        let values = values![put.id, to_json(&put.chain)?, put.seen_at];
        self.execute_later("store an environment", sql, values)
    }
}

const fn kind(document: &CurrentDocument) -> &'static str {
    match document {
        CurrentDocument::License(_) => "license",
        CurrentDocument::Revocation(_) => "revocation",
    }
}

pub(super) fn environment(row: &Row<'_>) -> Result<Environment, Fault> {
    let kind = row.optional_text("document_kind")?;
    let current = row.optional_string("document")?.map(|text| match kind {
        Some("revocation") => CurrentDocument::Revocation(text),
        _ => CurrentDocument::License(text),
    });
    Ok(Environment {
        id: row.parsed("id")?,
        subscription_id: row.parsed("subscription_id")?,
        serial_number: row.parsed("serial_number")?,
        name: row.string("name")?,
        purpose: row.parsed("purpose")?,
        key: row.optional_json("key")?,
        sequence: Sequence(row.count("sequence")?),
        current,
        made_from: Revision(row.count("made_from")?),
        chain: row.json("chain")?,
        activated_at: row.time("activated_at")?,
        seen_at: row.time("seen_at")?,
        released_at: row.optional_time("released_at")?,
        slot_held_until: row.optional_time("slot_held_until")?,
    })
}

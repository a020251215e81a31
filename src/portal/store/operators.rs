//! The table of operators.

use super::{
    Change, StoreError, View,
    rows::{optional_time, parsed, time},
};
use crate::portal::access::{Operator, PasswordDigest};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

const COLUMNS: &str = "name, password, role, created_at, changed_at, disabled_at";

impl View<'_> {
    /// The operator of that name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM operators WHERE name = ?1"))
            .and_then(|mut s| s.query_row([name], operator).optional())
            .map_err(StoreError::during("read an operator"))
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM operators ORDER BY name"))
            .and_then(|mut s| s.query_map([], operator)?.collect())
            .map_err(StoreError::during("list operators"))
    }
}

impl Change<'_> {
    /// Stores an operator, new or changed.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_operator(&self, put: &Operator) -> Result<(), StoreError> {
        let store = || {
            let sql = "INSERT INTO operators (name, password, role, created_at, changed_at, disabled_at) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                       ON CONFLICT (name) DO UPDATE SET password = excluded.password, role = excluded.role, \
                       changed_at = excluded.changed_at, disabled_at = excluded.disabled_at";
            self.0.0.prepare_cached(sql)?.execute(params![
                put.name,
                put.password.text(),
                put.role.as_str(),
                put.created_at.as_second(),
                put.changed_at.as_second(),
                put.disabled_at.map(Timestamp::as_second),
            ])
        };
        store().map(drop).map_err(StoreError::during("store an operator"))
    }
}

fn operator(row: &Row<'_>) -> rusqlite::Result<Operator> {
    Ok(Operator {
        name: row.get("name")?,
        password: PasswordDigest::stored(row.get("password")?),
        role: parsed(row, "role")?,
        created_at: time(row, "created_at")?,
        changed_at: time(row, "changed_at")?,
        disabled_at: optional_time(row, "disabled_at")?,
    })
}

//! The table of operators.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, values},
};
use crate::portal::access::{Operator, PasswordDigest};
use jiff::Timestamp;
use std::net::IpAddr;

const COLUMNS: &str = "name, password, role, created_at, changed_at, disabled_at";

impl View<'_> {
    /// The operator of that name.
    ///
    /// # Errors
    /// What the database says.
    pub fn operator(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM operators WHERE name = ?1");
        self.first("read an operator", &sql, values![name], operator)
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// What the database says.
    pub fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM operators ORDER BY name");
        self.all("list operators", &sql, &[], operator)
    }

    /// Whether that operator has signed in from `network` after `since`.
    ///
    /// # Errors
    /// What the database says.
    pub fn knows_network(
        &self,
        operator: &str,
        network: IpAddr,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT seen_at FROM operator_networks \
                   WHERE operator = ?1 AND network = ?2 AND seen_at > ?3";
        let values = values![operator, network.to_string(), since];
        Ok(self.first("look for a network", sql, values, |_| Ok(()))?.is_some())
    }
}

impl Change<'_> {
    /// Stores an operator, new or changed.
    ///
    /// # Errors
    /// What the database says.
    pub fn put_operator(&self, put: &Operator) -> Result<(), StoreError> {
        let sql = "INSERT INTO operators (name, password, role, created_at, changed_at, disabled_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (name) DO UPDATE SET password = excluded.password, role = excluded.role, \
                   changed_at = excluded.changed_at, disabled_at = excluded.disabled_at";
        let values = values![
            &put.name,
            put.password.text(),
            put.role.as_str(),
            put.created_at,
            put.changed_at,
            put.disabled_at,
        ];
        self.execute("store an operator", sql, values).map(drop)
    }

    /// Notes that an operator has signed in from `network`, and forgets from where it has not since `forgotten`.
    ///
    /// # Errors
    /// What the database says.
    pub fn know_network(
        &self,
        operator: &str,
        network: IpAddr,
        now: Timestamp,
        forgotten: Timestamp,
    ) -> Result<(), StoreError> {
        let forget = "DELETE FROM operator_networks WHERE operator = ?1 AND seen_at <= ?2";
        self.execute("forget networks", forget, values![operator, forgotten])?;
        let sql = "INSERT INTO operator_networks (operator, network, seen_at) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (operator, network) DO UPDATE SET seen_at = excluded.seen_at";
        let values = values![operator, network.to_string(), now];
        self.execute("note a network", sql, values).map(drop)
    }
}

fn operator(row: &Row<'_>) -> Result<Operator, Fault> {
    Ok(Operator {
        name: row.string("name")?,
        password: PasswordDigest::stored(row.string("password")?),
        role: row.parsed("role")?,
        created_at: row.time("created_at")?,
        changed_at: row.time("changed_at")?,
        disabled_at: row.optional_time("disabled_at")?,
    })
}

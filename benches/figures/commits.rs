//! The baseline of the portal's store: SQLite alone, with the same tables and rows as large, at the same durability.

use crate::Failure;
use rusqlite::{Connection, params};
use std::{path::Path, time::Instant};
use uuid::Uuid;

const TABLES: [&str; 4] = [
    include_str!("../../src/portal/store/schema/0001.sql"),
    include_str!("../../src/portal/store/schema/0002.sql"),
    include_str!("../../src/portal/store/schema/0003.sql"),
    include_str!("../../src/portal/store/schema/0004.sql"),
];

/// A database that knows no requests, only rows.
pub(crate) struct Rows {
    connection: Connection,
    environment: String,
}

impl Rows {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        for tables in TABLES {
            connection.execute_batch(tables)?;
        }
        connection.pragma_update(None, "foreign_keys", false)?;
        let environment = Uuid::now_v7().to_string();
        connection.execute(
            "INSERT INTO environments VALUES (?1, ?1, 'serial', 'Main site', 'production', NULL, 1, 'license', ?2, 1, '{}', \
             1, 1, NULL, NULL)",
            params![environment, "x".repeat(1_400)],
        )?;
        Ok(Self { connection, environment })
    }

    /// Transactions a second, each of which stores `together` answered refreshes.
    pub(crate) fn refreshes(
        &self,
        count: u32,
        together: u32,
        request: &str,
        answer: &str,
    ) -> Result<f64, Failure> {
        let start = Instant::now();
        for _ in 0..count {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            for _ in 0..together {
                self.refresh(request, answer)?;
            }
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(f64::from(count) / start.elapsed().as_secs_f64())
    }

    fn refresh(&self, request: &str, answer: &str) -> Result<(), Failure> {
        let id = Uuid::now_v7().to_string();
        self.connection
            .prepare_cached("INSERT INTO requests VALUES (?1, ?2, 'refresh', ?3, 1, ?4, ?5)")?
            .execute(params![Uuid::new_v4().to_string(), id, self.environment, request, answer])?;
        self.connection
            .prepare_cached("UPDATE environments SET chain = ?2, seen_at = 2 WHERE id = ?1")?
            .execute(params![self.environment, id])?;
        Ok(())
    }
}

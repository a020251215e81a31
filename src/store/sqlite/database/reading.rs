//! The database opened by somebody else than its agent: read, and nothing else.

use super::{MIGRATIONS, StoreError, check, database_error, read_events};
use crate::store::StoredEvent;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::{path::Path, time::Duration};

/// How long a commit of the agent's is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is in a database.
pub(in crate::store) struct Looked {
    pub(in crate::store) layout: i64,
    pub(in crate::store) known_layout: i64,
    pub(in crate::store) revision: u64,
    pub(in crate::store) events: u64,
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let connection = connection.map_err(database_error("open", path))?;
    connection.busy_timeout(PATIENCE).map_err(database_error("set up", path))?;
    Ok(connection)
}

/// Checks a database, and says what is in it.
pub(in crate::store) fn look_into(path: &Path) -> Result<Looked, StoreError> {
    let connection = open(path)?;
    check(&connection).map_err(database_error("check", path))?;
    let read = || {
        let layout = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let revision: Option<String> = connection
            .query_row("SELECT value FROM state WHERE name = 'revision'", [], |row| row.get(0))
            .optional()?;
        let events: i64 =
            connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0))?;
        let revision = revision.and_then(|text| text.parse().ok()).unwrap_or_default();
        let known_layout = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        Ok(Looked { layout, known_layout, revision, events: events.unsigned_abs() })
    };
    read().map_err(database_error("read", path))
}

/// The newest audit entries of a database, newest first.
pub(in crate::store) fn events_of(path: &Path, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
    read_events(&open(path)?, limit).map_err(database_error("read", path))
}

//! The database file: its layout, its rows, its audit.

mod peaks;
mod reading;

pub(in crate::store) use reading::{Looked, events_of, look_into};

use crate::store::{AgentState, Event, Roster, RosterChange, StoreError, StoredEvent};
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Each migration brings the layout one step on; `user_version` counts those that were done.
const MIGRATIONS: [&str; 3] = [
    "
    CREATE TABLE state (
        name  TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE events (
        id     INTEGER PRIMARY KEY AUTOINCREMENT,
        at     TEXT NOT NULL,
        actor  TEXT NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE roster (
        kind  TEXT NOT NULL,
        id    TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
",
    peaks::TABLE,
];

/// An open database that was found sound.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
    /// The rows as they are stored, so that a commit writes only what changed.
    rows: BTreeMap<String, String>,
}

impl Database {
    /// Opens it, made where it is missing, with the state that it holds.
    pub(super) fn open(path: &Path) -> Result<(Self, AgentState), StoreError> {
        let error = |operation| database_error(operation, path);
        // Made here for its mode; SQLite would make it readable for everyone.
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| StoreError::File { operation: "open", path: path.into(), source })?;
        let mut connection = Connection::open(path).map_err(error("open"))?;
        connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA journal_mode = TRUNCATE; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 2000;",
            )
            .map_err(error("set up"))?;
        check(&connection).map_err(error("check"))?;
        migrate(&mut connection, path)?;
        let rows = read_rows(&connection).map_err(error("read"))?;
        let state = from_rows(&rows, path)?;
        Ok((Self { connection, path: path.into(), rows }, state))
    }

    /// The state that it holds.
    pub(super) fn state(&self) -> Result<AgentState, StoreError> {
        from_rows(&self.rows, &self.path)
    }

    /// Stores both or neither; true where a row of the state changed.
    pub(super) fn write(
        &mut self,
        state: &AgentState,
        events: &[Event],
        changes: &[RosterChange],
    ) -> Result<bool, StoreError> {
        let rows = to_rows(state);
        let changed: Vec<_> =
            rows.iter().filter(|(name, value)| self.rows.get(*name) != Some(*value)).collect();
        if changed.is_empty() && events.is_empty() && changes.is_empty() {
            return Ok(false);
        }
        let committed = (|| {
            let behaviour = TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(behaviour)?;
            for (name, value) in &changed {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)")?
                    .execute(params![name, value])?;
            }
            for Event { at, actor, action, detail } in events {
                transaction
                    .prepare_cached(
                        "INSERT INTO events (at, actor, action, detail) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![at.to_string(), actor, action.as_str(), detail])?;
            }
            changes.iter().try_for_each(|change| write_change(&transaction, change))?;
            transaction.commit()
        })();
        committed.map_err(database_error("write to", &self.path))?;
        let changed = !changed.is_empty();
        self.rows = rows;
        Ok(changed)
    }

    /// What is known of the members. An entry that can't be read is left out, and named.
    pub(super) fn roster(&self) -> Result<Roster, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT kind, id, value FROM roster")?;
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = read().map_err(database_error("read", &self.path))?;
        let mut roster = Roster::default();
        for (kind, id, value) in rows {
            match RosterChange::read(&kind, &value) {
                Some(change) => roster.apply(change),
                None => {
                    tracing::error!(%kind, %id, "an entry of the members' roster can't be read");
                }
            }
        }
        Ok(roster)
    }

    /// The newest audit entries, newest first.
    pub(super) fn events(&self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        read_events(&self.connection, limit).map_err(database_error("read", &self.path))
    }
}

fn read_events(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<StoredEvent>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, at, actor, action, detail FROM events ORDER BY id DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], |row| {
        let at: String = row.get(1)?;
        Ok(StoredEvent {
            id: row.get(0)?,
            at: at.parse().unwrap_or(Timestamp::UNIX_EPOCH),
            actor: row.get(2)?,
            action: row.get(3)?,
            detail: row.get(4)?,
        })
    })?;
    rows.collect()
}

impl StoreError {
    /// Whether the database itself is broken, rather than the disk or somebody in the way.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Database { source, .. } = self else { return false };
        let code = source.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

fn write_change(
    transaction: &rusqlite::Transaction<'_>,
    change: &RosterChange,
) -> rusqlite::Result<()> {
    let (kind, id) = (change.kind(), change.id());
    match change.value() {
        Some(value) => transaction
            .prepare_cached("INSERT OR REPLACE INTO roster (kind, id, value) VALUES (?1, ?2, ?3)")?
            .execute(params![kind, id, value])?,
        None => transaction
            .prepare_cached("DELETE FROM roster WHERE kind = ?1 AND id = ?2")?
            .execute(params![kind, id])?,
    };
    Ok(())
}

/// Renames a damaged database, with what SQLite keeps beside it, to a name that is free.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let stamp = Timestamp::now().as_second();
    let renamed = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let rename = |from: &Path, to: &Path| {
        fs::rename(from, to).map_err(|source| StoreError::File {
            operation: "set aside",
            path: from.into(),
            source,
        })
    };
    let mut suffix = format!(".damaged-{stamp}");
    let mut number = 1;
    while renamed(&suffix).exists() {
        number += 1;
        suffix = format!(".damaged-{stamp}-{number}");
    }
    let aside = renamed(&suffix);
    rename(path, &aside)?;
    let journal = renamed("-journal");
    if journal.exists() {
        rename(&journal, &renamed(&format!("{suffix}-journal")))?;
    }
    Ok(aside)
}

fn database_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Database { operation, path, source }
}

fn check(connection: &Connection) -> rusqlite::Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(found)))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let error = |operation| database_error(operation, path);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let done: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(error("read the layout of"))?;
    if done > known {
        return Err(StoreError::Newer { path: path.into(), found: done, known });
    }
    let pending = MIGRATIONS.iter().zip(1i64..).filter(|(_, number)| *number > done);
    for (step, number) in pending {
        let migrated = (|| {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()
        })();
        migrated.map_err(error("bring up to date"))?;
    }
    Ok(())
}

fn read_rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = connection.prepare("SELECT name, value FROM state")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn from_rows(rows: &BTreeMap<String, String>, path: &Path) -> Result<AgentState, StoreError> {
    let read = || {
        let members = rows.iter().map(|(name, value)| {
            let value: Value = serde_json::from_str(value)?;
            Ok((name.clone(), value))
        });
        let members = members.collect::<serde_json::Result<Map<_, _>>>()?;
        serde_json::from_value(Value::Object(members))
    };
    read().map_err(|error: serde_json::Error| {
        tracing::error!(%error, "the stored state can't be read");
        StoreError::Contents { path: path.into(), expected: "a state that can be read" }
    })
}

/// One row for each member of the state.
fn to_rows(state: &AgentState) -> BTreeMap<String, String> {
    match serde_json::to_value(state) {
        Ok(Value::Object(members)) => {
            members.into_iter().map(|(name, value)| (name, value.to_string())).collect()
        }
        // A struct of maps with text keys is always an object.
        _ => BTreeMap::new(),
    }
}

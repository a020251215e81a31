//! The store in one SQLite file.

use super::{AgentState, Event, StateDirectory, Store, StoreError, StoredEvent, files};
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const DATABASE: &str = "entitled.db";
/// The state without its history: what a damaged database is started again from.
const COPY: &str = "state.json";

/// What the copy holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Copy {
    state: AgentState,
    /// Audit entries that the database could not take, with the state that belongs to them.
    waiting: Vec<Event>,
}

/// Each migration brings the layout one step on; `user_version` counts those that were done.
const MIGRATIONS: [&str; 1] = ["
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
"];

/// A store in a state directory.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    copy: PathBuf,
    /// The rows as they are stored, so that a commit writes only what changed.
    rows: BTreeMap<String, String>,
    /// Why the copy is older than the database, where it is.
    stale: Option<String>,
}

/// A store, and what had to be done to open it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SqliteStore,
    /// What the operator should know: the database was damaged or missing, and was started again from the copy.
    pub recovered: Option<String>,
}

impl SqliteStore {
    /// Opens the store of a state directory. A damaged database is set aside, never deleted, and a new one is started
    /// from the copy beside it.
    ///
    /// # Errors
    /// [`StoreError::Database`] and [`StoreError::File`] where the disk refuses, [`StoreError::Newer`].
    pub fn open(directory: &StateDirectory) -> Result<Opened, StoreError> {
        let path = directory.path().join(DATABASE);
        let existed = path.exists();
        match Self::open_database(directory) {
            Ok(mut store) => {
                let recovered = match store.import_copy()? {
                    false => None,
                    true if existed => Some("the database had refused the last changes: they were taken from the copy beside it".to_owned()),
                    true => Some("the database was missing: a new one was started from the copy beside it; the audit before is lost".to_owned()),
                };
                Ok(Opened { store, recovered })
            }
            Err(StoreError::Database { source, .. }) if is_damage(&source) => {
                let aside = set_aside(&path)?;
                let mut store = Self::open_database(directory)?;
                let from = if store.import_copy()? {
                    "the copy of its state; the audit before is in that file"
                } else {
                    "nothing, for there was no copy"
                };
                let recovered = format!(
                    "the database was damaged ({source}): it was set aside as {} and a new one started from {from}",
                    aside.display()
                );
                Ok(Opened { store, recovered: Some(recovered) })
            }
            Err(error) => Err(error),
        }
    }

    fn open_database(directory: &StateDirectory) -> Result<Self, StoreError> {
        let path = directory.path().join(DATABASE);
        let error = |operation| database_error(operation, &path);
        // Made here for its mode; SQLite would make it readable for everyone.
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| StoreError::File { operation: "open", path: path.clone(), source })?;
        let mut connection = Connection::open(&path).map_err(error("open"))?;
        connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA journal_mode = TRUNCATE; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 2000;",
            )
            .map_err(error("set up"))?;
        let sound: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(error("check"))?;
        if sound != "ok" {
            let source = rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                Some(sound),
            );
            return Err(error("check")(source));
        }
        migrate(&mut connection, &path)?;
        let rows = read_rows(&connection).map_err(error("read"))?;
        Ok(Self { connection, copy: directory.path().join(COPY), rows, path, stale: None })
    }

    /// Takes the state from the copy beside the database, where that is newer; true where it was.
    fn import_copy(&mut self) -> Result<bool, StoreError> {
        let Some(text) = files::read(&self.copy)? else { return Ok(false) };
        let Ok(Copy { state, waiting }) = serde_json::from_str(&text) else {
            tracing::error!(path = %self.copy.display(), "the copy of the state can't be read");
            return Ok(false);
        };
        if state.revision <= self.load()?.revision {
            return Ok(false);
        }
        self.write(&state, &waiting)?;
        Ok(true)
    }

    /// Brings the copy up to the state; a failure is kept for [`Store::complaint`].
    fn write_copy(&mut self, state: &AgentState, waiting: &[Event]) {
        let copy = Copy { state: state.clone(), waiting: waiting.to_vec() };
        let text = serde_json::to_vec_pretty(&copy).unwrap_or_default();
        let written = super::write_durably(&self.copy, &text);
        self.stale = written.err().map(|error| error.to_string());
    }

    fn write(&mut self, state: &AgentState, events: &[Event]) -> Result<bool, StoreError> {
        let rows = to_rows(state);
        let changed: Vec<_> =
            rows.iter().filter(|(name, value)| self.rows.get(*name) != Some(*value)).collect();
        if changed.is_empty() && events.is_empty() {
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
            transaction.commit()
        })();
        committed.map_err(database_error("write to", &self.path))?;
        let changed = !changed.is_empty();
        self.rows = rows;
        Ok(changed)
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<AgentState, StoreError> {
        let mut members = Map::new();
        for (name, value) in &self.rows {
            let value = serde_json::from_str(value).map_err(|_| self.damaged_row())?;
            members.insert(name.clone(), value);
        }
        serde_json::from_value(Value::Object(members)).map_err(|error| {
            tracing::error!(%error, "the stored state can't be read");
            self.damaged_row()
        })
    }

    fn commit(&mut self, state: &AgentState, events: &[Event]) -> Result<(), StoreError> {
        match self.write(state, events) {
            Ok(changed) => {
                if changed || self.stale.is_some() {
                    self.write_copy(state, &[]);
                }
                Ok(())
            }
            Err(error) => {
                // The next start takes from there what the database did not.
                self.write_copy(state, events);
                Err(error)
            }
        }
    }

    fn complaint(&self) -> Option<String> {
        self.stale.clone()
    }

    fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
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
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(database_error("read", &self.path))
    }
}

impl SqliteStore {
    fn damaged_row(&self) -> StoreError {
        StoreError::Contents { path: self.path.clone(), expected: "a state that can be read" }
    }
}

fn database_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Database { operation, path, source }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames a damaged database, with what SQLite keeps beside it.
fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let stamp = Timestamp::now().as_second();
    let renamed = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = renamed(&format!(".damaged-{stamp}"));
    fs::rename(path, &aside).map_err(|source| StoreError::File {
        operation: "set aside",
        path: path.into(),
        source,
    })?;
    let journal = renamed("-journal");
    if journal.exists() {
        let to = renamed(&format!(".damaged-{stamp}-journal"));
        fs::rename(&journal, to).map_err(|source| StoreError::File {
            operation: "set aside",
            path: journal,
            source,
        })?;
    }
    Ok(aside)
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

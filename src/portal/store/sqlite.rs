//! SQLite: one file in WAL mode with `synchronous=FULL`, for one machine.

use super::{
    Fault, StoreError,
    schema::STEPS,
    session::{Columns, Database, Found, Row, Session, Value, damaged, integer},
};
use rusqlite::{
    Connection, TransactionBehavior,
    types::{ToSql, ToSqlOutput, ValueRef},
};
use std::{
    cell::Cell,
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A database file. Several processes may have it open: each transaction takes the lock of the file.
pub(super) struct SqliteFile(pub(super) PathBuf);

impl Database for SqliteFile {
    fn connect(&self) -> Result<Box<dyn Session>, StoreError> {
        Ok(Box::new(open(&self.0)?))
    }
}

impl Session for Connection {
    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if !each(&Row(&InOrder { row, next: Cell::new(0) }))? {
                break;
            }
        }
        Ok(())
    }

    fn stream(
        &self,
        sql: &str,
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        self.query(sql, &[], each)
    }

    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault> {
        let changed = self.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
        Ok(changed as u64)
    }

    fn run(&self, statements: &str) -> Result<(), Fault> {
        // Only a statement of its own is kept prepared.
        if statements.contains(';') {
            return Ok(self.execute_batch(statements)?);
        }
        self.prepare_cached(statements)?.execute([])?;
        Ok(())
    }

    fn begin_reading(&self) -> Result<(), Fault> {
        self.run("BEGIN DEFERRED")
    }

    fn begin_writing(&self) -> Result<(), Fault> {
        self.run("BEGIN IMMEDIATE")
    }

    fn count_on(&self, _table: &str) -> Result<(), Fault> {
        // SQLite counts on from the highest that it has seen.
        Ok(())
    }

    fn is_in_transaction(&self) -> bool {
        !self.is_autocommit()
    }

    fn is_lost(&self) -> bool {
        false
    }
}

/// A row whose columns are mostly read in their order: each is looked for behind the one before it, as SQLite is asked for a name each time.
struct InOrder<'r, 's> {
    row: &'r rusqlite::Row<'s>,
    next: Cell<usize>,
}

impl InOrder<'_, '_> {
    fn place(&self, name: &str) -> Result<usize, Fault> {
        let statement: &rusqlite::Statement<'_> = self.row.as_ref();
        let (count, first) = (statement.column_count(), self.next.get());
        let place = (first..count).chain(0..first.min(count));
        let mut place = place.filter(|at| statement.column_name(*at).is_ok_and(|it| it == name));
        let found = place.next().ok_or_else(|| damaged(name, "it is not there"))?;
        self.next.set(found + 1);
        Ok(found)
    }
}

impl Columns for InOrder<'_, '_> {
    fn column(&self, name: &str) -> Result<Found<'_>, Fault> {
        let column = match self.row.get_ref(self.place(name)?)? {
            ValueRef::Null => Found::Null,
            ValueRef::Integer(number) => Found::Integer(number),
            ValueRef::Text(text) => Found::Text(std::str::from_utf8(text).map_err(|error| {
                Fault::Column { column: name.to_owned(), reason: error.to_string() }
            })?),
            ValueRef::Blob(bytes) => Found::Blob(bytes),
            ValueRef::Real(number) => {
                let reason = format!("expected a whole number, found {number}");
                return Err(Fault::Column { column: name.to_owned(), reason });
            }
        };
        Ok(column)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Blob(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Integer(None) | Self::Text(None) | Self::Blob(None) => ValueRef::Null,
        }))
    }
}

/// Pages of 4 KiB in the write-ahead log at which they are moved into the database; after a crash all of them are read again.
const WAL_PAGES: u32 = 8_192;
/// Pages that a connection keeps in memory, KiB.
const CACHE_KIB: i64 = 32 << 10;
/// How long another process may hold the lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens `path`, making and migrating it as needed.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    // SQLite would make it by the umask; its -wal and -shm files take over this mode.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StoreError::Open { path: path.to_owned(), source: Arc::new(e) })?;
    let mut connection = Connection::open(path).map_err(StoreError::during("open"))?;
    configure(&connection).map_err(StoreError::during("configure"))?;
    migrate(&mut connection)?;
    enforce_references(&connection, true).map_err(StoreError::during("configure"))?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Fewer and larger checkpoints: each waits twice for the disk, and writes a page once however often it has changed.
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Puts all into the one file, which nothing beside it belongs to then.
pub(super) fn as_one_file(connection: &Connection) -> Result<(), StoreError> {
    connection
        .pragma_update(None, "journal_mode", "DELETE")
        .map_err(StoreError::during("close the backup"))
}

/// It must be off while a table is made anew under its old name, and has no effect within a transaction
/// (<https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes>).
fn enforce_references(connection: &Connection, on: bool) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "foreign_keys", on)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = StoreError::during;
    if version(connection)? == STEPS.len() {
        return Ok(());
    }
    enforce_references(connection, false).map_err(failed("configure"))?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed("begin to migrate"))?;
    // Again, under the lock: another process may have been faster.
    let found = version(&transaction)?;
    let missing = STEPS.get(found..).ok_or(StoreError::Newer { found, known: STEPS.len() })?;
    for step in missing {
        step.take_on_sqlite(&*transaction)?;
    }
    let dangling = || transaction.prepare("PRAGMA foreign_key_check")?.exists([]);
    if dangling().map_err(failed("check the references"))? {
        return Err(StoreError::Damaged);
    }
    transaction
        .pragma_update(None, "user_version", integer(STEPS.len() as u64))
        .map_err(failed("note the version"))?;
    transaction.commit().map_err(failed("commit the migration"))
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
        .map(|version| version as usize)
        .map_err(StoreError::during("read the version"))
}

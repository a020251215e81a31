//! Opening the database, and its tables' versions.

use super::{StoreError, rows::integer};
use rusqlite::{Connection, TransactionBehavior};
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc, time::Duration};

/// Each entry brings the tables one version further; entries are never changed once released.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0005.sql"),
];
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

/// It must be off while a table is made anew under its old name, and has no effect within a transaction
/// (<https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes>).
fn enforce_references(connection: &Connection, on: bool) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "foreign_keys", on)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = StoreError::during;
    if version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    enforce_references(connection, false).map_err(failed("configure"))?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed("begin to migrate"))?;
    // Again, under the lock: another process may have been faster.
    let found = version(&transaction)?;
    let missing =
        MIGRATIONS.get(found..).ok_or(StoreError::Newer { found, known: MIGRATIONS.len() })?;
    for step in missing {
        transaction.execute_batch(step).map_err(failed("migrate"))?;
    }
    let dangling = || transaction.prepare("PRAGMA foreign_key_check")?.exists([]);
    if dangling().map_err(failed("check the references"))? {
        return Err(StoreError::Damaged);
    }
    transaction
        .pragma_update(None, "user_version", integer(MIGRATIONS.len() as u64))
        .map_err(failed("note the version"))?;
    transaction.commit().map_err(failed("commit the migration"))
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
        .map(|version| version as usize)
        .map_err(StoreError::during("read the version"))
}

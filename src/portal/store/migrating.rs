//! The way from SQLite to PostgreSQL, in three steps, each durable before the next: all is copied, the file is closed for ever, the
//! portal's directory names the database.
//!
//! A migration that was cut short is run again, and goes on. Between the steps nobody can write where nobody looks: after the first the file is
//! the portal's still, and what it has taken since is seen; after the second neither takes anything.

use super::{
    Copied, Event, Fault, Server, StoreError, View,
    copy::{Table, copy_all, kept, tables},
    session::{Database, Row, Session, Value},
    sqlite,
};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What is refused after the file was closed.
const MOVED: &str = "the portal keeps its data in PostgreSQL now: start it again; where `entitle-portal migrate` was cut short, run it again";

/// Takes all from an SQLite file to a PostgreSQL database, with `note` in the audit, and `then` does what makes it the portal's. Nothing is written into the file
/// meanwhile, and never again, whoever has it open. What an earlier call has copied, of the file as it is now, is not copied again.
///
/// # Errors
/// [`StoreError::NotEmpty`], [`StoreError::Tampered`], and what the databases and `then` say.
pub fn migrate<E: From<StoreError>>(
    from: &Path,
    to: &Server,
    note: &Event<'_>,
    then: impl FnOnce() -> Result<(), E>,
) -> Result<Copied, E> {
    let source = sqlite::open(from)?;
    let target = to.connect()?;
    source.begin_writing().map_err(StoreError::during("begin"))?;
    let tables = tables(&source)?;
    let copied = match copied_before(&source, &*target, &tables, note)? {
        Some(copied) => copied,
        None => copy_all(&source, &*target, &tables, note)?,
    };
    close(&source, &tables)?;
    then()?;
    Ok(copied)
}

/// Nothing is written into the file from now on.
fn close(source: &dyn Session, tables: &[Table]) -> Result<(), StoreError> {
    let failed = || StoreError::during("close the old database");
    for Table { name, .. } in tables {
        for act in ["INSERT", "UPDATE", "DELETE"] {
            let refuse = format!(
                "CREATE TRIGGER IF NOT EXISTS moved_{name}_{act} BEFORE {act} ON {name} BEGIN SELECT RAISE(ABORT, '{MOVED}'); END;"
            );
            source.run(&refuse).map_err(failed())?;
        }
    }
    source.run("COMMIT").map_err(failed())
}

/// What was copied by a migration that was cut short: all that is in the file, the entry of the migration, and nothing else.
fn copied_before(
    source: &dyn Session,
    target: &dyn Session,
    tables: &[Table],
    note: &Event<'_>,
) -> Result<Option<Copied>, StoreError> {
    target.begin_reading().map_err(StoreError::during("begin to read"))?;
    let found = compared(source, target, tables, note);
    target.run("ROLLBACK").map_err(StoreError::during("end to read"))?;
    found
}

fn compared(
    source: &dyn Session,
    target: &dyn Session,
    tables: &[Table],
    note: &Event<'_>,
) -> Result<Option<Copied>, StoreError> {
    let Some(entry) = last_entry(target, note.event)? else { return Ok(None) };
    let mut found = Vec::new();
    for table in tables {
        let but =
            if table.name == "audit" { format!(" WHERE id <> {entry}") } else { String::new() };
        let rows = Rows::of(source, table, "")?;
        if rows != Rows::of(target, table, &but)? {
            return Ok(None);
        }
        found.push((table.name.clone(), rows.number));
    }
    // As a copy says it: before the entry of the migration.
    let audit = View(source).check_audit(None)?;
    match &audit.fault {
        Some(fault) => Err(StoreError::Tampered { id: fault.id }),
        None => Ok(Some(Copied { tables: found, audit })),
    }
}

/// The last entry of an audit, where it tells of that event.
fn last_entry(session: &dyn Session, event: &str) -> Result<Option<i64>, StoreError> {
    let mut found = None;
    let last = "SELECT id, event FROM audit ORDER BY id DESC LIMIT 1";
    session
        .query(last, &[], &mut |row| {
            if row.text("event")? == event {
                found = Some(row.integer("id")?);
            }
            Ok(false)
        })
        .map_err(StoreError::during("read the audit"))?;
    Ok(found)
}

/// The rows of a table in whatever order: their number, and the sum of their digests. No two rows of a table are the same.
#[derive(Default, PartialEq, Eq)]
struct Rows {
    number: u64,
    digests: [u8; 32],
}

impl Rows {
    fn of(session: &dyn Session, table: &Table, but: &str) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        let select = format!("SELECT {} FROM {}{but}", table.columns(), table.name);
        session
            .stream(&select, &mut |row| {
                let digest = digest(row, table)?;
                rows.number += 1;
                rows.digests.iter_mut().zip(digest).for_each(|(sum, byte)| *sum ^= byte);
                Ok(true)
            })
            .map_err(StoreError::during("compare a table"))?;
        Ok(rows)
    }
}

fn digest(row: &Row<'_>, table: &Table) -> Result<[u8; 32], Fault> {
    let mut digest = Sha256::new();
    let mut add = |kind: u8, bytes: Option<&[u8]>| {
        digest.update([kind, u8::from(bytes.is_some())]);
        let bytes = bytes.unwrap_or_default();
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    for column in &table.columns {
        match kept(row.0.column(&column.name)?, &column.kind) {
            Value::Integer(number) => {
                add(b'i', number.map(i64::to_be_bytes).as_ref().map(|n| &n[..]));
            }
            Value::Text(text) => add(b't', text.as_deref().map(str::as_bytes)),
            Value::Blob(bytes) => add(b'b', bytes.as_deref()),
        }
    }
    Ok(digest.finalize().into())
}

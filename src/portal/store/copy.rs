//! All that a portal keeps, from one database into another: a backup, and what is restored from it. `migrating` copies by this as well.
//!
//! One side is always an SQLite file; its tables say what there is, in which order. The keys are no part of it.

use super::{
    Change, Event, Fault, Server, StoreError, View,
    audit_chain::AuditCheck,
    session::{Database, Found, Session, Value, values},
    sqlite::{self, SqliteFile},
};
use serde::Serialize;
use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Seek},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rows in one statement.
const ROWS: usize = 64;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Each table with its rows.
    pub tables: Vec<(String, u64)>,
    /// What the chain of the copied audit says.
    pub audit: AuditCheck,
}

impl Copied {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// Where a portal's data are.
#[derive(Clone)]
pub enum Location {
    /// In an SQLite file.
    File(PathBuf),
    /// In a PostgreSQL database.
    Server(Box<Server>),
}

impl Location {
    fn database(&self) -> Box<dyn Database> {
        match self {
            Self::File(path) => Box::new(SqliteFile(path.clone())),
            Self::Server(server) => Box::new((**server).clone()),
        }
    }
}

/// A table, as an SQLite file describes it.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
}

impl Table {
    /// The names of its columns, as a statement lists them.
    pub(super) fn columns(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        columns.join(", ")
    }
}

/// Writes what is at `from` into a new SQLite file, of one moment, while the portal goes on.
///
/// # Errors
/// [`StoreError::Exists`], [`StoreError::Open`], [`StoreError::Tampered`], and what the databases say.
pub fn back_up(from: &Location, to: &Path) -> Result<Copied, StoreError> {
    let failed = |source| StoreError::Open { path: to.to_owned(), source: Arc::new(source) };
    if to.exists() {
        return Err(StoreError::Exists { path: to.to_owned() });
    }
    let source = from.database().connect()?;
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    remove(part).map_err(failed)?;
    let copied = sqlite::open(part).and_then(|target| {
        let copied = begin_reading(&*source).and_then(|()| {
            let tables = tables(&target)?;
            copy(&*source, &target, &tables, None)
        })?;
        sqlite::as_one_file(&target)?;
        Ok(copied)
    });
    let placed = copied.and_then(|copied| place(part, to).map_err(failed).map(|()| copied));
    if placed.is_err() {
        remove(part).map_err(failed)?;
    }
    placed
}

/// Puts a backup into a database that has nothing in it, and `note` into the audit. A backup of an earlier version is brought up to date
/// at `scratch`, and stays as it is.
///
/// # Errors
/// [`StoreError::NotEmpty`], [`StoreError::Open`], [`StoreError::Tampered`], and what the databases say.
pub fn restore(
    from: &Path,
    to: &Location,
    scratch: &Path,
    note: &Event<'_>,
) -> Result<Copied, StoreError> {
    let failed =
        |path: &Path, source| StoreError::Open { path: path.to_owned(), source: Arc::new(source) };
    let mut backup = open_backup(from).map_err(|error| failed(from, error))?;
    let mut copied = || -> io::Result<()> {
        remove(scratch)?;
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(scratch);
        io::copy(&mut backup, &mut options?)?;
        Ok(())
    };
    let restored = copied().map_err(|error| failed(scratch, error)).and_then(|()| {
        let source = sqlite::open(scratch)?;
        let target = to.database().connect()?;
        begin_reading(&source)?;
        let tables = tables(&source)?;
        copy_all(&source, &*target, &tables, note)
    });
    remove(scratch).map_err(|error| failed(scratch, error))?;
    restored
}

/// A file that a portal has written: SQLite says what it is in its first bytes, and the version of the tables after them
/// (<https://www.sqlite.org/fileformat.html>).
fn open_backup(path: &Path) -> io::Result<fs::File> {
    let mut file = fs::File::open(path)?;
    let mut head = [0; 100];
    let read = file.read(&mut head)?;
    let is_database = read == head.len() && head.starts_with(b"SQLite format 3\0");
    if !is_database || head[60..64] == [0; 4] {
        return Err(io::Error::other("it is no backup of a portal"));
    }
    file.rewind()?;
    Ok(file)
}

/// Copies into a database that has nothing in it, in one transaction.
pub(super) fn copy_all(
    source: &dyn Session,
    target: &dyn Session,
    tables: &[Table],
    note: &Event<'_>,
) -> Result<Copied, StoreError> {
    for Table { name, .. } in tables {
        let sql = format!(
            "SELECT count(*) AS number FROM (SELECT 1 AS one FROM {name} LIMIT 1) AS any_row"
        );
        if number(target, &sql)? > 0 {
            return Err(StoreError::NotEmpty { table: name.clone() });
        }
    }
    copy(source, target, tables, Some(note))
}

fn copy(
    source: &dyn Session,
    target: &dyn Session,
    tables: &[Table],
    note: Option<&Event<'_>>,
) -> Result<Copied, StoreError> {
    target.begin_writing().map_err(StoreError::during("begin"))?;
    let copied = copy_tables(source, target, tables).and_then(|copied| {
        let noted = note.map_or(Ok(()), |note| Change(View(target)).audit_event(note));
        noted.map(|()| copied)
    });
    let end = if copied.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = target.run(end).map_err(StoreError::during("commit what was copied"));
    copied.and_then(|copied| ended.map(|()| copied))
}

fn copy_tables(
    source: &dyn Session,
    target: &dyn Session,
    tables: &[Table],
) -> Result<Copied, StoreError> {
    let mut copied = Vec::new();
    for table in tables {
        let rows = copy_table(source, target, table)?;
        let found = number(target, &format!("SELECT count(*) AS number FROM {}", table.name))?;
        if i64::try_from(rows).ok() != Some(found) {
            return Err(StoreError::CopyDiffers { table: table.name.clone() });
        }
        target.count_on(&table.name).map_err(StoreError::during("count on"))?;
        copied.push((table.name.clone(), rows));
    }
    let audit = View(target).check_audit(None)?;
    match &audit.fault {
        Some(fault) => Err(StoreError::Tampered { id: fault.id }),
        None => Ok(Copied { tables: copied, audit }),
    }
}

fn copy_table(
    source: &dyn Session,
    target: &dyn Session,
    table: &Table,
) -> Result<u64, StoreError> {
    let columns = table.columns();
    let mut waiting: Vec<Value<'static>> = Vec::new();
    let mut rows = 0;
    let select = format!("SELECT {columns} FROM {}", table.name);
    source
        .stream(&select, &mut |row| {
            for column in &table.columns {
                waiting.push(kept(row.0.column(&column.name)?, &column.kind));
            }
            rows += 1;
            if waiting.len() == ROWS * table.columns.len() {
                insert(target, table, &columns, &waiting)?;
                waiting.clear();
            }
            Ok(true)
        })
        .and_then(|()| insert(target, table, &columns, &waiting))
        .map_err(StoreError::during("copy a table"))?;
    Ok(rows)
}

fn insert(
    target: &dyn Session,
    table: &Table,
    columns: &str,
    values: &[Value<'_>],
) -> Result<(), Fault> {
    let width = table.columns.len();
    let rows: Vec<String> = (0..values.len() / width)
        .map(|row| {
            let places: Vec<String> =
                (1..=width).map(|column| format!("?{}", row * width + column)).collect();
            format!("({})", places.join(", "))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!("INSERT INTO {} ({columns}) VALUES {}", table.name, rows.join(", "));
    target.execute(&sql, values).map(drop)
}

/// What a column holds, as it is put into the other database.
pub(super) fn kept(found: Found<'_>, kind: &str) -> Value<'static> {
    match (found, kind) {
        (Found::Integer(number), _) => Value::Integer(Some(number)),
        (Found::Text(text), _) => Value::Text(Some(text.to_owned().into())),
        (Found::Blob(bytes), _) => Value::Blob(Some(bytes.to_owned().into())),
        (Found::Null, "INTEGER") => Value::Integer(None),
        (Found::Null, "BLOB") => Value::Blob(None),
        (Found::Null, _) => Value::Text(None),
    }
}

/// The tables of an SQLite file, each after those that it refers to.
pub(super) fn tables(file: &dyn Session) -> Result<Vec<Table>, StoreError> {
    let read = |sql: &str, name: &str, column: &str| {
        let mut found = Vec::new();
        file.query(sql, values![name], &mut |row| {
            found.push(row.string(column)?);
            Ok(true)
        })
        .map_err(StoreError::during("read the tables"))
        .map(|()| found)
    };
    let all = "SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite_%'";
    let mut waiting = read(all, "table", "name")?;
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        for name in std::mem::take(&mut waiting) {
            let needed =
                read("SELECT \"table\" AS name FROM pragma_foreign_key_list(?1)", &name, "name")?;
            let is_there = |needed: &String| {
                *needed == name || ordered.iter().any(|table| table.name == *needed)
            };
            if !needed.iter().all(is_there) {
                waiting.push(name);
                continue;
            }
            let columns = "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid";
            let names = read(columns, &name, "name")?;
            let kinds = read(columns, &name, "type")?;
            let columns =
                names.into_iter().zip(kinds).map(|(name, kind)| Column { name, kind }).collect();
            ordered.push(Table { name, columns });
        }
        if waiting.len() == before {
            return Err(StoreError::Damaged);
        }
    }
    Ok(ordered)
}

fn number(session: &dyn Session, sql: &str) -> Result<i64, StoreError> {
    let mut found = 0;
    session
        .query(sql, &[], &mut |row| {
            found = row.integer("number")?;
            Ok(false)
        })
        .map_err(StoreError::during("count"))?;
    Ok(found)
}

fn begin_reading(session: &dyn Session) -> Result<(), StoreError> {
    session.begin_reading().map_err(StoreError::during("begin to read"))
}

/// Durably under its name.
fn place(part: &Path, to: &Path) -> io::Result<()> {
    fs::File::open(part)?.sync_all()?;
    fs::rename(part, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes a file with what SQLite keeps beside it, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

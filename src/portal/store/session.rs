//! The seam between the tables and the databases: SQL of one dialect, values that go into it, rows that come out.
//!
//! The files of this folder write each statement once, in what SQLite and PostgreSQL have in common: `?1` for a value, `TEXT`, `INTEGER` and
//! `BLOB`, `ON CONFLICT ... DO UPDATE`, `IS NOT DISTINCT FROM`, a name for each column that is read. A database is a [`Database`], a connection
//! to it a [`Session`]; what they return is a [`Fault`], and [`StoreError`] says what was being done.

use super::{Fault, StoreError};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, fmt::Display, str::FromStr};
use uuid::Uuid;

/// A database, for as many connections as are needed. A connection comes with its tables up to date.
pub(super) trait Database: Send + Sync {
    /// A new connection.
    fn connect(&self) -> Result<Box<dyn Session>, StoreError>;
}

/// One connection. Its calls block.
pub(super) trait Session: Send {
    /// Calls `each` with each row, until it returns `false`.
    fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault>;
    /// The same for more rows than fit the memory, within a transaction.
    fn stream(
        &self,
        sql: &str,
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault>;
    /// Runs one statement: how many rows it has changed.
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault>;
    /// The same, where nobody asks how many. A server may be told together with the next call, which tells of a fault then: at the latest
    /// [`keep_change`](Self::keep_change), or the end of the transaction.
    fn execute_later(&self, sql: &str, values: &[Value<'_>]) -> Result<(), Fault> {
        self.execute(sql, values).map(drop)
    }
    /// Runs statements that take no values.
    fn run(&self, statements: &str) -> Result<(), Fault>;
    /// Begins to read one consistent state.
    fn begin_reading(&self) -> Result<(), Fault>;
    /// Begins to write, alone among all processes.
    fn begin_writing(&self) -> Result<(), Fault>;
    /// Begins the first change of a transaction that has several.
    fn begin_change(&self) -> Result<(), Fault> {
        self.run("SAVEPOINT job")
    }
    /// Keeps what was done since the change began, as far as the transaction is, and begins the next one.
    fn keep_change(&self) -> Result<(), Fault> {
        self.run("RELEASE job")?;
        self.begin_change()
    }
    /// Undoes what was done since the change began; the next one begins there.
    fn undo_change(&self) -> Result<(), Fault> {
        self.run("ROLLBACK TO job")
    }
    /// Lets the database count on after rows that brought their numbers (`AUTOINCREMENT`).
    fn count_on(&self, table: &str) -> Result<(), Fault>;
    /// Whether a transaction is under way. A database may have ended it by itself.
    fn is_in_transaction(&self) -> bool;
    /// Whether the connection is of no more use.
    fn is_lost(&self) -> bool;
}

/// What goes into a statement. A null has its column's type, which PostgreSQL asks for.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Integer(Option<i64>),
    Text(Option<Cow<'a, str>>),
    Blob(Option<Cow<'a, [u8]>>),
}

impl Value<'_> {
    /// The same, to keep.
    pub(super) fn to_owned(&self) -> Value<'static> {
        fn kept<T: ToOwned + ?Sized>(value: Option<&Cow<'_, T>>) -> Option<Cow<'static, T>> {
            value.map(|value| Cow::Owned(value.clone().into_owned()))
        }
        match self {
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(kept(text.as_ref())),
            Self::Blob(bytes) => Value::Blob(kept(bytes.as_ref())),
        }
    }
}

/// What comes out of a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// The columns of a row, as a database has them.
pub(super) trait Columns {
    /// The column of that name.
    fn column(&self, name: &str) -> Result<Found<'_>, Fault>;
}

/// A row. What can't be read in it is damage, and is named with its column.
pub(super) struct Row<'a>(pub(super) &'a dyn Columns);

/// The values of a statement, in the order of their numbers.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::portal::store::session::Value::from($value)),*] };
}
pub(super) use values;

/// `value` as JSON.
pub(super) fn to_json(value: &impl Serialize) -> Result<Value<'static>, StoreError> {
    serde_json::to_string(value).map(Value::from).map_err(|_| StoreError::Unwritable)
}

/// The same, or null.
pub(super) fn optional_json(value: Option<&impl Serialize>) -> Result<Value<'static>, StoreError> {
    value.map_or(Ok(Value::Text(None)), to_json)
}

/// A count as a database holds it.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl<'r> Row<'r> {
    /// A text.
    pub(super) fn text(&self, column: &str) -> Result<&'r str, Fault> {
        self.optional_text(column)?.ok_or_else(|| damaged(column, "it is null"))
    }

    /// A text, or none.
    pub(super) fn optional_text(&self, column: &str) -> Result<Option<&'r str>, Fault> {
        match self.0.column(column)? {
            Found::Null => Ok(None),
            Found::Text(text) => Ok(Some(text)),
            other => Err(damaged(column, format!("expected a text, found {}", other.kind()))),
        }
    }

    /// A text, to keep.
    pub(super) fn string(&self, column: &str) -> Result<String, Fault> {
        Ok(self.text(column)?.to_owned())
    }

    /// The same, or none.
    pub(super) fn optional_string(&self, column: &str) -> Result<Option<String>, Fault> {
        Ok(self.optional_text(column)?.map(str::to_owned))
    }

    /// Bytes.
    #[allow(dead_code, reason = "a table that keeps bytes may come at any time")]
    pub(super) fn bytes(&self, column: &str) -> Result<&'r [u8], Fault> {
        match self.0.column(column)? {
            Found::Blob(bytes) => Ok(bytes),
            other => Err(damaged(column, format!("expected bytes, found {}", other.kind()))),
        }
    }

    /// A number.
    pub(super) fn integer(&self, column: &str) -> Result<i64, Fault> {
        self.optional_integer(column)?.ok_or_else(|| damaged(column, "it is null"))
    }

    /// A number, or none.
    pub(super) fn optional_integer(&self, column: &str) -> Result<Option<i64>, Fault> {
        match self.0.column(column)? {
            Found::Null => Ok(None),
            Found::Integer(number) => Ok(Some(number)),
            other => Err(damaged(column, format!("expected a number, found {}", other.kind()))),
        }
    }

    /// A number that is never below 0 and fits `T`.
    pub(super) fn count<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Fault> {
        let number = self.integer(column)?;
        T::try_from(number).map_err(|_| damaged(column, format!("{number} does not fit")))
    }

    /// The text form of `T`.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, Fault> {
        self.text(column)?.parse().map_err(|error| damaged(column, error))
    }

    /// `T` as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Fault> {
        serde_json::from_str(self.text(column)?).map_err(|error| damaged(column, error))
    }

    /// The same, or none.
    pub(super) fn optional_json<T: DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Fault> {
        let text = self.optional_text(column)?;
        text.map(serde_json::from_str).transpose().map_err(|error| damaged(column, error))
    }

    /// Whole seconds since 1970.
    pub(super) fn time(&self, column: &str) -> Result<Timestamp, Fault> {
        Timestamp::from_second(self.integer(column)?).map_err(|error| damaged(column, error))
    }

    /// The same, or none.
    pub(super) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, Fault> {
        let seconds = self.optional_integer(column)?;
        seconds.map(Timestamp::from_second).transpose().map_err(|error| damaged(column, error))
    }
}

impl Found<'_> {
    const fn kind(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "a number",
            Self::Text(_) => "a text",
            Self::Blob(_) => "bytes",
        }
    }
}

pub(super) fn damaged(column: &str, reason: impl Display) -> Fault {
    Fault::Column { column: column.to_owned(), reason: reason.to_string() }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::from(i64::from(number))
    }
}

impl From<u8> for Value<'_> {
    fn from(number: u8) -> Self {
        Self::from(i64::from(number))
    }
}

/// Whole seconds since 1970.
impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Self::from(time.as_second())
    }
}

impl From<Option<Timestamp>> for Value<'_> {
    fn from(time: Option<Timestamp>) -> Self {
        Self::Integer(time.map(Timestamp::as_second))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::from))
    }
}

impl From<Uuid> for Value<'_> {
    fn from(id: Uuid) -> Self {
        Self::from(id.to_string())
    }
}

impl From<Option<Uuid>> for Value<'_> {
    fn from(id: Option<Uuid>) -> Self {
        Self::Text(id.map(|id| id.to_string().into()))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Blob(Some(bytes.into()))
    }
}

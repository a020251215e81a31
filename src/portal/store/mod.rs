//! What the portal keeps: one SQLite file in WAL mode with `synchronous=FULL`.
//!
//! [`Store::read`] lends a [`View`], [`Store::write`] a [`Change`]: all that one closure changes, with its audit entry, is
//! one transaction. No SQL leaves this folder, so that `PostgreSQL` can stand beside SQLite later. Both calls block; an
//! `async` caller uses a blocking thread. `portal` calls this; this calls `portal::domain`,
//! `license`, `identity` and `codes`.

mod audit;
mod connection;
mod environments;
mod error;
mod evidence;
mod releases;
mod requests;
mod rows;
mod sessions;
mod subscriptions;
mod succession;
mod writer;

pub use audit::{AuditEntry, Event};
pub use error::StoreError;
pub use requests::AnsweredRequest;
pub use sessions::{SessionKind, StoredSession};
pub use succession::RetiredKey;
pub use writer::WriterKind;

use connection::open;
use rusqlite::Connection;
use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use writer::Writer;

/// Connections for reading that are kept open; more readers at once open theirs anew each time.
pub(in crate::portal) const KEPT_READERS: usize = 32;

/// The portal's database. Several processes may have it open: each transaction takes the lock of the file.
pub struct Store {
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    writer: Writer,
}

/// Read access.
pub struct View<'a>(&'a Connection);

/// Write access, within one transaction.
pub struct Change<'a>(View<'a>);

impl<'a> Deref for Change<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.0
    }
}

impl View<'_> {
    /// Whether the database can be read.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn check(&self) -> Result<(), StoreError> {
        self.0
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(StoreError::during("read the tables"))
    }
}

impl Store {
    /// Opens the database, makes it where there is none (mode 0600), and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Newer`], and what SQLite says.
    pub fn open(path: &Path, writer: WriterKind) -> Result<Self, StoreError> {
        let connection = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            readers: Mutex::default(),
            writer: Writer::new(connection, writer)?,
        })
    }

    /// Reads one consistent state.
    ///
    /// # Errors
    /// What `work` returns, and what SQLite says.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => open(&self.path)?,
        };
        let snapshot =
            connection.unchecked_transaction().map_err(StoreError::during("begin to read"))?;
        let result = work(&View(&snapshot));
        drop(snapshot);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < KEPT_READERS {
            readers.push(connection);
        }
        result
    }

    /// Does one change: all of it is durable when this returns `Ok`, none of it was done when it returns `Err`.
    ///
    /// # Errors
    /// What `work` returns, and what SQLite says.
    pub fn write<T, E>(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write(work)
    }

    /// The same for `async` callers: no thread waits. The change is done even where nobody waits for it any more.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`StoreError::Busy`] where more changes wait than there is room for.
    pub async fn write_later<T, E>(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write_later(work).await
    }

    /// Whether changes are done on the caller's own thread.
    pub const fn is_inline(&self) -> bool {
        self.writer.is_inline()
    }
}

#[cfg(test)]
mod tests;

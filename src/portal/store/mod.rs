//! What the portal keeps.
//!
//! [`Store::read`] lends a [`View`], [`Store::write`] a [`Change`]: all that one closure changes, with its audit entry, is
//! one transaction. No SQL leaves this folder: a file a subject, written once over the seam in `session`, behind which the databases
//! are. Both calls block; an `async` caller uses a blocking thread. `portal` calls this; this calls `portal::domain`,
//! `license`, `identity` and `codes`.

mod asked_releases;
mod audit;
mod audit_chain;
mod census;
mod copy;
mod environments;
mod error;
mod evidence;
mod figures;
mod folding;
mod migrating;
mod operators;
mod postgres;
mod releases;
mod requests;
mod schema;
mod search;
mod server;
mod session;
mod sessions;
mod sqlite;
mod subscriptions;
mod succession;
mod tokens;
mod trials;
mod usage;
mod webhooks;
mod wire;
mod writer;

pub use audit::{AuditEntry, Event};
pub use audit_chain::{AuditCheck, AuditFault, AuditTampering};
pub use census::Census;
pub use copy::{Copied, Location, back_up, restore};
pub use error::{Fault, StoreError};
pub use figures::Figures;
pub use migrating::migrate;
pub use requests::{AnsweredRequest, StoredAnswer};
pub use search::{AuditFilter, EnvironmentFilter, SubscriptionFilter};
pub use server::Server;
pub use sessions::{SessionKind, StoredSession};
pub use succession::RetiredKey;
pub use tokens::KeptAnswer;
pub use trials::StartedTrial;
pub use usage::UsageOf;
pub use webhooks::{DueWebhook, MessageCounts, StoredMessage, StoredWebhook};
pub use writer::WriterKind;

use session::{Database, Row, Session, Value};
use sqlite::SqliteFile;
use std::{
    ops::Deref,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use writer::Writer;

/// Connections for reading that are kept open; more readers at once open theirs anew each time.
pub(in crate::portal) const KEPT_READERS: usize = 32;

/// The portal's database. Several processes may have it open.
pub struct Store {
    database: Arc<dyn Database>,
    readers: Mutex<Vec<Box<dyn Session>>>,
    writer: Writer,
    figures: Figures,
}

/// Read access.
pub struct View<'a>(&'a dyn Session);

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
    /// What the database says.
    pub fn check(&self) -> Result<(), StoreError> {
        self.first("read the tables", "SELECT id FROM subscriptions LIMIT 1", &[], |_| Ok(()))
            .map(drop)
    }

    /// Reads the rows that a statement finds until `each` returns `false`.
    fn each(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), StoreError> {
        #[cfg(test)]
        tests::statements::note(sql);
        self.0.query(sql, values, &mut each).map_err(StoreError::during(doing))
    }

    /// The first row that a statement finds.
    fn first<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, StoreError> {
        let mut found = None;
        self.each(doing, sql, values, |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// All rows that a statement finds.
    fn all<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(doing, sql, values, |row| {
            found.push(read(row)?);
            Ok(true)
        })?;
        Ok(found)
    }
}

impl Change<'_> {
    /// Runs a statement: how many rows it has changed.
    fn execute(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        #[cfg(test)]
        tests::statements::note(sql);
        self.0.0.execute(sql, values).map_err(StoreError::during(doing))
    }

    /// The same, where nobody asks how many: a server is told together with what comes next, and a fault may be told then.
    fn execute_later(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        #[cfg(test)]
        tests::statements::note(sql);
        self.0.0.execute_later(sql, values).map_err(StoreError::during(doing))
    }
}

impl Store {
    /// Opens the SQLite file, makes it where there is none (mode 0600), and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Newer`], and what SQLite says.
    pub fn open(path: &Path, writer: WriterKind) -> Result<Self, StoreError> {
        Self::on(Arc::new(SqliteFile(path.to_owned())), writer)
    }

    /// Connects to a PostgreSQL database, makes the tables where there are none, and brings them up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Newer`], and what the server says.
    pub fn connect(server: Server, writer: WriterKind) -> Result<Self, StoreError> {
        Self::on(Arc::new(server), writer)
    }

    /// Opens the database that is there.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`connect`](Self::connect).
    pub fn at(location: &Location, writer: WriterKind) -> Result<Self, StoreError> {
        match location {
            Location::File(path) => Self::open(path, writer),
            Location::Server(server) => Self::connect((**server).clone(), writer),
        }
    }

    fn on(database: Arc<dyn Database>, writer: WriterKind) -> Result<Self, StoreError> {
        let figures = Figures::default();
        let writer = Writer::new(database.clone(), writer, figures.clone())?;
        Ok(Self { database, readers: Mutex::default(), writer, figures })
    }

    /// How its writer fares.
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Reads one consistent state.
    ///
    /// # Errors
    /// What `work` returns, and what the database says.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let session = self.reader()?;
        let result = work(&View(&*session));
        if session.run("ROLLBACK").is_ok() {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < KEPT_READERS {
                readers.push(session);
            }
        }
        result
    }

    /// A connection that has begun to read. A kept one may have been lost since.
    fn reader(&self) -> Result<Box<dyn Session>, StoreError> {
        let begin = |session: &dyn Session| {
            session.begin_reading().map_err(StoreError::during("begin to read"))
        };
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(session) = kept {
            match begin(&*session) {
                Err(_) if session.is_lost() => {
                    self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                begun => return begun.map(|()| session),
            }
        }
        let session = self.database.connect()?;
        begin(&*session)?;
        Ok(session)
    }

    /// Does one change: all of it is durable when this returns `Ok`, none of it was done when it returns `Err`, unless that is
    /// [`StoreError::OutcomeUnknown`].
    ///
    /// # Errors
    /// What `work` returns, and what the database says.
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
pub(in crate::portal) mod tests;

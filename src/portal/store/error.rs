//! Why the store could not do it.

use std::{path::PathBuf, sync::Arc};

/// Why the store could not read or keep something. Nothing of the change is stored then, unless it is [`StoreError::OutcomeUnknown`].
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum StoreError {
    #[error("the database {} can't be opened ({source}): check that it is there and belongs to the user of the portal", path.display())]
    Open { path: PathBuf, source: Arc<std::io::Error> },
    #[error("the database is in use by others for too long ({doing}): try again")]
    Busy { doing: &'static str },
    #[error(
        "the database server can't be reached ({doing}: {reason}): check that PostgreSQL runs and takes connections from here; the portal connects again by itself"
    )]
    Unavailable { doing: &'static str, reason: String },
    #[error("the database server can't be spoken to by TLS ({reason}): {mend}")]
    Untrusted { reason: String, mend: &'static str },
    #[error(
        "the connection to the database server was lost while a change was being committed ({reason}), and whether it is stored is not known: look before you do it again"
    )]
    OutcomeUnknown { reason: String },
    #[error(
        "the URL of the database is refused: {reason}. Expected postgresql://USER[:PASSWORD]@HOST[:PORT]/DATABASE"
    )]
    Url { reason: String },
    #[error("the database could not be used ({doing}: {source}): {}", source.mend())]
    Database { doing: &'static str, source: Fault },
    #[error("the database is of version {found}, this program knows {known}: install a newer one")]
    Newer { found: usize, known: usize },
    #[error("{} is there already: name a file that is not", path.display())]
    Exists { path: PathBuf },
    #[error(
        "the database has rows already (in {table}): what is restored or migrated goes into an empty one. Where they were left by a `migrate` that was cut short, and the portal has taken changes since, drop the database, create it again, and migrate again"
    )]
    NotEmpty { table: String },
    #[error(
        "the audit was tampered with: entry {id} does not follow from those before it. Nothing is copied; `entitle-portal audit verify` has more"
    )]
    Tampered { id: i64 },
    #[error(
        "table {table} has another number of rows after it was copied than before, and all is undone: try again"
    )]
    CopyDiffers { table: String },
    #[error(
        "rows of the database refer to rows that are not there: it stays as it is; restore it from a backup"
    )]
    Damaged,
    #[error(
        "something could not be written as JSON, which is a fault of the portal: please report it"
    )]
    Unwritable,
    #[error("the database undid the change because another one in its batch failed: try again")]
    Undone,
    #[error(
        "the portal failed amid a change, which is undone: its log says where; please report it"
    )]
    Failed,
    #[error(
        "the store has stopped: look for its last words in the log, then start the portal again"
    )]
    Stopped,
}

/// What a database said.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Fault {
    #[error("{0}")]
    Sqlite(Arc<rusqlite::Error>),
    #[error("{message} (SQLSTATE {code})")]
    Postgres { code: String, message: String },
    #[error("{reason}")]
    Unreachable { reason: String },
    #[error("{reason}: {mend}")]
    Untrusted { reason: String, mend: &'static str },
    #[error("column {column} can't be read: {reason}")]
    Column { column: String, reason: String },
}

impl Fault {
    /// What the operator can do about it.
    const fn mend(&self) -> &'static str {
        match self {
            Self::Sqlite(_) | Self::Column { .. } => {
                "check the space on its disk, then its file by `sqlite3 portal.db 'PRAGMA integrity_check'`"
            }
            Self::Postgres { .. } | Self::Unreachable { .. } | Self::Untrusted { .. } => {
                "the log of PostgreSQL has more"
            }
        }
    }

    /// Whether another program holds a lock for too long.
    fn is_busy(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
            ),
            // A lock that is another's, a deadlock, a snapshot that is too old, too many connections, a statement that took too long.
            Self::Postgres { code, .. } => {
                matches!(&**code, "55P03" | "40P01" | "40001" | "53300" | "57014")
            }
            Self::Column { .. } | Self::Unreachable { .. } | Self::Untrusted { .. } => false,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl StoreError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "store-open",
            Self::Busy { .. } => "store-busy",
            Self::Unavailable { .. } => "store-unavailable",
            Self::Untrusted { .. } => "store-untrusted",
            Self::OutcomeUnknown { .. } => "store-outcome-unknown",
            Self::Url { .. } => "store-url",
            Self::Database { .. } => "store-failed",
            Self::Newer { .. } => "store-newer",
            Self::Exists { .. } => "store-exists",
            Self::NotEmpty { .. } => "store-not-empty",
            Self::Tampered { .. } => "audit-broken",
            Self::CopyDiffers { .. } => "store-copy-differs",
            Self::Damaged => "store-damaged",
            Self::Unwritable => "store-unwritable",
            Self::Undone => "store-undone",
            Self::Failed => "store-change-failed",
            Self::Stopped => "store-stopped",
        }
    }

    /// Whether the same may be asked again in a moment: nothing was done, and nothing is broken here.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. } | Self::Undone)
    }

    /// The same of a commit, which a server that is lost meanwhile may have done.
    pub(super) fn of_commit(self) -> Self {
        match self {
            Self::Unavailable { reason, .. } => Self::OutcomeUnknown { reason },
            told => told,
        }
    }

    /// Names what was being done when a database failed.
    pub(super) fn during<F: Into<Fault>>(doing: &'static str) -> impl FnOnce(F) -> Self {
        move |source| match source.into() {
            Fault::Unreachable { reason } => Self::Unavailable { doing, reason },
            Fault::Untrusted { reason, mend } => Self::Untrusted { reason, mend },
            source if source.is_busy() => Self::Busy { doing },
            source => Self::Database { doing, source },
        }
    }
}

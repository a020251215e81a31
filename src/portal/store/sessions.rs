//! The table of sessions: who is signed in to the pages.

use super::{
    Change, StoreError, View,
    rows::{parsed, time},
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};
use std::{fmt, str::FromStr};

const COLUMNS: &str = "digest, kind, subject, form_token, created_at, seen_at, expires_at";

/// Whose pages a session opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// Those of one subscription.
    Customer,
    /// The vendor's.
    Operator,
}

impl SessionKind {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for SessionKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Customer, Self::Operator];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("expected customer or operator, found {text:?}"))
    }
}

/// A session as it is kept. No secret of it signs anybody in.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// SHA-256 of the cookie's token, hexadecimal.
    pub digest: String,
    /// Whose pages it opens.
    pub kind: SessionKind,
    /// The subscription's id, or the operator's name.
    pub subject: String,
    /// What every form of the session carries.
    pub form_token: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
}

/// Without the form's token.
impl fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSession")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("seen_at", &self.seen_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl View<'_> {
    /// The session whose token has that digest, ended or not.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn session(&self, digest: &str) -> Result<Option<StoredSession>, StoreError> {
        self.0
            .prepare_cached(&format!("SELECT {COLUMNS} FROM sessions WHERE digest = ?1"))
            .and_then(|mut s| s.query_row([digest], session).optional())
            .map_err(StoreError::during("read a session"))
    }
}

impl Change<'_> {
    /// Adds a session, and forgets those that ended.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn add_session(&self, new: &StoredSession) -> Result<(), StoreError> {
        let add = || {
            let ended = "DELETE FROM sessions WHERE expires_at <= ?1";
            self.0.0.prepare_cached(ended)?.execute([new.created_at.as_second()])?;
            let sql =
                format!("INSERT INTO sessions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
            self.0.0.prepare_cached(&sql)?.execute(params![
                new.digest,
                new.kind.as_str(),
                new.subject,
                new.form_token,
                new.created_at.as_second(),
                new.seen_at.as_second(),
                new.expires_at.as_second(),
            ])
        };
        add().map(drop).map_err(StoreError::during("add a session"))
    }

    /// Notes that it was used.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn touch_session(&self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        self.0
            .0
            .prepare_cached("UPDATE sessions SET seen_at = ?2 WHERE digest = ?1")
            .and_then(|mut s| s.execute(params![digest, now.as_second()]))
            .map(drop)
            .map_err(StoreError::during("note that a session was used"))
    }

    /// Ends one session; false where it was ended before.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn end_session(&self, digest: &str) -> Result<bool, StoreError> {
        self.0
            .0
            .prepare_cached("DELETE FROM sessions WHERE digest = ?1")
            .and_then(|mut s| s.execute([digest]))
            .map(|ended| ended > 0)
            .map_err(StoreError::during("end a session"))
    }

    /// Ends all sessions of a subscription or an operator, and says how many there were.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn end_sessions_of(&self, kind: SessionKind, subject: &str) -> Result<usize, StoreError> {
        self.0
            .0
            .prepare_cached("DELETE FROM sessions WHERE kind = ?1 AND subject = ?2")
            .and_then(|mut s| s.execute([kind.as_str(), subject]))
            .map_err(StoreError::during("end sessions"))
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<StoredSession> {
    Ok(StoredSession {
        digest: row.get("digest")?,
        kind: parsed(row, "kind")?,
        subject: row.get("subject")?,
        form_token: row.get("form_token")?,
        created_at: time(row, "created_at")?,
        seen_at: time(row, "seen_at")?,
        expires_at: time(row, "expires_at")?,
    })
}

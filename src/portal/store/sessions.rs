//! The table of sessions: who is signed in to the pages.

use super::{
    Change, Fault, StoreError, View,
    session::{Row, values},
};
use jiff::Timestamp;
use std::{fmt, str::FromStr};

const COLUMNS: &str = "digest, kind, subject, form_token, created_at, seen_at, expires_at";

/// Sessions of one subscription or operator at once; another one ends the oldest.
const MOST_SESSIONS: u32 = 32;

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
    /// What the database says.
    pub fn session(&self, digest: &str) -> Result<Option<StoredSession>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE digest = ?1");
        self.first("read a session", &sql, values![digest], session)
    }
}

impl Change<'_> {
    /// Adds a session, and forgets those that ended, and the oldest of its subject where there would be more than thirty-two.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_session(&self, new: &StoredSession) -> Result<(), StoreError> {
        let ended = "DELETE FROM sessions WHERE expires_at <= ?1";
        self.execute("forget sessions that ended", ended, values![new.created_at])?;
        let sql = format!("INSERT INTO sessions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
        let values = values![
            &new.digest,
            new.kind.as_str(),
            &new.subject,
            &new.form_token,
            new.created_at,
            new.seen_at,
            new.expires_at,
        ];
        self.execute("add a session", &sql, values)?;
        let surplus = format!(
            "DELETE FROM sessions WHERE kind = ?1 AND subject = ?2 AND digest <> ?3 AND digest NOT IN \
             (SELECT digest FROM sessions WHERE kind = ?1 AND subject = ?2 AND digest <> ?3 \
              ORDER BY created_at DESC, digest LIMIT {})",
            MOST_SESSIONS - 1
        );
        let values = values![new.kind.as_str(), &new.subject, &new.digest];
        self.execute("end the oldest sessions", &surplus, values).map(drop)
    }

    /// Notes that it was used.
    ///
    /// # Errors
    /// What the database says.
    pub fn touch_session(&self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET seen_at = ?2 WHERE digest = ?1";
        self.execute("note that a session was used", sql, values![digest, now]).map(drop)
    }

    /// Ends one session.
    ///
    /// # Errors
    /// What the database says.
    pub fn end_session(&self, digest: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM sessions WHERE digest = ?1";
        self.execute("end a session", sql, values![digest]).map(drop)
    }

    /// Ends all sessions of a subscription or an operator.
    ///
    /// # Errors
    /// What the database says.
    pub fn end_sessions_of(&self, kind: SessionKind, subject: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM sessions WHERE kind = ?1 AND subject = ?2";
        self.execute("end sessions", sql, values![kind.as_str(), subject]).map(drop)
    }
}

fn session(row: &Row<'_>) -> Result<StoredSession, Fault> {
    Ok(StoredSession {
        digest: row.string("digest")?,
        kind: row.parsed("kind")?,
        subject: row.string("subject")?,
        form_token: row.string("form_token")?,
        created_at: row.time("created_at")?,
        seen_at: row.time("seen_at")?,
        expires_at: row.time("expires_at")?,
    })
}

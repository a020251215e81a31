//! The agent's durable state: one SQLite file, a copy of what matters beside it, and key files apart from both.
//!
//! A change, its audit entries and the place in the request chain are committed in one transaction or not at all.
//! [`Keeper`] is what the agent works with: it holds the state in memory, so that a disk that fails costs history and
//! never entitlement. `agent` and `cli` call this; this calls `usage`, `entitlement`, `license`, `identity` and `codes`.

mod carried;
mod copy;
mod directory;
mod event;
mod files;
mod inspection;
mod keeper;
mod memory;
mod reserve;
mod roster;
mod sqlite;
mod state;
mod succession;

pub use carried::CarriedKeys;
pub use directory::{DirectoryLock, StateDirectory};
pub use event::{Action, Event, StoredEvent};
pub use files::{write_durably, write_durably_for_group};
pub use inspection::{CopySeen, Inspection, inspect, read_events};
pub use keeper::Keeper;
pub use memory::MemoryStore;
pub use reserve::Reserve;
pub use roster::{MemberRecord, Roster, RosterChange, TokenId, TokenRecord};
pub use sqlite::{Opened, SqliteStore};
pub use state::{
    AgentState, Chain, FormerMembership, HeldLicense, Membership, PendingRequest, StatusMark,
};
pub use succession::{Arrival, Departure, Offer, PendingLicense, Retired, Signpost};

use crate::usage::DayPeak;
use jiff::civil::Date;
use std::path::PathBuf;

/// Where the agent's state is kept.
pub trait Store: Send {
    /// The whole state.
    fn load(&mut self) -> Result<AgentState, StoreError>;
    /// What is known of the environment's members; nothing while it can't be read.
    fn roster(&mut self) -> Result<Roster, StoreError>;
    /// Stores the state, the audit entries that belong to it and changes of the roster, together or not at all.
    fn commit_with(
        &mut self,
        state: &AgentState,
        events: &[Event],
        changes: &[RosterChange],
    ) -> Result<(), StoreError>;
    /// The same where the roster stays as it is.
    ///
    /// # Errors
    /// As [`commit_with`](Self::commit_with).
    fn commit(&mut self, state: &AgentState, events: &[Event]) -> Result<(), StoreError> {
        self.commit_with(state, events, &[])
    }
    /// The newest audit entries, at most `limit`, newest first.
    fn events(&mut self, limit: u32) -> Result<Vec<StoredEvent>, StoreError>;
    /// Stores the peaks of usage: of a day and a limit the highest stays. Days beyond the newest
    /// [`DAYS_KEPT`](crate::usage::DAYS_KEPT) are forgotten. They are measurements and no decisions: no audit entry
    /// belongs to them, and the copy does not have them.
    ///
    /// # Errors
    /// Where the disk refuses.
    fn keep_peaks(&mut self, peaks: &[DayPeak]) -> Result<(), StoreError>;
    /// The peaks of those days, both included, by day and limit.
    ///
    /// # Errors
    /// Where they can't be read.
    fn peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, StoreError>;
    /// What had to be mended since the store was opened, told once.
    fn recovered(&mut self) -> Option<String> {
        None
    }
    /// What is wrong with the store though it takes commits.
    fn complaint(&self) -> Option<String> {
        None
    }
}

/// What went wrong with the state directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum StoreError {
    #[error(
        "could not {operation} {path}: {source}: check the directory's owner and space; `entitlectl doctor` tries it"
    )]
    File { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "could not {operation} the database {path}: {source}: check the disk; the license is served from memory meanwhile"
    )]
    Database { operation: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error(
        "{path} is in use by another entitled{holder}: stop that one, or give this one a state directory of its own"
    )]
    Locked { path: PathBuf, holder: String },
    #[error(
        "{path} was written by a newer entitled (layout {found}, this one knows {known}): install that version again, or move the file away to start from the copy beside it"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "{path} does not hold {expected}: restore it from a backup; without one move it away and run `entitlectl activate`"
    )]
    Contents { path: PathBuf, expected: &'static str },
    #[error("the operating system has no random numbers: {0}")]
    Random(getrandom::Error),
}

impl StoreError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "store-file",
            Self::Database { .. } => "store-database",
            Self::Locked { .. } => "store-locked",
            Self::Newer { .. } => "store-newer",
            Self::Contents { .. } => "store-contents",
            Self::Random(_) => "store-random",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Why a report is not counted.

use super::reported::{LONGEST_NAME, MOST_REPORTERS, MOST_USERS};

/// Why a report is not counted. Nothing of it is, then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum UsageError {
    #[error("the license names no limit {limit:?}: /v1/limits lists them")]
    NoSuchLimit { limit: String },
    #[error("expected a reporter of 1 to {LONGEST_NAME} bytes, found {found}: choose another name")]
    Reporter { found: usize },
    #[error(
        "expected users of 1 to {LONGEST_NAME} bytes each, found one of {found}: choose a shorter id"
    )]
    User { found: usize },
    #[error(
        "{MOST_REPORTERS} reporters of {limit:?} are counted on this server already: use one name again and again"
    )]
    TooManyReporters { limit: String },
    #[error(
        "expected at most {MOST_USERS} users of {limit:?} on one server, found {found}: report those alone that are there now, or for a shorter time"
    )]
    TooManyUsers { limit: String, found: usize },
    #[error(
        "expected at most {most} reporters and users on all servers of the environment together, found more: use fewer reporters, or report users for a shorter time"
    )]
    TooMany { most: usize },
    #[error(
        "expected hashes of users of 16 bytes each in base64url, found something else: install the same entitled on every server, then report again"
    )]
    Hashes,
}

impl UsageError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchLimit { .. } => "no-such-limit",
            Self::Reporter { .. } => "bad-reporter",
            Self::User { .. } => "bad-user",
            Self::TooManyReporters { .. } => "too-many-reporters",
            Self::TooManyUsers { .. } => "too-many-users",
            Self::TooMany { .. } => "too-much-usage",
            Self::Hashes => "bad-user-hashes",
        }
    }
}

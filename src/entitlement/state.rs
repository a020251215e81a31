//! The six states and the reasons for them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The entitlement of an environment in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No license was ever installed, it was released, or the environment goes on under another key.
    Unlicensed,
    /// In term.
    Active,
    /// In term, 60 days or less to its end.
    Expiring,
    /// Past the term, before the end of grace.
    Grace,
    /// Grace is over, revoked, check-in overdue, hardware grace over, or a member's lease ran out: running work goes on,
    /// new work is the application's to refuse.
    Restricted,
    /// The license is for other hardware or another key.
    Invalid,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Unlicensed,
        Self::Active,
        Self::Expiring,
        Self::Grace,
        Self::Restricted,
        Self::Invalid,
    ];

    /// Whether the environment is entitled to new work.
    pub const fn entitled(self) -> bool {
        matches!(self, Self::Active | Self::Expiring | Self::Grace)
    }

    /// The word in JSON, metrics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unlicensed => "unlicensed",
            Self::Active => "active",
            Self::Expiring => "expiring",
            Self::Grace => "grace",
            Self::Restricted => "restricted",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why the state is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No license was ever installed.
    NotActivated,
    /// The license was released.
    Released,
    /// The environment goes on under another key: it was moved, or this is a copy.
    Retired,
    /// In term.
    InTerm,
    /// The term ends in 60 days or less.
    TermEnds,
    /// The term is over.
    TermEnded,
    /// Grace is over.
    GraceEnded,
    /// The vendor revoked the license.
    Revoked,
    /// The portal was not heard of for longer than the license allows.
    CheckInOverdue,
    /// This is other hardware, and its grace is over.
    HardwareChanged,
    /// The license is for another Serial Number.
    OtherSerialNumber,
    /// The license is bound to another environment key.
    OtherKey,
    /// A member heard nothing from its controller for longer than its lease.
    LeaseEnded,
    /// This server is to be a member and has not joined an environment.
    NotJoined,
    /// One that a newer agent gives and this program does not know; the message says it.
    #[serde(other)]
    Other,
}

//! The terms in which licenses and statuses are told: what the documents, the hardware and the programs that ask all name.
//!
//! They stand apart from `license` and `identity`, which give them on, so that a program which only reads a status needs
//! neither signatures nor probes. Pure. Everything may call this; this calls nothing of ours.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The place of a document among those of its environment; the highest wins, whatever road it came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an environment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Development.
    Development,
    /// Quality assurance.
    Quality,
    /// Production.
    Production,
    /// Management.
    Management,
}

impl Purpose {
    /// All purposes, in their usual order.
    pub const ALL: [Self; 4] =
        [Self::Development, Self::Quality, Self::Production, Self::Management];

    /// The word in documents and settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Quality => "quality",
            Self::Production => "production",
            Self::Management => "management",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or_else(|| {
            format!("expected development, quality, production or management, found {text:?}")
        })
    }
}

/// How much of something may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Limit {
    /// The limit; `null` for unlimited.
    pub limit: Option<u64>,
    /// What happens at the limit.
    pub enforcement: Enforcement,
}

/// What happens where usage reaches a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// Warned of, never refused.
    Soft,
    /// Programs are told to refuse more.
    Hard,
}

/// What the hardware says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything enrolled that could be read agrees.
    Unchanged,
    /// The same machine with something changed; it was enrolled anew.
    Drifted,
    /// Too little could be read; held for 30 days from the last full match.
    Degraded,
    /// Not the machine that was enrolled.
    DifferentMachine,
    /// The operator's override stands in place of evidence: nothing to compare.
    Overridden,
}

impl Verdict {
    /// The word of JSON and of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Drifted => "drifted",
            Self::Degraded => "degraded",
            Self::DifferentMachine => "different_machine",
            Self::Overridden => "overridden",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

//! An operator: a person of the vendor's who signs in.

use super::{AccessError, PasswordDigest, Right, Rights};
use jiff::Timestamp;
use serde::Serialize;
use std::{fmt, str::FromStr};

/// Longest name of an operator or a token, bytes.
const LONGEST_NAME: usize = 64;

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// See everything but Activation Codes, and help customers out: one-time codes, approvals, survivors.
    Support,
}

impl Role {
    /// The word in commands and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Support => "support",
        }
    }

    /// What it allows.
    pub fn rights(self) -> Rights {
        match self {
            Self::Admin => Rights::ALL,
            Self::Support => Rights::of([
                Right::SubscriptionsRead,
                Right::EnvironmentsRead,
                Right::EnvironmentsAssist,
                Right::AuditRead,
            ]),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        let all = [Self::Admin, Self::Support];
        let found = all.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| AccessError::Role { found: text.chars().take(80).collect() })
    }
}

/// A person of the vendor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// By which it signs in; never changes.
    pub name: String,
    /// Its password, hashed.
    pub password: PasswordDigest,
    /// What it may do.
    pub role: Role,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its password, its role or its standing changed last: whoever signed in before that signs in again.
    pub changed_at: Timestamp,
    /// Since when it may not sign in.
    pub disabled_at: Option<Timestamp>,
}

/// Whether the last operator may go who signs in to the pages and may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastAdmin {
    /// One has to be left: by the pages nobody could make another.
    Stays,
    /// Whoever owns the portal's directory makes another by the commands.
    MayGo,
}

impl Operator {
    /// Whether it signs in, and may do everything.
    pub fn is_working_admin(&self) -> bool {
        self.role == Role::Admin && self.disabled_at.is_none()
    }

    /// Who acts, for the audit.
    pub fn actor(&self) -> String {
        format!("operator {}", self.name)
    }

    /// Checks the name of an operator or a token: it stands in listings, in the audit and in addresses of pages.
    ///
    /// # Errors
    /// [`AccessError::Name`].
    pub fn check_name(name: &str) -> Result<(), AccessError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_@".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if begins && name.len() <= LONGEST_NAME && name.chars().all(allowed) {
            Ok(())
        } else {
            Err(AccessError::Name)
        }
    }
}

//! What a caller may do.

use super::AccessError;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One thing that is allowed or not. All but the last may be the scope of an API token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Right {
    /// See subscriptions, their Activation Codes masked.
    #[serde(rename = "subscriptions:read")]
    SubscriptionsRead,
    /// Create, change, renew, suspend, resume and revoke subscriptions.
    #[serde(rename = "subscriptions:write")]
    SubscriptionsWrite,
    /// See Activation Codes.
    #[serde(rename = "activation-codes:read")]
    ActivationCodesRead,
    /// See environments, forks, and what waits for approval.
    #[serde(rename = "environments:read")]
    EnvironmentsRead,
    /// Release environments.
    #[serde(rename = "environments:write")]
    EnvironmentsWrite,
    /// Make one-time codes, approve rebinds and releases, name survivors.
    #[serde(rename = "environments:assist")]
    EnvironmentsAssist,
    /// See the audit.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Keys, operators, tokens and webhooks: of no token, because whoever has it could give itself everything.
    #[serde(rename = "administer")]
    Administer,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SubscriptionsRead,
        Self::SubscriptionsWrite,
        Self::ActivationCodesRead,
        Self::EnvironmentsRead,
        Self::EnvironmentsWrite,
        Self::EnvironmentsAssist,
        Self::AuditRead,
        Self::Administer,
    ];

    /// The word in scopes and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubscriptionsRead => "subscriptions:read",
            Self::SubscriptionsWrite => "subscriptions:write",
            Self::ActivationCodesRead => "activation-codes:read",
            Self::EnvironmentsRead => "environments:read",
            Self::EnvironmentsWrite => "environments:write",
            Self::EnvironmentsAssist => "environments:assist",
            Self::AuditRead => "audit:read",
            Self::Administer => "administer",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|right| right.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("expected one of {}, found {text:?}", known.join(", "))
        })
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// Of whoever owns the portal's directory, and of the portal itself.
    pub const ALL: Self = Self(u16::MAX);

    /// These.
    pub fn of(rights: impl IntoIterator<Item = Right>) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | right.bit()))
    }

    /// Whether that one is among them.
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Refuses who does not have it.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`].
    pub const fn check(self, right: Right) -> Result<(), AccessError> {
        if self.has(right) { Ok(()) } else { Err(AccessError::NotAllowed { needs: right }) }
    }

    /// They, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

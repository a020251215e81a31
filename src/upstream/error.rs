//! Why a request got no answer.

use crate::license::DocumentError;
use std::time::Duration;

/// Why a request got no answer. None of these changes entitlement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ExchangeError {
    #[error(
        "the portal {url} can't be reached ({reason}): check the network, the proxy settings, [portal] url and ca_file; `entitlectl doctor` tries each"
    )]
    Unreachable { url: String, reason: String },
    #[error("the portal {url} can't answer now (status {status}); it is asked again later")]
    Busy { url: String, status: u16, retry_after: Option<Duration> },
    #[error("{detail}")]
    Refused { code: String, title: String, detail: String },
    #[error(
        "expected a signed answer from {url}, found {found}: check that [portal] url is the Licensing Portal's address"
    )]
    NotAnAnswer { url: String, found: String },
    #[error(
        "expected an https address of the portal (http is for this machine alone), found {found:?}: set [portal] url"
    )]
    Address { found: String },
    #[error(
        "the settings for the way to the portal can't be used ({reason}): check [portal] ca_file and the proxy settings"
    )]
    Settings { reason: String },
    #[error("no portal is set: set [portal] url, or carry the request by hand")]
    NoPortal,
    #[error("the portal's answer was refused: {0}")]
    Document(#[from] DocumentError),
}

impl ExchangeError {
    /// A stable code for programs, also the label of metrics.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "portal-unreachable",
            Self::Busy { .. } => "portal-busy",
            Self::Refused { code, .. } => code,
            Self::NotAnAnswer { .. } => "portal-not-an-answer",
            Self::Address { .. } => "portal-address",
            Self::Settings { .. } => "portal-settings",
            Self::NoPortal => "portal-not-set",
            Self::Document(error) => error.code(),
        }
    }

    /// Whether the same request may be answered later: everything but the portal's own word is put down to the way.
    pub const fn is_passing(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::Address { .. } | Self::NoPortal)
    }

    /// How long the portal asks to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

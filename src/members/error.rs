//! What can go wrong between a controller and its members.

use super::TokenError;
use std::{io, net::SocketAddr};

/// What can go wrong between a controller and its members.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum MembersError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(
        "the certificate can't be made ({reason}): restore environment-ca.key from a backup; without one move it away, and let the members join again"
    )]
    Authority { reason: String },
    #[error(
        "expected a signing request for an Ed25519 key in PEM, found {reason}: let the member make a new one with the current entitled"
    )]
    SigningRequest { reason: String },
    #[error(
        "the member's key or certificate can't be used ({reason}): join again, `entitlectl join`"
    )]
    Identity { reason: String },
    #[error(
        "expected a controller's address such as server.example:7443 or [2001:db8::1]:7443, found {found:?}"
    )]
    Address { found: String },
    #[error(
        "could not listen for members on {address}: {source}: choose another address under [members] in the settings"
    )]
    Listen { address: SocketAddr, source: io::Error },
    #[error(
        "the controller can't be reached at {address} ({reason}): check the address and the way there (port 7443 unless told otherwise), and that [members] listen is set on the controller"
    )]
    Unreachable { address: String, reason: String },
    #[error(
        "what answers at {address} is not the controller of this environment ({reason}): compare the address, and the environment that the token was made in"
    )]
    Impostor { address: String, reason: String },
    #[error("the controller refused ({code}): {detail}")]
    Refused { code: String, detail: String },
    #[error("expected an answer of a controller from {address}, found {found}")]
    NotAnAnswer { address: String, found: String },
    #[error("the operating system has no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl MembersError {
    /// A stable code for programs and metrics.
    pub fn code(&self) -> &str {
        match self {
            Self::Token(error) => error.code(),
            Self::Authority { .. } => "members-authority",
            Self::SigningRequest { .. } => "bad-signing-request",
            Self::Identity { .. } => "member-identity",
            Self::Address { .. } => "controller-address",
            Self::Listen { .. } => "members-listen",
            Self::Unreachable { .. } => "controller-unreachable",
            Self::Impostor { .. } => "controller-impostor",
            Self::Refused { code, .. } => code,
            Self::NotAnAnswer { .. } => "controller-not-an-answer",
            Self::Random(_) => "random",
        }
    }
}

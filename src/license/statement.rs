//! What the environment itself signs: statements of its status, and proofs that an answer is fresh.

use super::Document;
use crate::codes::SerialNumber;
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The status as the controller signs it, with the license and the trust document inside: whoever reads it need not
/// believe the controller, for the license names the key that must have signed it (`cnf`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementClaims {
    /// The Serial Number of the environment that states.
    pub iss: SerialNumber,
    /// The product.
    pub aud: String,
    /// Stated at, by the controller's effective time.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// The environment.
    pub environment_id: Uuid,
    /// The generation of the status; a statement of a lower one is old.
    pub generation: u64,
    /// The status, as `/v1/status` has it.
    pub status: serde_json::Value,
    /// The license.
    pub license: String,
    /// The trust document.
    pub trust: String,
}

impl Document for StatementClaims {
    const TYPE: &'static str = "entitled-statement+jwt";
}

/// Shows that whoever answers holds the environment key now: the asker's challenge, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofClaims {
    /// The Serial Number of the environment that proves.
    pub iss: SerialNumber,
    /// The product.
    pub aud: String,
    /// Proved at, by the agent's effective time.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// What the asker sent.
    pub challenge: String,
    /// Whether new work is covered.
    pub entitled: bool,
    /// The state.
    pub state: String,
    /// The generation of the status that says so.
    pub generation: u64,
}

impl Document for ProofClaims {
    const TYPE: &'static str = "entitled-proof+jwt";
}

//! What the portal answers to a request.

use super::{Document, RequestId, Sequence, Thumbprint};
use crate::codes::SerialNumber;
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The claims of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerClaims {
    /// The portal.
    pub iss: String,
    /// The product.
    pub aud: String,
    /// The time at the portal: a signed answer is a clock that can be believed.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// The request that it answers.
    pub in_reply_to: RequestId,
    /// The answer itself.
    pub outcome: Outcome,
    /// The newest trust document, where the asker's is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
    /// Where two lives of this environment ask: what the portal sees, and what ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// The environment that it is about; absent in answers of older portals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_id: Option<Uuid>,
    /// The highest sequence of any document that was issued for that environment, whether it is in this answer or not;
    /// absent in answers of older portals, and to a retired key, whose environment it is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Sequence>,
}

impl Document for AnswerClaims {
    const TYPE: &'static str = "entitled-answer+jwt";
}

/// What the portal decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A license, as a document of its own.
    License(String),
    /// A revocation, as a document of its own.
    Revocation(String),
    /// What is held is the newest.
    NothingNew {
        /// Its sequence.
        sequence: Sequence,
    },
    /// The slot is given back.
    Released {
        /// The sequence of the release: licenses up to it are over.
        sequence: Sequence,
        /// When the slot is free again, where that is later: what was released off-line may still run until its
        /// license ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot_free_at: Option<Timestamp>,
    },
    /// The key that signed the request is bound no more: the environment goes on under another.
    Retired {
        /// The sequence at which the other key took over: licenses up to it are over for this one.
        sequence: Sequence,
        /// How.
        by: Retirement,
        /// The Serial Number of the environment now.
        serial_number: SerialNumber,
        /// The thumbprint of the key that it is bound to now; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Thumbprint>,
    },
}

/// How a key lost its environment to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retirement {
    /// By a rebind: the same hardware has a new key. Who holds the old one is a copy, or a snapshot from before.
    Rebind,
    /// By a move: another machine is the controller now.
    Move,
}

impl Retirement {
    /// The word in documents and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rebind => "rebind",
            Self::Move => "move",
        }
    }
}

/// That requests come in two lines, each of which does not know the other's: a machine and its copy, or one that was
/// restored from a snapshot. Nothing later than what both hold is issued meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Since when.
    #[serde(with = "numeric_date")]
    pub since: Timestamp,
    /// What it is to whoever asked.
    pub state: ForkState,
}

/// What a fork is to one of its branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForkState {
    /// The customer has not named the survivor yet. A branch that is silent for 14 days is closed by itself.
    Open,
    /// This one survives: it makes a new key and asks for a `rebind` with the old key's consent, which needs no code.
    Survivor,
    /// Another one survives: this one is retired as soon as that has its new key.
    Superseded,
}

/// The end of a license by the vendor's word. It has no features, so that no library takes it for a license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationClaims {
    /// The portal.
    pub iss: String,
    /// The product.
    pub aud: String,
    /// The Serial Number.
    pub sub: SerialNumber,
    /// Issued at.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// Its place among the documents of the environment.
    pub seq: Sequence,
    /// The environment's id.
    pub environment_id: Uuid,
    /// From when on.
    pub revoked_at: Timestamp,
    /// Why, for people.
    pub reason: String,
}

impl Document for RevocationClaims {
    const TYPE: &'static str = "entitled-revocation+jwt";
}

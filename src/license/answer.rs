//! What the portal answers to a request.

use super::{Document, RequestId, Sequence};
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
    /// The slot is free again.
    Released {
        /// The sequence of the release: licenses up to it are over.
        sequence: Sequence,
    },
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

//! What an environment asks its portal, signed by the environment key.

use super::{
    Document, DocumentError, Environment, KeyPair, PublicKey, Purpose, Unverified, jws::sign_with,
};
use crate::codes::{ActivationCode, ActivationId, SerialNumber};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The id of a request, a UUID of version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A slot of the subscription, and its license.
    Activate,
    /// The newest license.
    Refresh,
    /// To give the slot back.
    Release,
}

impl RequestKind {
    /// The word in documents and in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Refresh => "refresh",
            Self::Release => "release",
        }
    }
}

/// The claims of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestClaims {
    /// The product whose portal is asked.
    pub aud: String,
    /// The id of the request.
    pub jti: RequestId,
    /// Made at, by the asker's clock: for people; nothing depends on it.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// What is asked for.
    pub request: RequestKind,
    /// The Serial Number that the environment has, or would mint.
    pub sub: SerialNumber,
    /// Which subscription, and that the asker holds its Activation Code; in `activate` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Which environment.
    pub environment: RequestedEnvironment,
    /// Every Serial Number that could be minted from this hardware, for the portal to know an environment again.
    #[serde(default)]
    pub candidates: Vec<Candidate>,
    /// The hardware in digests, keyed from the Activation Code.
    #[serde(default)]
    pub evidence: Vec<EvidenceDigest>,
    /// What kind of machine asks.
    pub machine: MachineFacts,
    /// The last request whose answer was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RequestId>,
    /// Requests sent since, whose answers were not stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsettled: Vec<RequestId>,
    /// The license that is held, so that a portal restored from a backup adopts what it signed itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// The version of the trust document that is held; 0 for none.
    #[serde(default)]
    pub trust_version: u64,
}

impl Document for RequestClaims {
    const TYPE: &'static str = "entitled-request+jwt";
}

/// Names a subscription and proves that the asker holds its Activation Code, without telling it: a request file that
/// is read on its way activates nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// Finds the subscription.
    pub id: ActivationId,
    /// [`ActivationCode::proof`] over the request's id and the environment key's thumbprint, base64url.
    pub proof: String,
}

impl Activation {
    /// The activation part of request `jti`, which `key` signs.
    pub fn new(code: &ActivationCode, jti: RequestId, key: &PublicKey) -> Self {
        let proof = code.proof(proof_message(jti, key).as_bytes());
        Self { id: code.id(), proof: URL_SAFE_NO_PAD.encode(proof) }
    }

    /// Whether the asker of request `jti`, signed by `key`, holds `code`.
    pub fn proves(&self, code: &ActivationCode, jti: RequestId, key: &PublicKey) -> bool {
        URL_SAFE_NO_PAD
            .decode(&self.proof)
            .is_ok_and(|proof| code.verify_proof(proof_message(jti, key).as_bytes(), &proof))
    }
}

fn proof_message(jti: RequestId, key: &PublicKey) -> String {
    format!("entitled request proof\0{jti}\0{}", key.thumbprint())
}

/// The environment that a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedEnvironment {
    /// Its id, once the portal has given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
}

impl From<Environment> for RequestedEnvironment {
    fn from(Environment { id, name, purpose }: Environment) -> Self {
        Self { id: Some(id), name, purpose }
    }
}

/// A Serial Number that could be minted from this hardware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// It.
    pub serial_number: SerialNumber,
    /// From which source.
    pub source: String,
}

/// One hardware fact, of use to this subscription's portal alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceDigest {
    /// The group that it votes in.
    pub group: String,
    /// Where it was read.
    pub source: String,
    /// HMAC-SHA-256 of it, keyed from the Activation Code.
    pub digest: String,
    /// Its vote.
    pub weight: u8,
}

/// What kind of machine asks, for the vendor's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// `bare-metal`, a hypervisor's or a container's name.
    pub kind: String,
    /// Whether the Serial Number comes from the documented override instead of hardware.
    #[serde(default)]
    pub overridden: bool,
    /// The version of the agent.
    pub agent: String,
}

/// Signs a request; `activate` carries the public key, which the portal can't know yet.
///
/// # Errors
/// As [`sign`](super::sign).
pub fn sign_request(claims: &RequestClaims, key: &KeyPair) -> Result<String, DocumentError> {
    let jwk = (claims.request == RequestKind::Activate).then(|| key.public());
    sign_with(claims, key, jwk)
}

/// Verifies a request: an `activate` by the key that it carries, any other by the key that the portal bound, which
/// `bound` finds by the claims (they are not verified yet when it is asked).
///
/// # Errors
/// What is wrong with the document; [`DocumentError::UnknownKey`] where `bound` knows no key.
pub fn verify_request(
    text: &str,
    product: &str,
    bound: impl FnOnce(&RequestClaims) -> Option<PublicKey>,
) -> Result<(RequestClaims, PublicKey), DocumentError> {
    let document = Unverified::parse(text)?;
    // Not believed before the signature is checked below.
    let claims: RequestClaims = document.peek()?;
    let wrong = |member, reason: &str| DocumentError::Request { member, reason: reason.to_owned() };
    let key = match (claims.request, document.embedded_key()) {
        (RequestKind::Activate, Some(key)) => *key,
        (RequestKind::Activate, None) => {
            return Err(wrong("jwk", "an activation carries the environment's public key"));
        }
        (_, Some(_)) => return Err(wrong("jwk", "only an activation carries a key")),
        (_, None) => {
            bound(&claims).ok_or_else(|| DocumentError::UnknownKey { kid: document.kid() })?
        }
    };
    document.check_signature(&key)?;
    if claims.aud != product {
        return Err(DocumentError::audience(product, &claims.aud));
    }
    if claims.activation.is_some() != (claims.request == RequestKind::Activate) {
        return Err(wrong("activation", "an activation has it, and nothing else"));
    }
    Ok((claims, key))
}

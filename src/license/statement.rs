//! What the environment itself signs: statements of its status, and proofs that an answer is fresh.

use super::{
    Document, DocumentError, PublicKey, RevocationClaims, Roots, Unverified, VerifiedLicense,
    VerifiedTrust, verify::verify_by_trust, verify_license,
};
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
    /// The revocation, where the license was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<String>,
    /// Where the environment's controller may be found next, beside where it is: a move is being made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successors: Vec<String>,
}

impl Document for StatementClaims {
    const TYPE: &'static str = "entitled-statement+jwt";
}

/// A statement that the environment signed, with the documents in it verified up to a root key; had from
/// [`verify_statement`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedStatement {
    claims: StatementClaims,
    text: String,
    key: PublicKey,
    license: VerifiedLicense,
    revocation: Option<RevocationClaims>,
    trust: VerifiedTrust,
}

impl VerifiedStatement {
    /// What it says.
    pub const fn claims(&self) -> &StatementClaims {
        &self.claims
    }

    /// The document as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The environment key that signed it.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The license in it.
    pub const fn license(&self) -> &VerifiedLicense {
        &self.license
    }

    /// The revocation in it.
    pub const fn revocation(&self) -> Option<&RevocationClaims> {
        self.revocation.as_ref()
    }

    /// The trust document by which the others were verified.
    pub const fn trust(&self) -> &VerifiedTrust {
        &self.trust
    }
}

/// Verifies a statement from the root keys down: the trust document, by it the license, and the statement by the key
/// that the license is bound to; by `unbound` where it is bound to the Serial Number alone. Of the trust document in it and
/// the held one the newer counts.
///
/// # Errors
/// What is wrong with the statement or with a document in it; [`DocumentError::UnknownKey`] where no key is known that
/// must have signed it.
pub fn verify_statement(
    text: &str,
    product: &str,
    roots: &Roots,
    held: Option<&VerifiedTrust>,
    unbound: Option<&PublicKey>,
) -> Result<VerifiedStatement, DocumentError> {
    let document = Unverified::parse(text)?;
    // Not believed before its signature is checked below; the documents in it have signatures of their own.
    let claims: StatementClaims = document.peek()?;
    let carried = roots.verify_trust(&claims.trust, product, None)?;
    let trust = held.filter(|held| held.version() > carried.version()).cloned().unwrap_or(carried);
    let license = verify_license(&claims.license, product, &trust)?;
    let bound = license.claims().cnf.map(|cnf| cnf.jwk);
    let key = bound.as_ref().or(unbound);
    let key = *key.ok_or_else(|| DocumentError::UnknownKey { kid: document.kid() })?;
    document.check_signature(&key)?;
    license.check_issuer(product, &claims.aud, claims.iss)?;
    license.check_environment(claims.environment_id)?;
    let licensed = license.claims();
    let revocation = claims.revocation.as_deref();
    let revocation: Option<RevocationClaims> =
        revocation.map(|text| verify_by_trust(text, &trust)).transpose()?;
    if let Some(found) = revocation.as_ref().map(|r| r.sub).filter(|sub| *sub != licensed.sub) {
        return Err(DocumentError::Serial { expected: licensed.sub, found });
    }
    Ok(VerifiedStatement { text: text.trim().to_owned(), claims, key, license, revocation, trust })
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

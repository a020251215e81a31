//! From the vendor's root keys to the keys of its portal.

use super::{Document, DocumentError, PublicKey, Thumbprint, Unverified};
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a portal key is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Signs documents.
    Active,
    /// Signs no more; what it signed stays believed.
    Retired,
    /// Nothing that it signed is believed.
    Revoked,
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        })
    }
}

/// One key of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalKey {
    /// The key, as a JWK's members.
    #[serde(flatten)]
    pub key: PublicKey,
    /// Whether it is believed.
    pub status: KeyStatus,
}

/// The complete set of portal keys, signed by a root key that is kept off-line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustClaims {
    /// The vendor.
    pub iss: String,
    /// The product.
    pub aud: String,
    /// Issued at.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// Never falls.
    pub version: u64,
    /// Every key that the portal has or had.
    pub keys: Vec<PortalKey>,
}

impl Document for TrustClaims {
    const TYPE: &'static str = "entitled-trust+jwt";
}

/// The vendor's root public keys, from its package and the operator's folder.
#[derive(Debug, Clone, Default)]
pub struct Roots(Vec<PublicKey>);

/// A JWK set, RFC 7517 section 5.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<PublicKey>,
}

impl Roots {
    /// No root keys: nothing is believed.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds the keys of a JWK set.
    ///
    /// # Errors
    /// [`DocumentError::Malformed`] where the text is no JWK set of sound Ed25519 public keys.
    pub fn add_key_set(&mut self, text: &str) -> Result<(), DocumentError> {
        let set: KeySet = super::json::from_slice(text.as_bytes())
            .map_err(|e| DocumentError::Malformed { part: "key set", reason: e.to_string() })?;
        set.keys.into_iter().for_each(|key| self.add(key));
        Ok(())
    }

    /// Adds one key.
    pub fn add(&mut self, key: PublicKey) {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies a trust document and that it takes nothing back from the one that is held.
    ///
    /// # Errors
    /// What is wrong with the document, [`DocumentError::UnknownRoot`] and [`DocumentError::TrustVersion`].
    pub fn verify_trust(
        &self,
        text: &str,
        product: &str,
        held: Option<&VerifiedTrust>,
    ) -> Result<VerifiedTrust, DocumentError> {
        let document = Unverified::parse(text)?;
        let kid = document.kid();
        let root = self.0.iter().find(|root| root.thumbprint() == kid);
        let Some(root) = root else {
            document.peek::<TrustClaims>()?;
            let known: Vec<String> = self.0.iter().map(|r| r.thumbprint().to_string()).collect();
            let known =
                if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            return Err(DocumentError::UnknownRoot { kid, known });
        };
        let claims: TrustClaims = document.verify(root)?;
        if claims.aud != product {
            let expected = product.to_owned();
            return Err(DocumentError::Audience { expected, found: claims.aud });
        }
        if let Some(held) = held.filter(|held| claims.version < held.claims.version) {
            return Err(DocumentError::TrustVersion {
                held: held.claims.version,
                found: claims.version,
            });
        }
        Ok(VerifiedTrust { claims, text: text.trim().to_owned() })
    }
}

/// A trust document that a root key signed; had from [`Roots::verify_trust`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTrust {
    claims: TrustClaims,
    text: String,
}

impl VerifiedTrust {
    /// What it says.
    pub const fn claims(&self) -> &TrustClaims {
        &self.claims
    }

    /// The document as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The portal key of that thumbprint, if documents signed by it are believed.
    ///
    /// # Errors
    /// [`DocumentError::UnknownKey`] and [`DocumentError::KeyNotBelieved`].
    pub fn portal_key(&self, kid: &Thumbprint) -> Result<&PublicKey, DocumentError> {
        let found = self.claims.keys.iter().find(|k| k.key.thumbprint() == *kid);
        match found {
            None => Err(DocumentError::UnknownKey { kid: kid.clone() }),
            Some(PortalKey { status: status @ KeyStatus::Revoked, .. }) => {
                Err(DocumentError::KeyNotBelieved { kid: kid.clone(), status: *status })
            }
            Some(PortalKey { key, .. }) => Ok(key),
        }
    }
}

//! From the vendor's root keys to the keys of its portal.

use super::{
    Document, DocumentError, MAX_DOCUMENT, PublicKey, Thumbprint, Unverified, error::reason, json,
};
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{cmp::Ordering, collections::BTreeSet, fmt};

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
    keys: Vec<Value>,
}

impl KeySet {
    /// The Ed25519 keys. Those of other kinds are left out, as RFC 7517 section 5 wants it, so that a vendor can add one
    /// for newer agents; an Ed25519 key that is not sound spoils the set, because somebody has tampered with it.
    fn read(text: &str) -> Result<Vec<PublicKey>, String> {
        let set: Self = json::from_slice(text.as_bytes()).map_err(|e| reason(&e))?;
        let of_this_kind = |jwk: &Value| {
            let member = |name| jwk.get(name).and_then(Value::as_str);
            // A key without these members is not of another kind, it is damaged.
            member("kty").is_none_or(|kty| kty == "OKP")
                && member("crv").is_none_or(|crv| crv == "Ed25519")
        };
        let mut keys = Vec::new();
        for (i, jwk) in set.keys.into_iter().enumerate().filter(|(_, jwk)| of_this_kind(jwk)) {
            let key = PublicKey::from_jwk(jwk, "key set").map_err(|e| match e {
                DocumentError::Key { found } => format!("{found} in place {}", i + 1),
                DocumentError::Malformed { reason, .. } => {
                    format!("a damaged key in place {} ({reason})", i + 1)
                }
                other => other.to_string(),
            })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err("a set without an Ed25519 key".to_owned());
        }
        Ok(keys)
    }
}

impl Roots {
    /// No root keys: nothing is believed.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds the Ed25519 keys of a JWK set: all of them, or none where one is not sound.
    ///
    /// # Errors
    /// [`DocumentError::KeySet`] where the text is no JWK set, has no Ed25519 key, or has one that is not a sound public
    /// key; [`DocumentError::TooLarge`].
    pub fn add_key_set(&mut self, text: &str) -> Result<(), DocumentError> {
        if text.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { limit: MAX_DOCUMENT, found: text.len() });
        }
        let keys = KeySet::read(text).map_err(|reason| DocumentError::KeySet { reason })?;
        for key in keys {
            self.add(key);
        }
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
    /// What is wrong with the document, [`DocumentError::UnknownRoot`], [`DocumentError::TrustVersion`] and
    /// [`DocumentError::TrustVersionReused`].
    pub fn verify_trust(
        &self,
        text: &str,
        product: &str,
        held: Option<&VerifiedTrust>,
    ) -> Result<VerifiedTrust, DocumentError> {
        let document = Unverified::parse(text)?;
        document.check_type::<TrustClaims>()?;
        let root = self.root(document.kid())?;
        let claims: TrustClaims = document.verify(root)?;
        super::verify::check_audience(product, &claims.aud)?;
        claims.check_keys()?;
        if let Some(held) = held {
            claims.check_successor_of(&held.claims)?;
        }
        Ok(VerifiedTrust { claims, text: text.trim().to_owned(), root: *root })
    }

    fn root(&self, kid: Thumbprint) -> Result<&PublicKey, DocumentError> {
        if let Some(root) = self.0.iter().find(|root| root.thumbprint() == kid) {
            return Ok(root);
        }
        let known: Vec<String> = self.0.iter().map(|r| r.thumbprint().to_string()).collect();
        let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
        Err(DocumentError::UnknownRoot { kid, known })
    }
}

impl TrustClaims {
    /// No key is listed twice: as active and as revoked, it would be what a reader meets first.
    fn check_keys(&self) -> Result<(), DocumentError> {
        let mut seen = BTreeSet::new();
        for key in self.keys.iter().map(|k| k.key.thumbprint()) {
            if let Some(twice) = seen.replace(key) {
                let reason = format!("the key {twice} is listed twice");
                return Err(DocumentError::Malformed { part: "payload", reason });
            }
        }
        Ok(())
    }

    /// A higher version, or the very same contents: of two with one version, the one in which a key is not yet revoked
    /// must not come back.
    fn check_successor_of(&self, held: &Self) -> Result<(), DocumentError> {
        match self.version.cmp(&held.version) {
            Ordering::Greater => Ok(()),
            Ordering::Equal if self == held => Ok(()),
            Ordering::Equal => Err(DocumentError::TrustVersionReused { version: self.version }),
            Ordering::Less => {
                Err(DocumentError::TrustVersion { held: held.version, found: self.version })
            }
        }
    }
}

/// A trust document that a root key signed; had from [`Roots::verify_trust`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTrust {
    claims: TrustClaims,
    text: String,
    root: PublicKey,
}

impl VerifiedTrust {
    /// The root key that signed it.
    pub const fn root(&self) -> &PublicKey {
        &self.root
    }

    /// What it says.
    pub const fn claims(&self) -> &TrustClaims {
        &self.claims
    }

    /// Its version.
    pub const fn version(&self) -> u64 {
        self.claims.version
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

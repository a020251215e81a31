//! Keyed digests: the only form in which a fact is stored, shown or sent.

use super::{Canonical, Source};
use crate::codes::ActivationCode;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Keep the two uses apart, and apart from whatever else a key may one day be used for.
const STORED_DOMAIN: &[u8] = b"entitled stored fact\0";
const PORTAL_DOMAIN: &[u8] = b"entitled portal fact\0";

/// The key of the digests that this machine stores. Without it a MAC address would be guessed from its digest in
/// seconds. No `Debug`, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LocalSecret([u8; 32]);

impl LocalSecret {
    /// A new secret from the operating system's random numbers.
    ///
    /// # Errors
    /// Only where the operating system has no random numbers.
    pub fn random() -> Result<Self, SecretError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(SecretError::NoRandomNumbers)?;
        Ok(Self(bytes))
    }

    /// The secret as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key of files that are compared without an agent: `hardware enroll`, and reports of captured trees. It is the
    /// same everywhere, so that any two of them can be compared, and keeps nothing: whoever has such a file can try out
    /// identifiers against it.
    pub const fn for_files() -> Self {
        Self(*b"entitled: no secret, for files\0\0")
    }

    /// The secret for storing it; every caller is a place to review.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of a fact as this machine stores it.
    pub fn digest(&self, source: Source, value: &Canonical) -> FactDigest {
        // A key shorter than SHA-256's block is filled up with zeros, RFC 2104 section 2.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        block.zeroize();
        mac.update(&message(STORED_DOMAIN, source, value));
        FactDigest::from_mac(mac.finalize().into_bytes().into())
    }
}

/// Why there is no local secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The operating system gave no random numbers.
    #[error(
        "no random numbers for the local secret ({0}): check that getrandom(2) is allowed here"
    )]
    NoRandomNumbers(getrandom::Error),
}

impl SecretError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoRandomNumbers(_) => "identity-no-random-numbers",
        }
    }
}

/// 128 bits of a keyed digest of one fact, in hexadecimal: HMAC-SHA-256 cut in half, RFC 2104 section 5.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FactDigest([u8; 16]);

impl FactDigest {
    /// The digest of a fact as a request carries it.
    pub(super) fn for_portal(code: &ActivationCode, source: Source, value: &Canonical) -> Self {
        Self::from_mac(code.proof(&message(PORTAL_DOMAIN, source, value)))
    }

    fn from_mac(mac: [u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&mac[..16]);
        Self(half)
    }
}

/// The source is in the message with its length, so that no two facts of different kinds share a digest.
fn message(domain: &[u8], source: Source, value: &Canonical) -> zeroize::Zeroizing<Vec<u8>> {
    let name = source.name().as_bytes();
    let length = (name.len() as u64).to_be_bytes();
    let parts = [domain, &length, name, value.expose_raw().as_bytes()];
    zeroize::Zeroizing::new(parts.concat())
}

impl fmt::Display for FactDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for FactDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FactDigest({self})")
    }
}

impl From<FactDigest> for String {
    fn from(digest: FactDigest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for FactDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WANTED: &str = "expected 32 hexadecimal digits";
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(WANTED);
        }
        u128::from_str_radix(&text, 16).map(|n| Self(n.to_be_bytes())).map_err(|_| WANTED)
    }
}

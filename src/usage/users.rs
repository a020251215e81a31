//! Users as they are counted: by keyed hashes, so that nobody learns from here who they are.

use super::{UsageError, reported::LONGEST_NAME};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Keeps this use apart from whatever else the key may one day be used for.
const USER_DOMAIN: &[u8] = b"entitled usage user\0";

/// The key of an environment's user hashes: the same on all its servers, so that one user is one hash. Without it names are
/// quickly guessed from their hashes. No `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct UserKey([u8; 32]);

impl UserKey {
    /// The key as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key as a controller tells it, base64url.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64URL.decode(text).ok()?);
        Some(Self(bytes.as_slice().try_into().ok()?))
    }

    /// The key for storing it, and for members over their own channel; every caller is a place to review.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The same as base64url.
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL.encode(self.0))
    }

    /// A user of a limit, where its name is no longer than names may be.
    ///
    /// # Errors
    /// [`UsageError::User`].
    pub fn hash_checked(&self, limit: &str, user: &str) -> Result<UserHash, UsageError> {
        if user.is_empty() || user.len() > LONGEST_NAME {
            return Err(UsageError::User { found: user.len() });
        }
        Ok(self.hash(limit, user))
    }

    /// A user of a limit. The same user of another limit has another hash, so that the two can't be brought together.
    pub(super) fn hash(&self, limit: &str, user: &str) -> UserHash {
        // A key shorter than SHA-256's block is filled up with zeros, RFC 2104 section 2.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        block.zeroize();
        mac.update(USER_DOMAIN);
        mac.update(limit.as_bytes());
        mac.update(b"\0");
        mac.update(user.as_bytes());
        let mut hash = [0; UserHash::LENGTH];
        hash.copy_from_slice(&mac.finalize().into_bytes()[..UserHash::LENGTH]);
        UserHash(hash)
    }
}

/// A user of a limit, in 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserHash([u8; Self::LENGTH]);

impl UserHash {
    /// Bytes.
    pub const LENGTH: usize = 16;

    /// A hash as it came.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Hashes, one after the other, in base64url.
    pub fn write_all<'a>(hashes: impl IntoIterator<Item = &'a Self>) -> String {
        let bytes: Vec<u8> = hashes.into_iter().flat_map(|hash| hash.0).collect();
        BASE64URL.encode(bytes)
    }

    /// The same read.
    ///
    /// # Errors
    /// [`UsageError::Hashes`].
    pub fn read_all(text: &str) -> Result<Vec<Self>, UsageError> {
        let bytes = BASE64URL.decode(text).map_err(|_| UsageError::Hashes)?;
        let (hashes, rest) = bytes.as_chunks::<{ Self::LENGTH }>();
        if rest.is_empty() {
            Ok(hashes.iter().copied().map(Self).collect())
        } else {
            Err(UsageError::Hashes)
        }
    }
}

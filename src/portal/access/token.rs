//! API tokens: by which the vendor's own programs call `/v1/vendor`.

use super::Right;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What each token begins with, so that scanners of repositories know one that was left there.
const PREFIX: &str = "entp_";
/// Random bytes of a token.
const LENGTH: usize = 32;

/// A token's text: shown once, and kept nowhere.
pub struct TokenSecret(Zeroizing<String>);

impl TokenSecret {
    /// A new one: 256 random bits.
    ///
    /// # Errors
    /// Only where the operating system has no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        getrandom::fill(&mut *bytes)?;
        let encoded = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*bytes));
        Ok(Self(Zeroizing::new(format!("{PREFIX}{}", *encoded))))
    }

    /// The text. The only way to it; every caller is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

/// SHA-256 of a token: a token is looked for by it, so that the time which that takes says nothing of how much of a guess was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDigest(String);

impl TokenDigest {
    /// Of what a caller sent.
    pub fn of(token: &str) -> Self {
        let digest = Sha256::digest(token.as_bytes());
        Self(digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
    }

    /// As it is stored.
    pub(in crate::portal) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// To be stored.
    pub(in crate::portal) fn text(&self) -> &str {
        &self.0
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiToken {
    /// Its name, for people and the audit; never used again.
    pub name: String,
    /// By which it is found.
    #[serde(skip)]
    pub digest: TokenDigest,
    /// What it allows.
    pub scopes: Vec<Right>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; none: never by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it may be used.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Who acts, for the audit.
    pub fn actor(&self) -> String {
        format!("token {}", self.name)
    }
}

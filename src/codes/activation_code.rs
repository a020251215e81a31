//! The id of a subscription, which is a secret.

use super::symbols::{CodeError, CodeKind, Symbols};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

const VERSION: u8 = 0;
const ID_DOMAIN: &[u8] = b"entitled activation id\0";
const KEY_DOMAIN: &[u8] = b"entitled activation key\0";

/// The id of a subscription as its customer holds it: eight triplets joined by `.`, 110 random bits.
///
/// Whoever has it can fill free slots of the subscription, so it is a secret: `Debug` shows its last triplet, there is
/// no `Display`, it is wiped from memory when dropped, and [`expose`](Self::expose) is the one way to its text.
/// It never travels in a request either: [`id`](Self::id) finds the subscription and [`proof`](Self::proof) shows that
/// the sender holds the code.
#[derive(Clone, PartialEq, Eq)]
pub struct ActivationCode(Symbols);

impl ActivationCode {
    /// A new code from the operating system's random numbers.
    ///
    /// # Errors
    /// Only where the operating system has no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut content = [0; 16];
        getrandom::fill(&mut content)?;
        Ok(Self::from_content(&content))
    }

    /// The code whose content is the first 110 bits of `content`.
    pub fn from_content(content: &[u8; 16]) -> Self {
        Self(Symbols::from_content(CodeKind::ActivationCode, VERSION, content))
    }

    /// The canonical text. The only way to it; every caller is a place to review.
    pub fn expose(&self) -> String {
        self.0.write(CodeKind::ActivationCode)
    }

    /// `***.***.***.***.***.***.***.7KD`: enough to tell two codes apart, 95 bits short of using one.
    pub fn masked(&self) -> String {
        let mut triplets = self.0.triplets();
        triplets[..7].fill("***".to_owned());
        triplets.join(".")
    }

    /// What finds the subscription at the portal: 128 bits of SHA-256, of no use without the code.
    pub fn id(&self) -> ActivationId {
        let digest = Sha256::new().chain_update(ID_DOMAIN).chain_update(self.expose()).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        ActivationId(id)
    }

    /// Shows that the sender of `message` holds the code: HMAC-SHA-256 keyed from it.
    pub fn proof(&self, message: &[u8]) -> [u8; 32] {
        self.keyed(message).finalize().into_bytes().into()
    }

    /// Checks a [`proof`](Self::proof) in constant time.
    pub fn verify_proof(&self, message: &[u8], proof: &[u8]) -> bool {
        self.keyed(message).verify_slice(proof).is_ok()
    }

    fn keyed(&self, message: &[u8]) -> Hmac<Sha256> {
        let key = Sha256::new().chain_update(KEY_DOMAIN).chain_update(self.expose()).finalize();
        // A key shorter than SHA-256's block is filled up with zeros, RFC 2104 section 2.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(message);
        mac
    }
}

impl FromStr for ActivationCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let symbols = Symbols::parse(CodeKind::ActivationCode, text)?;
        if symbols.version() > VERSION {
            let version = symbols.version();
            return Err(CodeError::Version { expected: CodeKind::ActivationCode, version });
        }
        Ok(Self(symbols))
    }
}

impl fmt::Debug for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivationCode({})", self.masked())
    }
}

impl Drop for ActivationCode {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

/// What a request names instead of the Activation Code: a digest of it, in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ActivationId([u8; 16]);

impl fmt::Display for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivationId({self})")
    }
}

impl From<ActivationId> for String {
    fn from(id: ActivationId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ActivationId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WANTED: &str = "expected 32 hexadecimal digits";
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(WANTED);
        }
        u128::from_str_radix(&text, 16).map(|n| Self(n.to_be_bytes())).map_err(|_| WANTED)
    }
}

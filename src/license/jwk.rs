//! Ed25519 keys and their JSON form (RFC 7517, RFC 8037 section 2).

use super::DocumentError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding},
};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// The RFC 7638 thumbprint of a key: SHA-256 of its required members, base64url.
///
/// One that was read has this form too, so it is short and safe to show; whether it is any key's is another question.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Thumbprint(String);

impl TryFrom<String> for Thumbprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match URL_SAFE_NO_PAD.decode(&text) {
            Ok(digest) if digest.len() == 32 => Ok(Self(text)),
            _ => Err("expected an RFC 7638 thumbprint, 43 characters of base64url"),
        }
    }
}

impl FromStr for Thumbprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl Thumbprint {
    /// The thumbprint as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// A public key that is a point of the curve in canonical form and of large order.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Jwk", try_from = "Jwk")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// A key from its 32 bytes (RFC 8032 section 5.1.5).
    ///
    /// # Errors
    /// [`DocumentError::Key`] for bytes that are no point, not its canonical form, or a point of small order, under
    /// which one signature fits many messages.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, DocumentError> {
        Ok(Self::sound(bytes)?)
    }

    fn sound(bytes: &[u8; 32]) -> Result<Self, Unsound> {
        let key = VerifyingKey::from_bytes(bytes)
            .map_err(|_| Unsound("bytes that are no point of the curve"))?;
        if key.is_weak() {
            return Err(Unsound("a key of small order"));
        }
        if !is_canonical(bytes) {
            return Err(Unsound("a key that is not in canonical form"));
        }
        Ok(Self(key))
    }

    /// A key from its JWK, which is in `part` of a document.
    pub(super) fn from_jwk(
        jwk: serde_json::Value,
        part: &'static str,
    ) -> Result<Self, DocumentError> {
        let jwk: Jwk =
            serde_json::from_value(jwk).map_err(|e| DocumentError::malformed(part, &e))?;
        Ok(Self::try_from(jwk)?)
    }

    /// The key's RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> Thumbprint {
        // The members in the order and spelling of RFC 7638 section 3 and RFC 8037 appendix A.3.
        let members = format!(
            r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(self.0.as_bytes())
        );
        Thumbprint(URL_SAFE_NO_PAD.encode(Sha256::digest(members)))
    }

    /// Whether `signature` is this key's over `message`, by the strict rules: canonical `s`, canonical points.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), DocumentError> {
        let signature = Signature::from_slice(signature).map_err(|_| DocumentError::Signature)?;
        self.0.verify_strict(message, &signature).map_err(|_| DocumentError::Signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint())
    }
}

/// What is found where a sound key is expected; said short where it stands inside the error of a whole payload.
#[derive(Debug, thiserror::Error)]
#[error("expected a sound Ed25519 public key, found {0}")]
struct Unsound(&'static str);

impl From<Unsound> for DocumentError {
    fn from(Unsound(found): Unsound) -> Self {
        Self::Key { found }
    }
}

/// The public members of a JWK; others (`kid`, `use`, `alg`) are allowed and not needed.
#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    /// A private key where a public one belongs is refused, so that nobody publishes one by mistake.
    #[serde(default, skip_serializing, deserialize_with = "present", rename = "d")]
    is_private: bool,
}

/// That a member is there, whatever it holds; `Option` would take `null` for absent.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(member).map(|_| true)
}

/// Whether the `y` in a compressed point is below the field's prime, 2^255 - 19 (RFC 8032 section 5.1.3). Where `x` is 0 the
/// sign bit has two spellings as well: those points are of small order.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    high & 0x7F != 0x7F || middle.iter().any(|byte| *byte != 0xFF) || *low < 0xED
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key.0.as_bytes());
        Self { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x, is_private: false }
    }
}

impl TryFrom<Jwk> for PublicKey {
    type Error = Unsound;

    fn try_from(jwk: Jwk) -> Result<Self, Unsound> {
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
            return Err(Unsound("a key of another kind"));
        }
        if jwk.is_private {
            return Err(Unsound("a private key"));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(jwk.x)
            .ok()
            .and_then(|x| <[u8; 32]>::try_from(x).ok())
            .ok_or(Unsound("a key that is not 32 bytes in base64url"))?;
        Self::sound(&bytes)
    }
}

/// A private key with its public half. No `Debug`, no `Serialize`, wiped when dropped.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// Only where the operating system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of an RFC 8032 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads PKCS #8 in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`DocumentError::Key`]; the text is never repeated.
    pub fn from_pem(pem: &str) -> Result<Self, DocumentError> {
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| DocumentError::Key {
            found: "a file that is no Ed25519 private key in PKCS #8 PEM",
        })
    }

    /// Writes PKCS #8 in PEM (RFC 8410), for a file of mode 0600. Without the public half, which OpenSSL 3.0 does not read in
    /// such a file.
    ///
    /// # Errors
    /// [`DocumentError::Key`] where the key can't be encoded, which is not known to happen.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, DocumentError> {
        let mut key = KeypairBytes::from(&self.0);
        key.public_key = None;
        key.to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| DocumentError::Key { found: "a key that can't be encoded" })
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The thumbprint of the public half.
    pub fn thumbprint(&self) -> Thumbprint {
        self.public().thumbprint()
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

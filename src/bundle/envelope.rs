//! The sealed form: Argon2id makes a key of a passphrase, AES-256-GCM seals the contents with it (RFC 9106, RFC 5116).
//!
//! Both are others' work, put together as their documents say. `age` would do the same by scrypt and ChaCha20-Poly1305, and
//! brings 63 crates for what is one file of one version between two programs of ours.

use super::{BundleError, Contents};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const KIND: &str = "entitled controller bundle";
/// The version of the envelope.
const ENVELOPE: u32 = 1;
/// The shortest passphrase, characters: who has the file may guess as long as he likes.
const SHORTEST: usize = 12;
/// The second choice of RFC 9106 section 4, which fits small machines.
const OURS: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 };
/// What a file may ask for at the most: it is read before anything in it is believed.
const MOST: Cost = Cost { memory_kib: 1 << 20, passes: 32, lanes: 32 };
/// Crockford's alphabet, as the codes have it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a bundle is sealed with. No `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(String);

impl Passphrase {
    /// One that was chosen; the line end behind it is no part of it.
    ///
    /// # Errors
    /// [`BundleError::Short`].
    pub fn chosen(text: &str) -> Result<Self, BundleError> {
        let text = text.trim_end_matches(['\r', '\n']);
        let found = text.chars().count();
        if found < SHORTEST {
            return Err(BundleError::Short { least: SHORTEST, found });
        }
        Ok(Self(text.to_owned()))
    }

    /// A new one of 120 random bits.
    ///
    /// # Errors
    /// Only where the operating system has no random numbers.
    pub fn generate() -> Result<Self, BundleError> {
        let mut bytes = Zeroizing::new([0; 24]);
        getrandom::fill(bytes.as_mut()).map_err(BundleError::Random)?;
        let mut text = String::with_capacity(29);
        for (at, byte) in bytes.iter().enumerate() {
            if at > 0 && at % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(byte & 31)]));
        }
        Ok(Self(text))
    }

    /// To be shown to the operator, once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn key(&self, cost: Cost, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, BundleError> {
        let failed = |error: argon2::Error| BundleError::Seal { reason: error.to_string() };
        let Cost { memory_kib, passes, lanes } = cost;
        let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.0.as_bytes(), salt, key.as_mut())
            .map_err(failed)?;
        Ok(key)
    }
}

/// What a try of a passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A sealed bundle, as its file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    kind: String,
    version: u32,
    argon2id: Cost,
    salt: String,
    nonce: String,
    /// Tells a damaged file from a wrong passphrase; no protection, which the seal is.
    sha256: String,
    aes_256_gcm: String,
}

impl Sealed {
    /// What is sealed along without being hidden.
    fn bound(&self) -> String {
        let Cost { memory_kib, passes, lanes } = self.argon2id;
        format!("{}\0{}\0{memory_kib}\0{passes}\0{lanes}\0{}", self.kind, self.version, self.salt)
    }

    fn digest(&self) -> String {
        let text = format!("{}\0{}\0{}", self.bound(), self.nonce, self.aes_256_gcm);
        STANDARD.encode(Sha256::digest(text))
    }
}

/// Seals contents: the text of the bundle's file.
///
/// # Errors
/// [`BundleError::Random`] and [`BundleError::Seal`].
pub fn seal(contents: &Contents, passphrase: &Passphrase) -> Result<String, BundleError> {
    seal_at(contents, passphrase, OURS)
}

fn seal_at(contents: &Contents, pass: &Passphrase, cost: Cost) -> Result<String, BundleError> {
    let failed = |reason: &str| BundleError::Seal { reason: reason.to_owned() };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(BundleError::Random)?;
    let mut sealed = Sealed {
        kind: KIND.to_owned(),
        version: ENVELOPE,
        argon2id: cost,
        salt: STANDARD.encode(salt),
        nonce: String::new(),
        sha256: String::new(),
        aes_256_gcm: String::new(),
    };
    let key = RandomizedNonceKey::new(&AES_256_GCM, pass.key(cost, &salt)?.as_ref());
    let key = key.map_err(|_| failed("the key was refused"))?;
    let mut bytes = serde_json::to_vec(contents).map_err(|error| failed(&error.to_string()))?;
    let bound = Aad::from(sealed.bound());
    let nonce = key.seal_in_place_append_tag(bound, &mut bytes);
    sealed.nonce = STANDARD.encode(nonce.map_err(|_| failed("the cipher failed"))?.as_ref());
    sealed.aes_256_gcm = STANDARD.encode(&bytes);
    sealed.sha256 = sealed.digest();
    let text = serde_json::to_string_pretty(&sealed).map_err(|error| failed(&error.to_string()))?;
    Ok(text + "\n")
}

/// Opens a bundle.
///
/// # Errors
/// What is wrong with the file or the passphrase.
pub fn open(text: &str, passphrase: &Passphrase) -> Result<Contents, BundleError> {
    let sealed = read(text)?;
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| BundleError::Altered);
    let nonce = <[u8; 12]>::try_from(decoded(&sealed.nonce)?.as_slice());
    let nonce = Nonce::from(&nonce.map_err(|_| BundleError::Altered)?);
    let key = passphrase.key(sealed.argon2id, &decoded(&sealed.salt)?)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref());
    let key = key.map_err(|_| BundleError::Passphrase)?;
    let mut bytes = Zeroizing::new(decoded(&sealed.aes_256_gcm)?);
    let opened = key.open_in_place(nonce, Aad::from(sealed.bound()), &mut bytes);
    let opened = opened.map_err(|_| BundleError::Passphrase)?;
    let other = |error: &serde_json::Error| BundleError::Form {
        found: format!("contents that can't be read (column {})", error.column()),
    };
    let version = serde_json::from_slice::<Versioned>(opened).map_err(|error| other(&error))?;
    check_version(version.version, Contents::VERSION)?;
    serde_json::from_slice(opened).map_err(|error| other(&error))
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// The file, as far as it can be read without the passphrase.
fn read(text: &str) -> Result<Sealed, BundleError> {
    let form = |found: &str| BundleError::Form { found: found.to_owned() };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| match text.trim() {
        "" => form("nothing"),
        text if text.contains(KIND) => BundleError::Altered,
        _ => form("something else"),
    })?;
    if value["kind"] != KIND {
        return Err(form("something else"));
    }
    if let Some(version) = value["version"].as_u64() {
        check_version(u32::try_from(version).unwrap_or(u32::MAX), ENVELOPE)?;
    }
    let sealed: Sealed = serde_json::from_value(value).map_err(|_| BundleError::Altered)?;
    let Cost { memory_kib, passes, lanes } = sealed.argon2id;
    let bears = memory_kib <= MOST.memory_kib && passes <= MOST.passes && lanes <= MOST.lanes;
    if sealed.digest() != sealed.sha256 || !bears {
        return Err(BundleError::Altered);
    }
    Ok(sealed)
}

const fn check_version(found: u32, known: u32) -> Result<(), BundleError> {
    if found > known { Err(BundleError::Newer { found, known }) } else { Ok(()) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file after a change, with the digest that fits it.
    pub(in crate::bundle) fn with_digest(
        text: &str,
        change: impl FnOnce(&mut serde_json::Value),
    ) -> String {
        let mut value = serde_json::from_str(text).unwrap();
        change(&mut value);
        let mut sealed: Sealed = serde_json::from_value(value).unwrap();
        sealed.sha256 = sealed.digest();
        serde_json::to_string(&sealed).unwrap()
    }
}

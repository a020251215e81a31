//! Compact JWS (RFC 7515 section 7.1) with exactly one algorithm.

use super::{DocumentError, KeyPair, PublicKey, Thumbprint, json};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Largest document that is read, bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;
/// The media type of every document, RFC 7515 section 9.2.1.
pub const MEDIA_TYPE: &str = "application/jose";

/// The claims of one kind of document.
pub trait Document: Serialize + DeserializeOwned {
    /// Its `typ`; no kind is taken for another (RFC 8725 section 3.11).
    const TYPE: &'static str;
}

/// The protected header. Members that are not here are refused with the document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwk: Option<PublicKey>,
    #[serde(default, skip_serializing)]
    crit: Option<serde_json::Value>,
}

/// Signs `claims` as a document of their kind.
///
/// # Errors
/// [`DocumentError::Malformed`] where the claims can't be written as JSON.
pub fn sign<D: Document>(claims: &D, key: &KeyPair) -> Result<String, DocumentError> {
    sign_with(claims, key, None)
}

/// Signs `claims`; the header carries `jwk` where the reader can't know the key yet.
pub(super) fn sign_with<D: Document>(
    claims: &D,
    key: &KeyPair,
    jwk: Option<PublicKey>,
) -> Result<String, DocumentError> {
    let header = Header {
        alg: "EdDSA".to_owned(),
        typ: D::TYPE.to_owned(),
        kid: key.thumbprint().as_str().to_owned(),
        jwk,
        crit: None,
    };
    let mut text = encode("header", &header)?;
    text.push('.');
    text.push_str(&encode("payload", claims)?);
    let signature = key.sign(text.as_bytes());
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(text)
}

fn encode(part: &'static str, value: &impl Serialize) -> Result<String, DocumentError> {
    let json = serde_json::to_vec(value)
        .map_err(|e| DocumentError::Malformed { part, reason: e.to_string() })?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// A document taken apart; nothing in it is believed yet.
pub struct Unverified<'a> {
    header: Header,
    payload: Vec<u8>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes a document apart, of any kind. White space around it is what editors and mail add.
    ///
    /// # Errors
    /// What is wrong with its form, its algorithm or its header.
    pub fn parse(text: &'a str) -> Result<Self, DocumentError> {
        let text = text.trim();
        if text.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { limit: MAX_DOCUMENT, found: text.len() });
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(|| not_compact(text))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| not_compact(text))?;
        if payload.contains('.') {
            return Err(not_compact(text));
        }
        let header: Header = json::from_slice(&decode("header", header)?)
            .map_err(|e| DocumentError::Malformed { part: "header", reason: e.to_string() })?;
        if let Some(crit) = header.crit {
            return Err(DocumentError::Critical { names: crit.to_string() });
        }
        // RFC 8037 section 3.1, and its successor's name for the same, RFC 9864 section 2.2.
        if !matches!(header.alg.as_str(), "EdDSA" | "Ed25519") {
            return Err(DocumentError::Algorithm { found: header.alg });
        }
        let payload = decode("payload", payload)?;
        let signature = decode("signature", signature)?;
        Ok(Self { header, payload, signed, signature })
    }

    /// The kind of document that it says it is.
    pub fn typ(&self) -> &str {
        &self.header.typ
    }

    /// The key that it says it is signed by.
    pub fn kid(&self) -> Thumbprint {
        Thumbprint::from_kid(self.header.kid.clone())
    }

    pub(super) const fn embedded_key(&self) -> Option<&PublicKey> {
        self.header.jwk.as_ref()
    }

    /// The claims without any check but their form: for finding the key that they must be verified by, and for
    /// showing a file's contents.
    ///
    /// # Errors
    /// [`DocumentError::Type`] and [`DocumentError::Malformed`].
    pub fn peek<D: Document>(&self) -> Result<D, DocumentError> {
        if self.header.typ != D::TYPE {
            return Err(DocumentError::Type {
                expected: D::TYPE,
                found: self.header.typ.chars().take(64).collect(),
            });
        }
        json::from_slice(&self.payload)
            .map_err(|e| DocumentError::Malformed { part: "payload", reason: e.to_string() })
    }

    /// The claims, signed by `key`.
    ///
    /// # Errors
    /// [`DocumentError::Type`], [`DocumentError::UnknownKey`] where `kid` is not of `key`, [`DocumentError::Signature`], and
    /// [`DocumentError::Malformed`].
    pub fn verify<D: Document>(&self, key: &PublicKey) -> Result<D, DocumentError> {
        if self.header.typ == D::TYPE {
            if self.header.kid != key.thumbprint().as_str() {
                return Err(DocumentError::UnknownKey { kid: self.kid() });
            }
            key.verify(self.signed.as_bytes(), &self.signature)?;
        }
        self.peek()
    }
}

fn not_compact(text: &str) -> DocumentError {
    let found = if text.is_empty() {
        "an empty file".to_owned()
    } else {
        let start: String = text.chars().take(16).collect();
        format!("{} bytes that begin with {start:?}", text.len())
    };
    DocumentError::NotCompact { found }
}

/// Base64url without padding, RFC 7515 section 2; other spellings of the same bytes are refused.
fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, DocumentError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|e| DocumentError::Malformed { part, reason: e.to_string() })
}

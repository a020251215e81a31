//! Compact JWS (RFC 7515 section 7.1) with exactly one algorithm.

use super::{
    DocumentError, PublicKey, Signer, Thumbprint,
    error::{cut, shown},
    json,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Largest document that is read, bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;
/// Largest header that is read, characters of base64url; one with a key in it has 350.
const MAX_HEADER: usize = 4096;
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
    kid: Thumbprint,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    jwk: Option<PublicKey>,
}

impl Header {
    /// Reads a header. What decides by whom the document could be read at all comes first, so that a foreign JWT is
    /// named as such and not as a damaged document of ours.
    fn read(text: &str) -> Result<Self, DocumentError> {
        const PART: &str = "header";
        if text.len() > MAX_HEADER {
            let reason = format!("longer than {MAX_HEADER} characters");
            return Err(DocumentError::Malformed { part: PART, reason });
        }
        let mut members: Map<String, Value> = json::from_slice(&decode(PART, text)?)
            .map_err(|e| DocumentError::malformed(PART, &e))?;
        // RFC 7515 section 4.1.11: no extension is known here, so `crit` is refused whatever it holds.
        if let Some(crit) = members.get("crit") {
            return Err(DocumentError::Critical { names: shown(&crit.to_string()) });
        }
        // RFC 8037 section 3.1, and its successor's name for the same, RFC 9864 section 2.2.
        if let Some(Value::String(alg)) = members.get("alg")
            && !matches!(alg.as_str(), "EdDSA" | "Ed25519")
        {
            return Err(DocumentError::Algorithm { found: cut(alg) });
        }
        let jwk = members.remove("jwk").map(|jwk| PublicKey::from_jwk(jwk, PART)).transpose()?;
        let header: Self = serde_json::from_value(members.into())
            .map_err(|e| DocumentError::malformed(PART, &e))?;
        Ok(Self { jwk, ..header })
    }
}

/// Signs `claims` as a document of their kind.
///
/// # Errors
/// [`DocumentError::Malformed`] where the claims can't be written as JSON, [`DocumentError::TooLarge`] where no reader
/// would take the document, [`DocumentError::Signer`] where the signer gives no signature.
pub fn sign<D: Document>(
    claims: &D,
    key: &(impl Signer + ?Sized),
) -> Result<String, DocumentError> {
    sign_with(claims, key, None)
}

/// Signs `claims`; the header carries `jwk` where the reader can't know the key yet.
pub(super) fn sign_with<D: Document>(
    claims: &D,
    key: &(impl Signer + ?Sized),
    jwk: Option<PublicKey>,
) -> Result<String, DocumentError> {
    let header =
        Header { alg: "EdDSA".to_owned(), typ: D::TYPE.to_owned(), kid: key.thumbprint(), jwk };
    let mut text = encode("header", &header)?;
    text.push('.');
    text.push_str(&encode("payload", claims)?);
    let signature = key.sign(text.as_bytes());
    let signature = signature.map_err(|error| DocumentError::Signer { reason: error.reason })?;
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(signature));
    check_size(&text)?;
    Ok(text)
}

fn encode(part: &'static str, value: &impl Serialize) -> Result<String, DocumentError> {
    let json = serde_json::to_vec(value).map_err(|e| DocumentError::malformed(part, &e))?;
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
        check_size(text)?;
        let (signed, signature) = text.rsplit_once('.').ok_or_else(|| not_compact(text))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| not_compact(text))?;
        if payload.contains('.') {
            return Err(not_compact(text));
        }
        let header = Header::read(header)?;
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
        self.header.kid.clone()
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
        self.check_type::<D>()?;
        json::from_slice(&self.payload).map_err(|e| DocumentError::malformed("payload", &e))
    }

    /// The claims, signed by `key`; they are not looked at before that is known.
    ///
    /// # Errors
    /// [`DocumentError::Type`], those of the signature ([`DocumentError::UnknownKey`] where `kid` is not of `key`,
    /// [`DocumentError::Key`] where the header carries another key, [`DocumentError::Signature`]), and
    /// [`DocumentError::Malformed`].
    pub fn verify<D: Document>(&self, key: &PublicKey) -> Result<D, DocumentError> {
        self.check_type::<D>()?;
        self.check_signature(key)?;
        self.peek()
    }

    pub(super) fn check_type<D: Document>(&self) -> Result<(), DocumentError> {
        if self.header.typ == D::TYPE {
            return Ok(());
        }
        Err(DocumentError::Type { expected: D::TYPE, found: cut(&self.header.typ) })
    }

    /// That `key` signed it and that it names no other.
    pub(super) fn check_signature(&self, key: &PublicKey) -> Result<(), DocumentError> {
        if self.header.kid != key.thumbprint() {
            return Err(DocumentError::UnknownKey { kid: self.kid() });
        }
        // A reader that believes the key in the header must come to the same end as one that does not.
        if self.header.jwk.is_some_and(|embedded| embedded != *key) {
            return Err(DocumentError::Key { found: "one that is not the signer's in its header" });
        }
        key.verify(self.signed.as_bytes(), &self.signature)
    }
}

const fn check_size(text: &str) -> Result<(), DocumentError> {
    if text.len() > MAX_DOCUMENT {
        return Err(DocumentError::TooLarge { limit: MAX_DOCUMENT, found: text.len() });
    }
    Ok(())
}

/// Names what was taken for a document by its form and never by its contents: it may be a private key or an Activation
/// Code, whose parts are joined by '.' as well.
fn not_compact(text: &str) -> DocumentError {
    let found = match text.as_bytes() {
        [] => "an empty file".to_owned(),
        [b'-', b'-', b'-', ..] => "a PEM file".to_owned(),
        [b'<', ..] => "a web page".to_owned(),
        [b'{' | b'[', ..] => "JSON that is not signed in the compact form".to_owned(),
        bytes => format!("{} bytes in {} parts", bytes.len(), text.split('.').count()),
    };
    DocumentError::NotCompact { found }
}

/// Base64url without padding, RFC 7515 section 2; other spellings of the same bytes are refused.
fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, DocumentError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|e| DocumentError::malformed(part, &e))
}

//! What a machine that is to take over an environment gives to the one that has it: everything that the old key must
//! consent to, and no secret.

use super::{Document, DocumentError, KeyPair, PublicKey, RequestId, Unverified, jws::sign_with};
use crate::codes::SerialNumber;
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};

/// The offer of a machine to take over an environment. Signed by its new key, whose public half is in the header: whoever
/// made it has that key. That it is the right machine's, people compare by its Serial Number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferClaims {
    /// The product.
    pub aud: String,
    /// The id of the `move` request that is to be made of it.
    pub jti: RequestId,
    /// Made at, by the maker's clock: for people; nothing depends on it.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// The Serial Number of the machine.
    pub sub: SerialNumber,
}

impl Document for OfferClaims {
    const TYPE: &'static str = "entitled-offer+jwt";
}

/// Signs an offer.
///
/// # Errors
/// As [`sign`](super::sign).
pub fn sign_offer(claims: &OfferClaims, new_key: &KeyPair) -> Result<String, DocumentError> {
    sign_with(claims, new_key, Some(new_key.public()))
}

/// Opens an offer for a product: what it says, and the key that is to be consented to.
///
/// # Errors
/// What is wrong with it.
pub fn open_offer(text: &str, product: &str) -> Result<(OfferClaims, PublicKey), DocumentError> {
    let document = Unverified::parse(text)?;
    document.check_type::<OfferClaims>()?;
    let key = document.embedded_key().copied().ok_or(DocumentError::Request {
        member: "jwk",
        reason: "an offer carries the key that is to take over".to_owned(),
    })?;
    let claims: OfferClaims = document.verify(&key)?;
    super::verify::check_audience(product, &claims.aud)?;
    Ok((claims, key))
}

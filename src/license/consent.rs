//! The word of the key that is bound, inside a request that puts another in its place: both keys have signed then.

use super::{
    Document, DocumentError, KeyPair, PublicKey, RequestClaims, RequestId, RequestKind, Thumbprint,
    Unverified, sign,
};
use jiff::{
    Timestamp,
    fmt::serde::timestamp::second::{optional as optional_date, required as numeric_date},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the bound key consents to: one request, of one kind, for one environment, by one new key. So a consent that is
/// read on its way is of no use to anybody else, nor a second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentClaims {
    /// The product.
    pub aud: String,
    /// Made at, by the signer's clock: for people; nothing depends on it.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// The kind of the request.
    pub request: RequestKind,
    /// The request's id.
    pub request_id: RequestId,
    /// The environment.
    pub environment_id: Uuid,
    /// The thumbprint of the key that takes over, which signs the request.
    pub key: Thumbprint,
    /// From when on it is no word any more, by the portal's time; absent: it stands as long as the key is bound.
    #[serde(default, with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub exp: Option<Timestamp>,
}

impl Document for ConsentClaims {
    const TYPE: &'static str = "entitled-consent+jwt";
}

/// The consent of `old_key` to the request of `claims`, which `new_key` is to sign. Where the two keys are on two
/// machines, the old one signs [`ConsentClaims`] with [`sign`](super::sign).
///
/// # Errors
/// [`DocumentError::Request`] where the request names no environment, and as [`sign`](super::sign).
pub fn sign_consent(
    claims: &RequestClaims,
    new_key: &PublicKey,
    old_key: &KeyPair,
) -> Result<String, DocumentError> {
    let consent = ConsentClaims {
        aud: claims.aud.clone(),
        iat: claims.iat,
        request: claims.request,
        request_id: claims.jti,
        environment_id: named_environment(claims)?,
        key: new_key.thumbprint(),
        exp: None,
    };
    sign(&consent, old_key)
}

/// That `consent` is the word of `bound`, the environment's key, on the request of `claims`, which `new_key` is to sign: what
/// the portal will check, for whoever is about to send it.
///
/// # Errors
/// [`DocumentError::Request`] with what does not fit.
pub fn check_consent(
    consent: &str,
    claims: &RequestClaims,
    new_key: &PublicKey,
    bound: &PublicKey,
) -> Result<(), DocumentError> {
    Consent::parse(consent)?.verify(claims, new_key, bound)
}

/// When the consent in a request is no word any more, where it says so. The request is verified before.
pub fn consent_end(claims: &RequestClaims) -> Option<Timestamp> {
    let consent = Unverified::parse(claims.consent.as_deref()?).ok()?;
    consent.peek::<ConsentClaims>().ok()?.exp
}

fn named_environment(claims: &RequestClaims) -> Result<Uuid, DocumentError> {
    let missing = "a request with the old key's consent names its environment";
    claims.environment.id.ok_or_else(|| DocumentError::Request {
        member: "environment.id",
        reason: missing.to_owned(),
    })
}

/// A consent as it stands in a request; not believed yet.
pub(super) struct Consent<'a>(Unverified<'a>);

impl<'a> Consent<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, DocumentError> {
        Unverified::parse(text).map(Self).map_err(|error| refused(&error.to_string()))
    }

    /// The key that it says it is signed by.
    pub(super) fn kid(&self) -> Thumbprint {
        self.0.kid()
    }

    /// That `bound` consents to the request of `claims`, which `new_key` has signed.
    pub(super) fn verify(
        &self,
        claims: &RequestClaims,
        new_key: &PublicKey,
        bound: &PublicKey,
    ) -> Result<(), DocumentError> {
        if self.kid() != bound.thumbprint() {
            return Err(refused("it is signed by another key than the environment's"));
        }
        // One signature twice is not two.
        if new_key == bound {
            return Err(refused("the environment's own key consents to itself"));
        }
        let consent: ConsentClaims =
            self.0.verify(bound).map_err(|error| refused(&error.to_string()))?;
        let fits = [
            (consent.aud == claims.aud, "it is for another product"),
            (consent.request == claims.request, "it is for a request of another kind"),
            (consent.request_id == claims.jti, "it is for another request"),
            (consent.environment_id == named_environment(claims)?, "it is for another environment"),
            (consent.key == new_key.thumbprint(), "it is for another key"),
        ];
        match fits.into_iter().find(|(fits, _)| !fits) {
            Some((_, reason)) => Err(refused(reason)),
            None => Ok(()),
        }
    }
}

fn refused(reason: &str) -> DocumentError {
    DocumentError::Request { member: "consent", reason: reason.to_owned() }
}

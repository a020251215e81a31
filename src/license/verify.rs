//! The one way to a license that is believed.

use super::{
    AnswerClaims, Document, DocumentError, Environment, Faults, Fork, LicenseClaims, Outcome,
    RequestId, RevocationClaims, Roots, Sequence, Thumbprint, Unverified, VerifiedTrust,
};
use crate::codes::SerialNumber;
use jiff::Timestamp;
use uuid::Uuid;

/// A license that a believed portal key signed for this product; had from this module only. Whether it is for this
/// environment, and in term, is asked separately: a license for other hardware is shown as such, not lost.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedLicense {
    claims: LicenseClaims,
    text: String,
}

impl VerifiedLicense {
    /// What it says.
    pub const fn claims(&self) -> &LicenseClaims {
        &self.claims
    }

    /// The document as it came, for anyone to verify again.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is bound to that Serial Number and key: a license without `cnf` is bound to the Serial Number alone.
    ///
    /// # Errors
    /// [`DocumentError::Serial`] or [`DocumentError::Binding`].
    pub fn check_binding(
        &self,
        serial_number: SerialNumber,
        environment_key: &Thumbprint,
    ) -> Result<(), DocumentError> {
        self.check_serial_number(serial_number)?;
        self.check_key(environment_key)
    }

    /// Whether a document that has this license inside is for the product, and of the Serial Number that is licensed.
    pub(super) fn check_issuer(
        &self,
        product: &str,
        audience: &str,
        issuer: SerialNumber,
    ) -> Result<(), DocumentError> {
        check_audience(product, audience)?;
        let expected = self.claims.sub;
        if issuer == expected {
            return Ok(());
        }
        Err(DocumentError::Serial { expected, found: issuer })
    }

    /// Whether such a document is of the environment that is licensed.
    pub(super) fn check_environment(&self, found: Uuid) -> Result<(), DocumentError> {
        let Environment { id, purpose, .. } = &self.claims.environment;
        if found == *id {
            return Ok(());
        }
        let (expected, found) = (id.to_string(), found.to_string());
        Err(DocumentError::Environment { expected, found, purpose: *purpose })
    }

    fn check_serial_number(&self, expected: SerialNumber) -> Result<(), DocumentError> {
        if self.claims.sub == expected {
            return Ok(());
        }
        Err(DocumentError::Serial { expected, found: self.claims.sub })
    }

    fn check_key(&self, environment_key: &Thumbprint) -> Result<(), DocumentError> {
        match self.claims.cnf.map(|cnf| cnf.jwk.thumbprint()) {
            Some(found) if found != *environment_key => {
                Err(DocumentError::Binding { expected: environment_key.clone(), found })
            }
            _ => Ok(()),
        }
    }

    /// Every reason against putting it in the place of the held one.
    ///
    /// # Errors
    /// All the [`Faults`], not the first alone.
    pub fn check_install(&self, check: &InstallCheck<'_>) -> Result<(), Faults> {
        let claims = &self.claims;
        let mut faults = Vec::new();
        faults.extend(self.check_serial_number(check.serial_number).err());
        faults.extend(self.check_key(check.environment_key).err());
        if claims.exp <= check.now {
            faults.push(DocumentError::Expired { ended: claims.exp, now: check.now });
        }
        if let Some(expected) = check.environment.filter(|id| *id != claims.environment.id) {
            let Environment { id, purpose, .. } = &claims.environment;
            faults.push(DocumentError::Environment {
                expected: expected.to_string(),
                found: id.to_string(),
                purpose: *purpose,
            });
        }
        if let Some(held) = check.floor.filter(|held| claims.seq < *held) {
            faults.push(DocumentError::Sequence { held, found: claims.seq });
        }
        if let Some(held) = check.held
            && held.claims.seq == claims.seq
            && held.claims != *claims
        {
            faults.push(DocumentError::SequenceReused { sequence: claims.seq });
        }
        Faults::from_found(faults)
    }
}

/// What a license must fit to be installed.
#[derive(Debug, Clone, Copy)]
pub struct InstallCheck<'a> {
    /// The Serial Number of this environment.
    pub serial_number: SerialNumber,
    /// The thumbprint of this environment's key.
    pub environment_key: &'a Thumbprint,
    /// The environment that was activated here, if one was.
    pub environment: Option<Uuid>,
    /// The highest sequence of any document accepted here.
    pub floor: Option<Sequence>,
    /// The license that is held.
    pub held: Option<&'a VerifiedLicense>,
    /// Effective time.
    pub now: Timestamp,
}

/// Verifies a license's signature by the trust document, its product and its dates.
///
/// # Errors
/// What is wrong with it.
pub fn verify_license(
    text: &str,
    product: &str,
    trust: &VerifiedTrust,
) -> Result<VerifiedLicense, DocumentError> {
    let claims: LicenseClaims = verify_by_trust(text, trust)?;
    check_audience(product, &claims.aud)?;
    if let Some(reason) = claims.contradiction() {
        return Err(DocumentError::Dates { reason });
    }
    Ok(VerifiedLicense { claims, text: text.trim().to_owned() })
}

/// An answer whose signature, product and request are right, with the documents in it verified.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedAnswer {
    /// The time that the portal signed.
    pub portal_time: Timestamp,
    /// The request that it answers.
    pub in_reply_to: RequestId,
    /// What the portal decided.
    pub outcome: Outcome,
    /// The license in it.
    pub license: Option<VerifiedLicense>,
    /// The revocation in it.
    pub revocation: Option<RevocationClaims>,
    /// The trust document by which it was verified, where that is newer than the held one.
    pub trust: Option<VerifiedTrust>,
    /// What the portal sees where two lives of this environment ask.
    pub fork: Option<Fork>,
    /// The environment that it is about, where the portal says it.
    pub environment_id: Option<Uuid>,
    /// The highest sequence that the portal has issued for that environment, where it says it.
    pub issued: Option<Sequence>,
}

/// Opens an answer. The trust document that it may carry is verified first, by the roots, and the answer by it. An
/// answer that can't be opened brings no trust document either.
///
/// # Errors
/// What is wrong with the answer or with a document in it; [`DocumentError::NoTrust`] where no trust document is
/// held and none came.
pub fn open_answer(
    text: &str,
    product: &str,
    roots: &Roots,
    held: Option<&VerifiedTrust>,
) -> Result<OpenedAnswer, DocumentError> {
    let document = Unverified::parse(text)?;
    // Not believed before the signature is checked below; the trust document in it has a signature of its own.
    let claims: AnswerClaims = document.peek()?;
    let carried = claims.trust.as_deref();
    let newer = carried
        .map(|text| roots.verify_trust(text, product, held))
        .transpose()?
        .filter(|carried| held.is_none_or(|held| carried.version() > held.version()));
    let trust = newer.as_ref().or(held).ok_or(DocumentError::NoTrust)?;
    document.check_signature(trust.portal_key(&document.kid())?)?;
    check_audience(product, &claims.aud)?;
    let (mut license, mut revocation) = (None, None);
    match &claims.outcome {
        Outcome::License(text) => license = Some(verify_license(text, product, trust)?),
        Outcome::Revocation(text) => {
            let claims: RevocationClaims = verify_by_trust(text, trust)?;
            check_audience(product, &claims.aud)?;
            revocation = Some(claims);
        }
        Outcome::NothingNew { .. } | Outcome::Released { .. } | Outcome::Retired { .. } => {}
    }
    Ok(OpenedAnswer {
        portal_time: claims.iat,
        in_reply_to: claims.in_reply_to,
        outcome: claims.outcome,
        license,
        revocation,
        trust: newer,
        fork: claims.fork,
        environment_id: claims.environment_id,
        issued: claims.issued,
    })
}

pub(super) fn verify_by_trust<D: Document>(
    text: &str,
    trust: &VerifiedTrust,
) -> Result<D, DocumentError> {
    let document = Unverified::parse(text)?;
    // The type first: 'not a license' says more than 'an unknown key'.
    document.check_type::<D>()?;
    document.verify(trust.portal_key(&document.kid())?)
}

/// Whether a document is for the product.
pub(super) fn check_audience(expected: &str, found: &str) -> Result<(), DocumentError> {
    if expected == found {
        return Ok(());
    }
    Err(DocumentError::audience(expected, found))
}

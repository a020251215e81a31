//! The signpost: the last word of a controller whose environment went on elsewhere, to members that come to it.

use super::{
    Document, DocumentError, PublicKey, Roots, Thumbprint, Unverified, VerifiedLicense,
    VerifiedTrust, verify_license,
};
use crate::codes::SerialNumber;
use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where an environment went. Signed by the key that it was bound to until then, with the last license of that key inside:
/// whoever reads it believes the portal that this key spoke for the environment, and sees by the license's sequence whether
/// it has heard of a later one already. It says where to look and nothing else: what is found there is judged by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignpostClaims {
    /// The Serial Number that the environment had.
    pub iss: SerialNumber,
    /// The product.
    pub aud: String,
    /// Made at, by the old controller's effective time.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// Until when it is shown: the lease of that license. No member judges by it, for its clock may be wrong.
    #[serde(with = "numeric_date")]
    pub exp: Timestamp,
    /// The environment.
    pub environment_id: Uuid,
    /// The thumbprint of the key that it went to.
    pub key: Thumbprint,
    /// Addresses of the new controller.
    pub controllers: Vec<String>,
    /// The last license of the old key.
    pub license: String,
    /// The trust document.
    pub trust: String,
}

impl Document for SignpostClaims {
    const TYPE: &'static str = "entitled-signpost+jwt";
}

/// A signpost whose signer was verified up to a root key; had from [`verify_signpost`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedSignpost {
    claims: SignpostClaims,
    license: VerifiedLicense,
    key: PublicKey,
}

impl VerifiedSignpost {
    /// What it says.
    pub const fn claims(&self) -> &SignpostClaims {
        &self.claims
    }

    /// The license of the key that signed it.
    pub const fn license(&self) -> &VerifiedLicense {
        &self.license
    }

    /// The key that signed it.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// Verifies a signpost from the root keys down: the trust document, by it the license, and the signpost by the key that the
/// license is bound to. Of the trust document in it and the held one the newer counts.
///
/// # Errors
/// What is wrong with it or with a document in it; [`DocumentError::UnknownKey`] where its license is bound to no key.
pub fn verify_signpost(
    text: &str,
    product: &str,
    roots: &Roots,
    held: Option<&VerifiedTrust>,
) -> Result<VerifiedSignpost, DocumentError> {
    let document = Unverified::parse(text)?;
    document.check_type::<SignpostClaims>()?;
    // Not believed before its signature is checked below; the documents in it have signatures of their own.
    let claims: SignpostClaims = document.peek()?;
    let carried = roots.verify_trust(&claims.trust, product, None)?;
    let newest = held.filter(|held| held.version() > carried.version()).unwrap_or(&carried);
    let license = verify_license(&claims.license, product, newest)?;
    let bound = license.claims().cnf.map(|cnf| cnf.jwk);
    let key = bound.ok_or_else(|| DocumentError::UnknownKey { kid: document.kid() })?;
    document.check_signature(&key)?;
    license.check_issuer(product, &claims.aud, claims.iss)?;
    license.check_environment(claims.environment_id)?;
    Ok(VerifiedSignpost { claims, license, key })
}

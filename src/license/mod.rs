//! The signed documents: license, revocation, trust, request (with the consent in it), offer, answer,
//! statement and signpost.
//!
//! All are compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), so that any JWT library reads them. Here are
//! their claims, how they are signed, and how they are verified: `alg` is pinned, each kind has its own `typ`, `kid`
//! is the RFC 7638 thumbprint, and nothing is believed but through a vendor root key. Pure: no I/O, no clock (time is an
//! argument). Everything but `codes` and `terms` may call this; this calls only those.

mod answer;
mod consent;
mod error;
mod json;
mod jwk;
mod jws;
mod license_claims;
mod offer;
mod rebind_code;
mod request;
mod signer;
mod signpost;
mod statement;
mod told_usage;
mod trust;
mod usage_report;
mod verify;

pub use crate::terms::{Enforcement, Limit, Purpose, Sequence};
pub use answer::{AnswerClaims, Fork, ForkState, Outcome, Retirement, RevocationClaims};
pub use consent::{ConsentClaims, check_consent, consent_end, sign_consent};
pub use error::{DocumentError, Faults};
pub use jwk::{KeyPair, PublicKey, Thumbprint};
pub use jws::{Document, MAX_DOCUMENT, MEDIA_TYPE, Unverified, sign};
pub use license_claims::{Confirmation, Environment, LicenseClaims, Subscription};
pub use offer::{OfferClaims, open_offer, sign_offer};
pub use rebind_code::RebindCode;
pub use request::{
    Activation, Candidate, EvidenceDigest, MachineFacts, RequestClaims, RequestId, RequestKind,
    RequestedEnvironment, UnverifiedRequest, sign_request, verify_request,
};
pub use signer::{Signer, SignerError};
pub use signpost::{SignpostClaims, VerifiedSignpost, verify_signpost};
pub use statement::{ProofClaims, StatementClaims, VerifiedStatement, verify_statement};
pub use told_usage::{ToldLimit, ToldPeak, ToldUsage};
pub use trust::{KeyStatus, PortalKey, Roots, TrustClaims, VerifiedTrust};
pub use usage_report::{
    UsageClaims, UsageDocument, UsagePeak, VerifiedUsage, read_usage, usage_page, verify_usage,
};
pub use verify::{InstallCheck, OpenedAnswer, VerifiedLicense, open_answer, verify_license};

#[cfg(test)]
mod tests;

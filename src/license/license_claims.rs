//! What a license says.

use super::{Document, Limit, PublicKey, Purpose, Sequence, Thumbprint};
use crate::codes::SerialNumber;
use jiff::{SignedDuration, Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What one environment, bound to one Serial Number and one environment key, may do.
///
/// Times among the registered claims are `NumericDate`s (seconds since 1970, RFC 7519 section 2), those of the
/// subscription are RFC 3339 texts. Claims that are not here are allowed and ignored: a newer portal may add some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseClaims {
    /// The portal that issued it.
    pub iss: String,
    /// The product.
    pub aud: String,
    /// The Serial Number.
    pub sub: SerialNumber,
    /// The id of this license.
    pub jti: Uuid,
    /// Issued at.
    #[serde(with = "numeric_date")]
    pub iat: Timestamp,
    /// Not before; at or before `iat`.
    #[serde(with = "numeric_date")]
    pub nbf: Timestamp,
    /// The end of grace: the hard stop that every JWT library enforces.
    #[serde(with = "numeric_date")]
    pub exp: Timestamp,
    /// Grows with every document of the environment.
    pub seq: Sequence,
    /// What the customer bought.
    pub subscription: Subscription,
    /// The environment that it is for.
    pub environment: Environment,
    /// Feature by name: a boolean, a number or a text.
    #[serde(default)]
    pub features: BTreeMap<String, serde_json::Value>,
    /// Limit by name.
    #[serde(default)]
    pub limits: BTreeMap<String, Limit>,
    /// How long a member may go on without its controller, days.
    pub lease_days: u32,
    /// Seconds from one answer of the portal to the next request.
    pub refresh_after: u32,
    /// Days without an answer of the portal after which the license is restricted; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in_days: Option<u32>,
    /// How long other hardware stays entitled while the portal is asked, hours.
    #[serde(default = "default_hardware_grace_hours")]
    pub hardware_grace_hours: u32,
    /// The environment key that it is bound to (RFC 7800 section 3.2); absent: bound to the Serial Number alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// The thumbprint of the environment's certificate authority, for members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Thumbprint>,
    /// The thumbprints of authorities that the environment had before and lost, newest first: members that know it by one of
    /// them may believe `ca`, and are certified anew by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_ca: Vec<Thumbprint>,
}

const fn default_hardware_grace_hours() -> u32 {
    72
}

impl Document for LicenseClaims {
    const TYPE: &'static str = "entitled-license+jwt";
}

impl LicenseClaims {
    /// Why the dates contradict each other, if they do.
    pub(super) fn contradiction(&self) -> Option<String> {
        let Subscription { starts_at, ends_at, .. } = &self.subscription;
        if self.nbf > self.iat {
            Some(format!("valid from {} but issued at {}", self.nbf, self.iat))
        // `exp` has whole seconds only.
        } else if self.exp.as_second() < ends_at.as_second() {
            Some(format!("grace ends at {} before the term at {ends_at}", self.exp))
        } else if ends_at <= starts_at {
            Some(format!("the term ends at {ends_at} and starts at {starts_at}"))
        } else {
            None
        }
    }

    /// The time from one answer to the next request, an hour at the least and 30 days at the most.
    pub fn refresh_interval(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.refresh_after.clamp(3_600, 30 * 86_400)))
    }
}

/// What the customer bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id at the portal; not the Activation Code.
    pub id: Uuid,
    /// The edition.
    pub edition: String,
    /// The support level.
    pub support_level: String,
    /// The first second of the term.
    pub starts_at: Timestamp,
    /// The first second after the term.
    pub ends_at: Timestamp,
    /// Days of grace after `ends_at`; `exp` says the same as a time.
    pub grace_days: u32,
    /// Whether it is a trial.
    #[serde(default)]
    pub trial: bool,
}

/// A group of servers licensed as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Its id at the portal.
    pub id: Uuid,
    /// Its name, chosen by the customer.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
}

/// The key that a license is bound to, RFC 7800 section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The environment's public key.
    pub jwk: PublicKey,
}

//! Statements of an environment, as a controller would make them, and as it would not.

use crate::{
    codes::SerialNumber,
    entitlement::{HardwareStatus, Reason, Role, State, Status, UpstreamStatus},
    identity::Verdict,
    license::{
        Confirmation, Environment, KeyPair, KeyStatus, LicenseClaims, PortalKey, Purpose,
        RevocationClaims, Roots, Sequence, StatementClaims, Subscription, Thumbprint, TrustClaims,
        sign,
    },
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

pub(crate) const PRODUCT: &str = "acme-erp";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn key(seed: u8) -> KeyPair {
    KeyPair::from_seed(&[seed; 32])
}

/// The vendor's root key, its portal's, and the environment's.
pub(crate) const ROOT: u8 = 1;
pub(crate) const PORTAL: u8 = 2;
pub(crate) const ENVIRONMENT: u8 = 3;
/// The environment's certificate authority.
pub(crate) const AUTHORITY: u8 = 4;

pub(crate) fn roots() -> Roots {
    let mut roots = Roots::none();
    roots.add(key(ROOT).public());
    roots
}

pub(crate) fn authority() -> Thumbprint {
    key(AUTHORITY).thumbprint()
}

/// A statement in the making.
#[derive(Clone)]
pub(crate) struct Stated {
    pub license: LicenseClaims,
    pub revocation: Option<RevocationClaims>,
    pub trust_version: u64,
    pub generation: u64,
    pub made_at: Timestamp,
    pub status: Status,
    /// Where the controller may be found next.
    pub successors: Vec<String>,
    /// Who signs what.
    pub root: u8,
    pub portal: u8,
    pub environment: u8,
}

impl Default for Stated {
    fn default() -> Self {
        let license = license();
        Self {
            status: status(&license),
            license,
            revocation: None,
            successors: Vec::new(),
            trust_version: 5,
            generation: 7,
            made_at: at("2026-03-01T00:00:00Z"),
            root: ROOT,
            portal: PORTAL,
            environment: ENVIRONMENT,
        }
    }
}

impl Stated {
    pub(crate) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut stated = Self::default();
        change(&mut stated);
        stated
    }

    /// Of another environment of the same customer: its own key, authority and id.
    pub(crate) fn foreign() -> Self {
        Self::with(|stated| {
            stated.environment = 13;
            stated.license.cnf = Some(Confirmation { jwk: key(13).public() });
            stated.license.environment.id = Uuid::from_u128(99);
            stated.license.seq = Sequence(100);
        })
    }

    pub(crate) fn sign(&self) -> String {
        let trust = TrustClaims {
            iss: "Acme".to_owned(),
            aud: PRODUCT.to_owned(),
            iat: at("2026-01-01T00:00:00Z"),
            version: self.trust_version,
            keys: vec![PortalKey { key: key(PORTAL).public(), status: KeyStatus::Active }],
        };
        let claims = StatementClaims {
            iss: self.license.sub,
            aud: PRODUCT.to_owned(),
            iat: self.made_at,
            environment_id: self.license.environment.id,
            generation: self.generation,
            status: serde_json::to_value(&self.status).unwrap(),
            license: sign(&self.license, &key(self.portal)).unwrap(),
            trust: sign(&trust, &key(self.root)).unwrap(),
            revocation: self.revocation.as_ref().map(|r| sign(r, &key(self.portal)).unwrap()),
            successors: self.successors.clone(),
        };
        sign(&claims, &key(self.environment)).unwrap()
    }
}

/// The year 2026, with 30 days of grace and 14 of lease.
fn license() -> LicenseClaims {
    LicenseClaims {
        iss: "https://portal.example".to_owned(),
        aud: PRODUCT.to_owned(),
        sub: serial_number(),
        jti: Uuid::from_u128(1),
        iat: at("2026-02-01T00:00:00Z"),
        nbf: at("2026-02-01T00:00:00Z"),
        exp: at("2027-01-31T00:00:00Z"),
        seq: Sequence(3),
        subscription: Subscription {
            id: Uuid::from_u128(3),
            edition: "enterprise".to_owned(),
            support_level: "gold".to_owned(),
            starts_at: at("2026-01-01T00:00:00Z"),
            ends_at: at("2027-01-01T00:00:00Z"),
            grace_days: 30,
            trial: false,
        },
        environment: Environment {
            id: Uuid::from_u128(2),
            name: "Production".to_owned(),
            purpose: Purpose::Production,
        },
        features: BTreeMap::from([("reports".to_owned(), true.into())]),
        limits: BTreeMap::new(),
        lease_days: 14,
        refresh_after: 86_400,
        check_in_days: None,
        hardware_grace_hours: 72,
        cnf: Some(Confirmation { jwk: key(ENVIRONMENT).public() }),
        ca: None,
        former_ca: Vec::new(),
    }
}

pub(crate) fn serial_number() -> SerialNumber {
    crate::identity::mint_override("the controller of these tests").unwrap().serial_number
}

fn status(license: &LicenseClaims) -> Status {
    Status {
        serial_number: Some(license.sub),
        role: Role::Controller,
        state: State::Active,
        entitled: true,
        reason: Reason::InTerm,
        message: "in term".to_owned(),
        generation: 7,
        since: at("2026-02-01T00:00:00Z"),
        environment: None,
        license: None,
        features: license.features.clone(),
        limits: BTreeMap::new(),
        conditions: Vec::new(),
        upstream: UpstreamStatus {
            kind: "portal".to_owned(),
            url: None,
            reachable: Some(true),
            last_contact: None,
            next_refresh: None,
        },
        hardware: Some(HardwareStatus { verdict: Verdict::Unchanged, score: 100 }),
    }
}

pub(crate) fn revocation() -> RevocationClaims {
    RevocationClaims {
        iss: "https://portal.example".to_owned(),
        aud: PRODUCT.to_owned(),
        sub: serial_number(),
        iat: at("2026-03-01T00:00:00Z"),
        seq: Sequence(4),
        environment_id: Uuid::from_u128(2),
        revoked_at: at("2026-03-01T00:00:00Z"),
        reason: "charged back".to_owned(),
    }
}

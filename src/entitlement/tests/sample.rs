//! A license that was really signed and verified, and the inputs around it.

use crate::{codes::SerialNumber, entitlement::*, identity::Verdict, license::*};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, sync::LazyLock};
use uuid::Uuid;

const PRODUCT: &str = "acme-erp";
pub(super) const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) static KEY: LazyLock<Thumbprint> = LazyLock::new(|| key(3).thumbprint());
pub(super) static OTHER_KEY: LazyLock<Thumbprint> = LazyLock::new(|| key(4).thumbprint());
static TRUST: LazyLock<VerifiedTrust> = LazyLock::new(|| {
    let mut roots = Roots::none();
    roots.add(key(1).public());
    let claims = TrustClaims {
        iss: "Acme".to_owned(),
        aud: PRODUCT.to_owned(),
        iat: at("2026-01-01T00:00:00Z"),
        version: 1,
        keys: vec![PortalKey { key: key(2).public(), status: KeyStatus::Active }],
    };
    roots.verify_trust(&sign(&claims, &key(1)).unwrap(), PRODUCT, None).unwrap()
});

fn key(seed: u8) -> KeyPair {
    KeyPair::from_seed(&[seed; 32])
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn serial_number() -> SerialNumber {
    SerialNumber::mint("smbios-uuid", "4c4c4544-0042-3510-8054-b4c04f4a4e32")
}

pub(super) fn other_serial_number() -> SerialNumber {
    SerialNumber::mint("smbios-uuid", "another machine")
}

/// A term of the year 2026 with 30 days of grace, a check-in within 400 days and 72 hours of hardware grace.
pub(super) fn claims() -> LicenseClaims {
    LicenseClaims {
        iss: "https://portal.example".to_owned(),
        aud: PRODUCT.to_owned(),
        sub: serial_number(),
        jti: Uuid::from_u128(7),
        iat: at("2026-01-02T03:04:05Z"),
        nbf: at("2026-01-02T03:04:05Z"),
        exp: at("2027-01-31T00:00:00Z"),
        seq: Sequence(3),
        subscription: Subscription {
            id: Uuid::from_u128(1),
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
        features: BTreeMap::new(),
        limits: BTreeMap::new(),
        lease_days: 14,
        refresh_after: 86_400,
        check_in_days: None,
        hardware_grace_hours: 72,
        cnf: Some(Confirmation { jwk: key(3).public() }),
        ca: None,
        former_ca: Vec::new(),
    }
}

/// The license with those claims: signed by the portal, verified by the vendor's trust.
pub(super) fn license(claims: &LicenseClaims) -> VerifiedLicense {
    verify_license(&sign(claims, &key(2)).unwrap(), PRODUCT, &TRUST).unwrap()
}

pub(super) fn revocation() -> RevocationClaims {
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

pub(super) fn standing(verdict: Verdict, since: Option<Timestamp>) -> HardwareStanding {
    HardwareStanding { verdict, score: 100, holds_until: None, changed_since: since }
}

/// What an environment in good order has: its license, its hardware, its key.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub license: Option<VerifiedLicense>,
    pub revocation: Option<RevocationClaims>,
    pub released: bool,
    pub serial_number: Option<SerialNumber>,
    pub key: &'static Thumbprint,
    pub hardware: Option<HardwareStanding>,
    pub last_contact: Option<Timestamp>,
    pub usage: BTreeMap<String, u64>,
}

impl Case {
    pub(super) fn new(claims: &LicenseClaims) -> Self {
        Self { license: Some(license(claims)), ..Self::without_license() }
    }

    pub(super) fn without_license() -> Self {
        Self {
            license: None,
            revocation: None,
            released: false,
            serial_number: Some(serial_number()),
            key: &KEY,
            hardware: Some(standing(Verdict::Unchanged, None)),
            last_contact: None,
            usage: BTreeMap::new(),
        }
    }

    pub(super) fn at(&self, now: Timestamp) -> Evaluation {
        let held = match (&self.license, &self.revocation) {
            _ if self.released => Held::Released,
            (None, _) => Held::Nothing,
            (Some(license), None) => Held::License(license),
            (Some(license), Some(revocation)) => Held::Revoked(license, revocation),
        };
        evaluate(&Inputs {
            held,
            serial_number: self.serial_number,
            environment_key: self.key,
            hardware: self.hardware,
            last_contact: self.last_contact,
            usage: &self.usage,
            now,
        })
    }

    /// State, reason and days left at a time.
    pub(super) fn verdict(&self, now: Timestamp) -> (State, Reason, Option<i64>) {
        let Evaluation { state, reason, days_left, .. } = self.at(now);
        (state, reason, days_left)
    }
}

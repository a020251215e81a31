//! A subscription, and environments of it.

use crate::{
    codes::{ActivationCode, SerialNumber},
    license::{KeyPair, Purpose, Sequence},
    portal::domain::{
        Chain, CurrentDocument, Environment, Revision, Standing, Subscription, Terms,
    },
};
use jiff::Timestamp;
use uuid::Uuid;

pub(super) const IN_TERM: &str = "2026-06-01T00:00:00Z";
pub(super) const IN_GRACE: &str = "2027-01-30T23:59:59Z";
pub(super) const ENDED: &str = "2027-01-31T00:00:00Z";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn subscription() -> Subscription {
    let terms =
        Terms::new("standard", "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    Subscription {
        id: Uuid::from_u128(1),
        activation_code: ActivationCode::from_content(&[7; 16]),
        customer: "ACME".to_owned(),
        terms,
        standing: Standing::Active,
        revision: Revision(3),
        created_at: at("2026-01-01T00:00:00Z"),
    }
}

pub(super) fn revoked() -> Standing {
    Standing::Revoked { at: at("2026-05-01T00:00:00Z"), reason: "unpaid".to_owned() }
}

pub(super) fn key(n: u8) -> KeyPair {
    KeyPair::from_seed(&[n; 32])
}

pub(super) fn serial(name: &str) -> SerialNumber {
    SerialNumber::mint("smbios-uuid", name)
}

/// An environment with the license of the newest revision.
pub(super) fn environment(name: &str, key_number: u8) -> Environment {
    Environment {
        id: Uuid::from_u128(u128::from(key_number) + 100),
        subscription_id: Uuid::from_u128(1),
        serial_number: serial(name),
        name: name.to_owned(),
        purpose: Purpose::Production,
        key: Some(key(key_number).public()),
        sequence: Sequence(4),
        current: Some(CurrentDocument::License("license".to_owned())),
        made_from: Revision(3),
        chain: Chain::default(),
        activated_at: at("2026-01-02T00:00:00Z"),
        seen_at: at("2026-01-02T00:00:00Z"),
        released_at: None,
        slot_held_until: None,
    }
}

pub(super) fn released(name: &str, key_number: u8) -> Environment {
    let released_at = Some(at("2026-05-01T00:00:00Z"));
    Environment { released_at, current: None, ..environment(name, key_number) }
}

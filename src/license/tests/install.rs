//! What a license must fit before it takes the place of the held one: every fault is named.

use super::samples::*;
use crate::{codes::SerialNumber, license::*};
use jiff::SignedDuration;
use uuid::Uuid;

fn verified(claims: &LicenseClaims) -> VerifiedLicense {
    read_license(&sign(claims, &portal()).unwrap()).unwrap()
}

/// The check that the sample license passes: its own environment, held already.
fn check<'a>(key: &'a Thumbprint, held: &'a VerifiedLicense) -> InstallCheck<'a> {
    InstallCheck {
        serial_number: serial_number(),
        environment_key: key,
        environment: Some(Uuid::from_u128(2)),
        floor: Some(Sequence(3)),
        held: Some(held),
        now: at("2026-06-01T00:00:00Z"),
    }
}

/// The faults of the sample license against a changed check.
fn faults(change: impl FnOnce(&mut InstallCheck<'_>)) -> Vec<DocumentError> {
    let (key, license) = (environment().thumbprint(), verified(&license_claims()));
    let mut check = check(&key, &license);
    change(&mut check);
    license.check_install(&check).err().map_or_else(Vec::new, |faults| faults.all().to_vec())
}

#[test]
fn the_held_license_may_be_installed_again() {
    assert_eq!(faults(|_| ()), []);
}

#[test]
fn a_first_license_needs_no_other() {
    assert_eq!(faults(|c| (c.environment, c.floor, c.held) = (None, None, None)), []);
}

#[test]
fn another_serial_number() {
    let expected = SerialNumber::mint("smbios-uuid", "other");
    let found = serial_number();
    let fault = DocumentError::Serial { expected, found };
    assert_eq!(faults(|c| c.serial_number = expected), [fault]);
}

#[test]
fn another_key() {
    let (expected, found) = (stranger().thumbprint(), environment().thumbprint());
    let license = verified(&license_claims());
    let error = license.check_install(&check(&expected, &license)).unwrap_err();
    assert_eq!(error.all(), [DocumentError::Binding { expected: expected.clone(), found }]);
    assert_eq!(error.code(), "document-binding");

    let unbound = verified(&LicenseClaims { cnf: None, ..license_claims() });
    assert_eq!(unbound.check_binding(serial_number(), &expected), Ok(()));
    let other = SerialNumber::mint("smbios-uuid", "other");
    let error = unbound.check_binding(other, &expected).unwrap_err();
    assert_eq!(error.code(), "document-serial");
}

#[test]
fn past_its_end() {
    let ended = license_claims().exp;
    let second = SignedDuration::from_secs(1);
    assert_eq!(faults(|c| c.now = ended - second), []);
    for now in [ended, ended + second] {
        assert_eq!(faults(|c| c.now = now), [DocumentError::Expired { ended, now }]);
    }
}

#[test]
fn another_environment() {
    let expected = Uuid::from_u128(9);
    let fault = DocumentError::Environment {
        expected: expected.to_string(),
        found: Uuid::from_u128(2).to_string(),
        purpose: Purpose::Production,
    };
    assert_eq!(faults(|c| c.environment = Some(expected)), [fault]);
}

#[test]
fn below_the_floor() {
    let (held, found) = (Sequence(4), Sequence(3));
    assert_eq!(faults(|c| c.floor = Some(held)), [DocumentError::Sequence { held, found }]);
    assert_eq!(faults(|c| c.floor = Some(Sequence(2))), []);
}

#[test]
fn a_sequence_that_is_held_with_other_contents() {
    let twin = verified(&LicenseClaims { jti: Uuid::from_u128(8), ..license_claims() });
    let (key, license) = (environment().thumbprint(), verified(&license_claims()));
    let error = license.check_install(&check(&key, &twin)).unwrap_err();
    assert_eq!(error.all(), [DocumentError::SequenceReused { sequence: Sequence(3) }]);

    let next = LicenseClaims { seq: Sequence(4), jti: Uuid::from_u128(8), ..license_claims() };
    assert_eq!(verified(&next).check_install(&check(&key, &license)), Ok(()));
}

#[test]
fn a_sequence_is_reused_even_under_the_same_id() {
    let mut claims = license_claims();
    claims.features.clear();
    let (key, license) = (environment().thumbprint(), verified(&license_claims()));
    let error = verified(&claims).check_install(&check(&key, &license)).unwrap_err();
    assert_eq!(error.all(), [DocumentError::SequenceReused { sequence: Sequence(3) }]);
}

#[test]
fn all_faults_are_named_at_once() {
    let twin = verified(&LicenseClaims { jti: Uuid::from_u128(8), ..license_claims() });
    let (key, license) = (stranger().thumbprint(), verified(&license_claims()));
    let faults = license
        .check_install(&InstallCheck {
            environment_key: &key,
            environment: Some(Uuid::from_u128(9)),
            floor: Some(Sequence(4)),
            held: Some(&twin),
            now: at("2030-01-01T00:00:00Z"),
            ..check(&key, &twin)
        })
        .unwrap_err();
    let codes: Vec<&str> = faults.all().iter().map(DocumentError::code).collect();
    let expected = [
        "document-binding",
        "document-expired",
        "document-environment",
        "document-sequence",
        "document-sequence-reused",
    ];
    assert_eq!(codes, expected);
    let text = faults.to_string();
    for fault in faults.all() {
        assert!(text.contains(&fault.to_string()), "{fault} in {text}");
    }

    // The Serial Number and the key are two faults, too.
    let other = SerialNumber::mint("smbios-uuid", "other");
    let both = InstallCheck { serial_number: other, ..check(&key, &license) };
    let faults = license.check_install(&both).unwrap_err();
    let codes: Vec<&str> = faults.all().iter().map(DocumentError::code).collect();
    assert_eq!(codes, ["document-serial", "document-binding"]);
}

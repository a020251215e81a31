//! Where several rows of the table fit, the strongest is said: what no renewal would mend first.

use super::sample::*;
use crate::{entitlement::*, identity::Verdict, license::LicenseClaims};
use jiff::Timestamp;

/// A license about which everything is wrong, and the changes that mend one thing after another.
fn worst() -> Case {
    let claims = LicenseClaims { check_in_days: Some(1), ..claims() };
    let since = claims.iat;
    Case {
        revocation: Some(revocation()),
        serial_number: Some(other_serial_number()),
        key: &OTHER_KEY,
        hardware: Some(standing(Verdict::DifferentMachine, Some(since))),
        ..Case::new(&claims)
    }
}

#[test]
fn each_row_yields_to_the_ones_above_it() {
    let (ends_at, exp) = (claims().subscription.ends_at, claims().exp);
    let mut case = worst();
    let says = |case: &Case, now: Timestamp| case.at(now).reason;
    case.released = true;
    assert_eq!(says(&case, exp), Reason::Released);
    case.released = false;
    assert_eq!(says(&case, exp), Reason::OtherSerialNumber);
    case.serial_number = Some(serial_number());
    assert_eq!(says(&case, exp), Reason::OtherKey);
    case.key = &KEY;
    assert_eq!(says(&case, exp), Reason::Revoked);
    case.revocation = None;
    assert_eq!(says(&case, exp), Reason::GraceEnded);
    // From here on it is the time that is mended: within grace, and in term.
    for now in [ends_at, ends_at - DAY, ends_at - DAY * 100] {
        let mut case = case.clone();
        assert_eq!(says(&case, now), Reason::CheckInOverdue, "{now}");
        case.last_contact = Some(now);
        assert_eq!(says(&case, now), Reason::HardwareChanged, "{now}");
    }
    case.hardware = Some(standing(Verdict::Unchanged, None));
    for (now, reason) in [
        (ends_at, Reason::TermEnded),
        (ends_at - DAY, Reason::TermEnds),
        (ends_at - DAY * 100, Reason::InTerm),
    ] {
        case.last_contact = Some(now);
        assert_eq!(says(&case, now), reason);
    }
}

#[test]
fn entitled_follows_from_the_state_alone() {
    let entitled = State::ALL.map(State::entitled);
    assert_eq!(entitled, [false, true, true, true, false, false]);
}

#[test]
fn every_message_names_its_mend_or_needs_none() {
    let case = worst();
    let now = claims().exp;
    let mended = [
        case.clone(),
        Case { serial_number: Some(serial_number()), ..case.clone() },
        Case { revocation: None, key: &KEY, serial_number: Some(serial_number()), ..case.clone() },
        Case { released: true, ..case },
        Case::without_license(),
    ];
    for case in mended {
        let said = case.at(now);
        assert!(said.message.contains("`entitlectl "), "{:?}: {}", said.reason, said.message);
    }
}

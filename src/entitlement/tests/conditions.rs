//! What is found beside the state, and since when it has held.

use super::sample::*;
use crate::{entitlement::*, identity::Verdict, license::LicenseClaims};
use jiff::Timestamp;

fn kinds(evaluation: &Evaluation) -> Vec<ConditionType> {
    evaluation.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn each_verdict_on_the_hardware_has_its_condition() {
    let now = at("2026-05-01T00:00:00Z");
    let rows = [
        (Verdict::Unchanged, None),
        (Verdict::Drifted, Some(ConditionType::HardwareDrift)),
        (Verdict::Degraded, Some(ConditionType::HardwareUnreadable)),
        (Verdict::DifferentMachine, Some(ConditionType::HardwareChanged)),
        (Verdict::Overridden, Some(ConditionType::IdentityOverride)),
    ];
    for (verdict, expected) in rows {
        let since = (verdict == Verdict::DifferentMachine).then_some(now);
        let hardware = Some(standing(verdict, since));
        for case in [Case::new(&claims()), Case::without_license()] {
            let case = Case { hardware, ..case };
            assert_eq!(kinds(&case.at(now)), Vec::from_iter(expected), "{verdict}");
        }
    }
}

#[test]
fn until_when_hardware_is_put_up_with_is_told() {
    let now = at("2026-05-01T00:00:00Z");
    let message = |case: &Case| case.at(now).findings[0].message.clone();
    let other = standing(Verdict::DifferentMachine, Some(now));
    let other = Case { hardware: Some(other), ..Case::new(&claims()) };
    assert!(message(&other).contains("2026-05-04T00:00:00Z"), "{}", message(&other));

    let holds_until = Some(at("2026-05-30T00:00:00Z"));
    let unreadable = HardwareStanding { holds_until, ..standing(Verdict::Degraded, None) };
    let unreadable = Case { hardware: Some(unreadable), ..other };
    assert!(message(&unreadable).contains("2026-05-30T00:00:00Z"), "{}", message(&unreadable));
}

#[test]
fn an_overdue_check_in_is_a_condition_only_while_it_is_the_reason() {
    let claims = LicenseClaims { check_in_days: Some(10), ..claims() };
    let case = Case::new(&claims);
    let deadline = claims.iat + DAY * 10;
    assert_eq!(kinds(&case.at(deadline - SECOND)), []);
    assert_eq!(kinds(&case.at(deadline)), [ConditionType::CheckInOverdue]);
    assert_eq!(kinds(&case.at(claims.exp)), []);
}

#[test]
fn a_condition_that_goes_on_keeps_its_beginning() {
    let (first, then) = (at("2026-05-01T00:00:00Z"), at("2026-05-02T00:00:00Z"));
    let found = |kind, message: &str| Finding::new(kind, "Reason", message);
    let skewed = ConditionType::ClockSkewed;
    let store = ConditionType::StoreDegraded;
    let began = merge(&[], vec![found(store, "one"), found(skewed, "one")], first);
    let order: Vec<_> = began.iter().map(|c| (c.kind, c.since)).collect();
    assert_eq!(order, [(skewed, first), (store, first)]);

    let goes_on = merge(&began, vec![found(store, "two")], then);
    assert_eq!(goes_on.len(), 1);
    assert_eq!((goes_on[0].since, goes_on[0].message.as_str()), (first, "two"));

    // One that ended begins anew.
    let again = merge(&goes_on, vec![found(skewed, "three")], then);
    assert_eq!((again[0].kind, again[0].since), (skewed, then));
}

#[test]
fn a_condition_that_did_not_hold_has_no_beginning_to_keep() {
    let (first, then) = (Timestamp::UNIX_EPOCH, at("2026-05-02T00:00:00Z"));
    let kind = ConditionType::ClockSkewed;
    let before = Condition {
        kind,
        status: ConditionStatus::Unknown,
        reason: "Reason".to_owned(),
        message: String::new(),
        since: first,
    };
    let merged = merge(&[before], vec![Finding::new(kind, "Reason", "")], then);
    assert_eq!(merged[0].since, then);
}

#[test]
fn one_kind_is_listed_once_the_first_finding_counting() {
    let now = Timestamp::UNIX_EPOCH;
    let found = |message: &str| Finding::new(ConditionType::ConfigInvalid, "Reason", message);
    let merged = merge(&[], vec![found("first"), found("second")], now);
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].message, "first");
}

#[test]
fn every_kind_is_known_by_its_word() {
    for kind in ConditionType::ALL {
        let word = serde_json::to_value(kind).unwrap();
        assert_eq!(word, kind.as_str());
    }
    for state in State::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

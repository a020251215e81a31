//! How usage stands to a limit, on both sides of each share.

use super::sample::*;
use crate::{
    entitlement::*,
    license::{Enforcement, LicenseClaims, Limit},
};
use std::collections::BTreeMap;

fn state(limit: Option<u64>, used: Option<u64>) -> LimitState {
    limit_status(Limit { limit, enforcement: Enforcement::Soft }, used).state
}

#[test]
fn shares_of_a_hundred() {
    use LimitState::{Exceeded, Near, Reached, Within};
    for (used, expected) in
        [(0, Within), (79, Within), (80, Near), (99, Near), (100, Reached), (101, Exceeded)]
    {
        assert_eq!(state(Some(100), Some(used)), expected, "{used}");
    }
}

#[test]
fn small_limits_have_no_share_between() {
    use LimitState::{Exceeded, Near, Reached, Within};
    for (limit, used, expected) in [
        (1, 0, Within),
        (1, 1, Reached),
        (1, 2, Exceeded),
        (3, 2, Within),
        (4, 3, Within),
        (5, 4, Near),
        (6, 4, Within),
        (6, 5, Near),
    ] {
        assert_eq!(state(Some(limit), Some(used)), expected, "{used} of {limit}");
    }
}

#[test]
fn a_limit_of_zero_is_reached_by_nothing_and_exceeded_by_one() {
    assert_eq!(state(Some(0), Some(0)), LimitState::Reached);
    assert_eq!(state(Some(0), Some(1)), LimitState::Exceeded);
    assert_eq!(state(Some(0), None), LimitState::Unreported);
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    assert_eq!(state(Some(u64::MAX), Some(u64::MAX)), LimitState::Reached);
    assert_eq!(state(Some(u64::MAX), Some(u64::MAX - 1)), LimitState::Near);
    assert_eq!(state(Some(u64::MAX), Some(u64::MAX / 100 * 79)), LimitState::Within);
    assert_eq!(state(Some(u64::MAX - 1), Some(u64::MAX)), LimitState::Exceeded);
    assert_eq!(state(Some(1), Some(u64::MAX)), LimitState::Exceeded);
}

#[test]
fn unlimited_stays_unlimited_whatever_is_used() {
    for used in [None, Some(0), Some(u64::MAX)] {
        assert_eq!(state(None, used), LimitState::Unlimited);
    }
}

#[test]
fn a_limit_keeps_its_numbers_and_its_enforcement() {
    let limit = Limit { limit: Some(10), enforcement: Enforcement::Hard };
    let status = limit_status(limit, Some(3));
    assert_eq!((status.limit, status.used), (Some(10), Some(3)));
    assert_eq!(status.enforcement, Enforcement::Hard);
}

#[test]
fn only_limits_of_the_license_are_listed() {
    let limit = |limit| Limit { limit, enforcement: Enforcement::Soft };
    let limits = [("users", Some(100)), ("servers", Some(2)), ("storage", None)];
    let limits = limits.map(|(name, number)| (name.to_owned(), limit(number)));
    let claims = LicenseClaims { limits: BTreeMap::from(limits), ..claims() };
    let usage = [("users", 101), ("storage", 9), ("elsewhere", 7)];
    let usage = usage.map(|(name, used)| (name.to_owned(), used));
    let case = Case { usage: BTreeMap::from(usage), ..Case::new(&claims) };
    let evaluation = case.at(claims.iat);
    let states: Vec<_> = evaluation.limits.iter().map(|(n, l)| (n.as_str(), l.state)).collect();
    let expected = [
        ("servers", LimitState::Unreported),
        ("storage", LimitState::Unlimited),
        ("users", LimitState::Exceeded),
    ];
    assert_eq!(states, expected);
    // More than licensed is told, and takes nothing away.
    assert_eq!(evaluation.state, State::Active);
    let finding = &evaluation.findings[0];
    assert_eq!(finding.kind, ConditionType::LimitExceeded);
    assert!(finding.message.contains("users (limit 100)"), "{}", finding.message);

    let unused = Case { usage: BTreeMap::from([("users".to_owned(), 79)]), ..case };
    assert_eq!(unused.at(claims.iat).findings, []);
}

#[test]
fn each_step_towards_a_limit_has_a_reason_of_its_own() {
    let limit = |limit| Limit { limit: Some(limit), enforcement: Enforcement::Hard };
    let limits = [("seats", limit(10)), ("users", limit(1_000))];
    let limits = limits.map(|(name, limit)| (name.to_owned(), limit));
    let claims = LicenseClaims { limits: BTreeMap::from(limits), ..claims() };
    for (users, seats, expected) in [
        (799, 0, vec![]),
        (800, 0, vec![(ConditionType::LimitNear, "Over80Percent")]),
        (899, 0, vec![(ConditionType::LimitNear, "Over80Percent")]),
        (900, 8, vec![(ConditionType::LimitNear, "Over90Percent")]),
        (1_000, 8, vec![(ConditionType::LimitNear, "Reached")]),
        (1_001, 0, vec![(ConditionType::LimitExceeded, "Exceeded")]),
        (
            1_001,
            9,
            vec![
                (ConditionType::LimitNear, "Over90Percent"),
                (ConditionType::LimitExceeded, "Exceeded"),
            ],
        ),
    ] {
        let usage = BTreeMap::from([("users".to_owned(), users), ("seats".to_owned(), seats)]);
        let case = Case { usage, ..Case::new(&claims) };
        let findings = case.at(claims.iat).findings;
        let found: Vec<_> = findings.iter().map(|f| (f.kind, f.reason)).collect();
        assert_eq!(found, expected, "{users} {seats}");
    }
}

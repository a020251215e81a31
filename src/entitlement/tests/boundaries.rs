//! One second before, at and after every boundary of every state.

use super::sample::*;
use crate::{entitlement::*, identity::Verdict, license::LicenseClaims};
use jiff::{SignedDuration, Timestamp};

type Said = (State, Reason, Option<i64>);

const ACTIVE: (State, Reason) = (State::Active, Reason::InTerm);
const EXPIRING: (State, Reason) = (State::Expiring, Reason::TermEnds);
const GRACE: (State, Reason) = (State::Grace, Reason::TermEnded);
const OVER: (State, Reason) = (State::Restricted, Reason::GraceEnded);

/// What is said one second before, at and one second after `boundary`.
#[track_caller]
fn check(case: &Case, boundary: Timestamp, before: Said, from: Said) {
    assert_eq!(case.verdict(boundary - SECOND), before, "a second before {boundary}");
    assert_eq!(case.verdict(boundary), from, "at {boundary}");
    assert_eq!(case.verdict(boundary + SECOND), from, "a second after {boundary}");
}

const fn said((state, reason): (State, Reason), days: i64) -> Said {
    (state, reason, Some(days))
}

#[test]
fn the_term_nears_its_end_in_its_last_sixty_days() {
    let case = Case::new(&claims());
    let ends_at = claims().subscription.ends_at;
    check(&case, ends_at - DAY * 60, said(ACTIVE, 61), said(EXPIRING, 60));
}

#[test]
fn a_part_of_a_day_counts_as_one() {
    let case = Case::new(&claims());
    let ends_at = claims().subscription.ends_at;
    for days in [100, 61, 60, 59, 30, 14, 7, 2, 1] {
        let boundary = ends_at - DAY * i32::try_from(days).unwrap();
        let left = |now| case.verdict(now).2;
        assert_eq!(left(boundary - SECOND), Some(days + 1), "a second before {days} days");
        assert_eq!(left(boundary), Some(days), "{days} days");
        assert_eq!(left(boundary + SECOND), Some(days), "a second after {days} days");
        assert_eq!(left(boundary + DAY - SECOND), Some(days), "the last second of day {days}");
    }
    let nanosecond = SignedDuration::from_nanos(1);
    assert_eq!(case.verdict(ends_at - nanosecond), said(EXPIRING, 1));
}

#[test]
fn grace_begins_with_the_first_second_after_the_term() {
    let ends_at = claims().subscription.ends_at;
    check(&Case::new(&claims()), ends_at, said(EXPIRING, 1), said(GRACE, 0));
}

#[test]
fn new_work_is_no_longer_covered_from_the_end_of_grace_on() {
    check(&Case::new(&claims()), claims().exp, said(GRACE, 0), said(OVER, 0));
}

#[test]
fn a_license_without_grace_goes_from_expiring_to_restricted() {
    let ends_at = claims().subscription.ends_at;
    let case = Case::new(&LicenseClaims { exp: ends_at, ..claims() });
    check(&case, ends_at, said(EXPIRING, 1), said(OVER, 0));
}

#[test]
fn a_check_in_is_overdue_days_after_the_last_word_of_the_portal() {
    let claims = LicenseClaims { check_in_days: Some(10), ..claims() };
    let overdue = (State::Restricted, Reason::CheckInOverdue);

    // The license itself was a word of the portal.
    let case = Case::new(&claims);
    let deadline = claims.iat + DAY * 10;
    check(&case, deadline, said(ACTIVE, 354), said(overdue, 354));

    let heard = at("2026-02-01T12:00:00Z");
    let later = Case { last_contact: Some(heard), ..case.clone() };
    check(&later, heard + DAY * 10, said(ACTIVE, 324), said(overdue, 324));

    let earlier = Case { last_contact: Some(claims.iat - DAY), ..case };
    check(&earlier, deadline, said(ACTIVE, 354), said(overdue, 354));
}

#[test]
fn a_check_in_beyond_all_calendars_is_never_overdue() {
    let claims = LicenseClaims { check_in_days: Some(u32::MAX), ..claims() };
    let case = Case { last_contact: Some(Timestamp::MAX), ..Case::new(&claims) };
    assert_eq!(case.verdict(claims.iat), said(ACTIVE, 364));
}

#[test]
fn other_hardware_is_put_up_with_for_its_grace() {
    let since = at("2026-05-01T00:00:00Z");
    let changed = (State::Restricted, Reason::HardwareChanged);
    let case = |hours| Case {
        hardware: Some(standing(Verdict::DifferentMachine, Some(since))),
        ..Case::new(&LicenseClaims { hardware_grace_hours: hours, ..claims() })
    };
    let deadline = since + DAY * 3;
    check(&case(72), deadline, said(ACTIVE, 243), said(changed, 242));
    // None at all, and more than any calendar has.
    assert_eq!(case(0).verdict(since), said(changed, 245));
    assert_eq!(case(u32::MAX).verdict(deadline), said(ACTIVE, 242));
}

#[test]
fn only_other_hardware_runs_out_of_grace() {
    let since = at("2026-02-01T00:00:00Z");
    let now = since + DAY * 100;
    let kept = [Verdict::Unchanged, Verdict::Drifted, Verdict::Degraded, Verdict::Overridden];
    for verdict in kept {
        let case = Case { hardware: Some(standing(verdict, None)), ..Case::new(&claims()) };
        assert_eq!(case.at(now).state, State::Active, "{verdict}");
    }
    // What can't be read any more is not changed back.
    let hidden = Some(standing(Verdict::Degraded, Some(since)));
    let hidden = Case { hardware: hidden, ..Case::new(&claims()) };
    assert_eq!(hidden.at(now).reason, Reason::HardwareChanged);
    let not_enrolled = Case { hardware: None, ..Case::new(&claims()) };
    assert_eq!(not_enrolled.at(now).state, State::Active);
}

#[test]
fn without_a_license_the_calendar_changes_nothing() {
    let nothing = Case::without_license();
    let released = Case { released: true, ..nothing.clone() };
    let revoked = Case { revocation: Some(revocation()), ..nothing.clone() };
    for now in [Timestamp::MIN, claims().iat, claims().exp, Timestamp::MAX] {
        let unlicensed = |reason| (State::Unlicensed, reason, None);
        assert_eq!(nothing.verdict(now), unlicensed(Reason::NotActivated));
        assert_eq!(released.verdict(now), unlicensed(Reason::Released));
        assert_eq!(revoked.verdict(now), unlicensed(Reason::NotActivated));
        assert_eq!(nothing.at(now).next_change, None);
    }
}

#[test]
fn a_revocation_holds_whatever_time_it_is() {
    let case = Case { revocation: Some(revocation()), ..Case::new(&claims()) };
    let revoked_at = revocation().revoked_at;
    let boundaries = [revoked_at, claims().subscription.ends_at, claims().exp];
    for now in boundaries.into_iter().flat_map(|at| [at - SECOND, at, at + SECOND]) {
        let (state, reason, _) = case.verdict(now);
        assert_eq!((state, reason), (State::Restricted, Reason::Revoked), "{now}");
    }
}

#[test]
fn a_license_for_other_hardware_or_another_key_is_invalid() {
    let other_hardware =
        Case { serial_number: Some(other_serial_number()), ..Case::new(&claims()) };
    let other_key = Case { key: &OTHER_KEY, ..Case::new(&claims()) };
    for now in [claims().iat, claims().subscription.ends_at, claims().exp + DAY] {
        let said = |case: &Case| (case.verdict(now).0, case.verdict(now).1);
        assert_eq!(said(&other_hardware), (State::Invalid, Reason::OtherSerialNumber));
        assert_eq!(said(&other_key), (State::Invalid, Reason::OtherKey));
    }
}

#[test]
fn a_license_without_a_key_is_bound_to_the_serial_number_alone() {
    let claims = LicenseClaims { cnf: None, ..claims() };
    let copied = Case { key: &OTHER_KEY, ..Case::new(&claims) };
    assert_eq!(copied.at(claims.iat).state, State::Active);
    let elsewhere = Case { serial_number: Some(other_serial_number()), ..copied };
    assert_eq!(elsewhere.at(claims.iat).reason, Reason::OtherSerialNumber);
}

#[test]
fn what_could_not_be_minted_is_not_compared() {
    let case = Case { serial_number: None, hardware: None, ..Case::new(&claims()) };
    assert_eq!(case.at(claims().iat).state, State::Active);
}

#[test]
fn a_term_to_the_end_of_all_calendars_overflows_nothing() {
    let mut claims = claims();
    claims.subscription.starts_at = Timestamp::MIN;
    claims.subscription.ends_at = Timestamp::MAX;
    claims.exp = Timestamp::MAX;
    let case = Case::new(&claims);
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, claims.iat, Timestamp::MAX - SECOND] {
        assert!(case.at(now).state.entitled(), "{now}");
    }
    assert_eq!(case.at(Timestamp::MAX).reason, Reason::GraceEnded);
}

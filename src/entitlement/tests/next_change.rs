//! The next change is what the loop sleeps until: too late and a state is served beyond its end, too early and it wakes
//! for nothing.

use super::sample::*;
use crate::{
    entitlement::*,
    identity::Verdict,
    license::{LicenseClaims, VerifiedLicense},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::sync::LazyLock;

#[test]
fn in_term_it_is_the_end_of_the_day() {
    let case = Case::new(&claims());
    let ends_at = claims().subscription.ends_at;
    let next = |now| case.at(now).next_change;
    assert_eq!(next(ends_at - DAY * 90 - SECOND), Some(ends_at - DAY * 90));
    assert_eq!(next(ends_at - DAY * 90), Some(ends_at - DAY * 89));
    assert_eq!(next(ends_at - SECOND), Some(ends_at));
    assert_eq!(next(ends_at), Some(claims().exp));
    assert_eq!(next(claims().exp - SECOND), Some(claims().exp));
    assert_eq!(next(claims().exp), None);
}

#[test]
fn a_deadline_comes_before_the_end_of_the_day() {
    let claims = LicenseClaims { check_in_days: Some(10), ..claims() };
    let deadline = claims.iat + DAY * 10;
    let case = Case::new(&claims);
    assert_eq!(case.at(deadline - SECOND).next_change, Some(deadline));

    let since = at("2026-01-04T05:06:07Z");
    let hardware = Some(standing(Verdict::DifferentMachine, Some(since)));
    let case = Case { hardware, ..case };
    let deadline = since + DAY * 3;
    assert_eq!(case.at(deadline - SECOND).next_change, Some(deadline));
}

#[test]
fn what_the_calendar_can_not_change_any_more_is_not_waited_for() {
    let case = Case { revocation: Some(revocation()), ..Case::new(&claims()) };
    // Its days go on until the term ends; the end of grace changes nothing that is revoked.
    let ends_at = claims().subscription.ends_at;
    assert_eq!(case.at(ends_at - SECOND).next_change, Some(ends_at));
    assert_eq!(case.at(ends_at).next_change, None);

    let overdue = LicenseClaims { check_in_days: Some(10), ..claims() };
    let since = overdue.iat + DAY * 30;
    let hardware = Some(standing(Verdict::DifferentMachine, Some(since)));
    let case = Case { hardware, ..Case::new(&overdue) };
    let later = (since + DAY * 3 - SECOND, Reason::CheckInOverdue);
    assert_eq!(case.at(later.0).reason, later.1);
    assert_ne!(case.at(later.0).next_change, Some(since + DAY * 3));
}

/// Licenses are signed once: a signature takes long in a build without optimisation.
static LICENSES: LazyLock<Vec<VerifiedLicense>> = LazyLock::new(|| {
    let ends_at = claims().subscription.ends_at;
    let check_ins = [None, Some(0), Some(1), Some(40), Some(u32::MAX)];
    let ends = [ends_at, ends_at + SECOND, ends_at + DAY * 30];
    let terms = check_ins.into_iter().flat_map(|days| ends.map(|exp| (days, exp)));
    let licenses = terms.flat_map(|(check_in_days, exp)| {
        [0, 72, 5_000].map(|hardware_grace_hours| {
            license(&LicenseClaims { exp, check_in_days, hardware_grace_hours, ..claims() })
        })
    });
    licenses.collect()
});

fn moment() -> impl Strategy<Value = Timestamp> {
    let (from, to) = (claims().iat - DAY * 2, claims().exp + DAY * 2);
    let any = (from.as_second()..to.as_second()).prop_map(|s| Timestamp::from_second(s).unwrap());
    let near = (0..4usize, 0..64i32, -1..=1i32).prop_map(|(which, days, second)| {
        let ends_at = claims().subscription.ends_at;
        [claims().iat, ends_at - DAY * 60, ends_at, claims().exp][which] - DAY * days
            + SECOND * second
    });
    prop_oneof![any, near]
}

prop_compose! {
    fn case()(
        which in any::<prop::sample::Index>(),
        contact in prop::option::of(moment()),
        since in moment(),
        verdict in prop::sample::select(vec![Verdict::Unchanged, Verdict::Degraded, Verdict::DifferentMachine]),
        (revoked, other_key) in (prop::bool::weighted(0.2), prop::bool::weighted(0.1)),
    ) -> Case {
        Case {
            license: Some(which.get(&LICENSES).clone()),
            revocation: revoked.then(revocation),
            key: if other_key { &OTHER_KEY } else { &KEY },
            hardware: Some(standing(verdict, Some(since))),
            last_contact: contact,
            ..Case::without_license()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_changes_before_it_and_something_at_it(
        case in case(), now in moment(), shares in prop::collection::vec(0.0..1.0f64, 8)
    ) {
        let verdict = case.verdict(now);
        let Some(next) = case.at(now).next_change else {
            for later in [SECOND, DAY, DAY * 30, DAY * 10_000] {
                prop_assert_eq!(case.verdict(now + later), verdict);
            }
            return Ok(());
        };
        prop_assert!(next > now);
        let between = next.duration_since(now);
        for share in shares {
            let then = now + SignedDuration::from_secs_f64(between.as_secs_f64() * share);
            prop_assert_eq!(case.verdict(then.min(next - SignedDuration::from_nanos(1))), verdict);
        }
        prop_assert_eq!(case.verdict((next - SECOND).max(now)), verdict);
        prop_assert_ne!(case.verdict(next), verdict);
    }

    #[test]
    fn the_same_inputs_give_the_same_verdict(case in case(), now in moment()) {
        prop_assert_eq!(case.at(now), case.at(now));
    }
}

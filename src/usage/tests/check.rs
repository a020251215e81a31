//! 'May I take so much more?', and what is promised of the answer.

use crate::{
    entitlement::Allowance,
    license::{Enforcement, Limit},
    usage::{Knowledge, LowWater, Stale, check},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const fn limit(limit: Option<u64>, enforcement: Enforcement) -> Limit {
    Limit { limit, enforcement }
}

fn knowing(used: Option<u64>) -> Knowledge {
    Knowledge { used, servers: 1, age: Some(Duration::ZERO), ..Knowledge::default() }
}

fn ask(limit: Option<Limit>, knowledge: &Knowledge, amount: u64) -> Allowance {
    check("seats", amount, limit, knowledge, (true, 7))
}

#[test]
fn only_a_hard_limit_with_fresh_figures_refuses() {
    let hard = Some(limit(Some(10), Enforcement::Hard));
    let soft = Some(limit(Some(10), Enforcement::Soft));
    let unlimited = Some(limit(None, Enforcement::Hard));
    let stale = |stale| Knowledge { stale: Some(stale), ..knowing(Some(99)) };
    let (lost, starting) = (stale(Stale::ControllerLost), stale(Stale::ControllerStarting));
    for (limit, knowledge, amount, allowed, reason) in [
        (hard, knowing(None), 10, true, "within"),
        (hard, knowing(None), 11, false, "over-hard-limit"),
        (hard, knowing(Some(9)), 1, true, "within"),
        (hard, knowing(Some(10)), 1, false, "over-hard-limit"),
        (hard, knowing(Some(10)), 0, true, "within"),
        (hard, knowing(Some(11)), 0, false, "over-hard-limit"),
        (hard, Knowledge { growth: 1, ..knowing(Some(9)) }, 1, false, "over-hard-limit"),
        (hard, knowing(Some(1)), u64::MAX, false, "over-hard-limit"),
        (soft, knowing(Some(10)), 1, true, "over-soft-limit"),
        (soft, knowing(Some(9)), 1, true, "within"),
        (hard, lost.clone(), 1, true, "figures-stale"),
        (hard, starting, 1, true, "figures-stale"),
        (soft, lost.clone(), 1, true, "figures-stale"),
        (unlimited, lost.clone(), 1, true, "unlimited"),
        (None, knowing(None), 1, true, "unknown-limit"),
    ] {
        let found = ask(limit, &knowledge, amount);
        assert_eq!((found.allowed, &found.reason[..]), (allowed, reason), "{knowledge:?} {amount}");
        assert_eq!((found.known, found.fresh), (limit.is_some(), knowledge.stale.is_none()));
        assert!(found.overshoot.at_most.is_none() || (reason != "figures-stale" && limit == hard));
    }
    let found = ask(hard, &lost, 1);
    assert!(found.message.contains("without fresh figures"), "{found:?}");
    assert_eq!((found.used, found.overshoot.at_most), (Some(99), None));
}

#[test]
fn the_largest_overshoot_is_what_every_other_server_may_take() {
    let hard = Some(limit(Some(100), Enforcement::Hard));
    let of = |knowledge| ask(hard, &knowledge, 1).overshoot;
    assert_eq!(of(knowing(Some(90))).at_most, Some(0));
    let three = Knowledge { servers: 3, lowest: 85, ..knowing(Some(90)) };
    let told = of(three.clone());
    assert_eq!(told.at_most, Some(30));
    assert!(told.message.contains("at most 30 over the limit"), "{told:?}");
    let told = of(Knowledge { away: 1, ..three });
    assert_eq!(told.at_most, None);
    assert!(told.message.contains("1 of 3 servers"), "{told:?}");
}

#[test]
fn figures_that_were_told_are_gone_by_for_a_minute() {
    let mut low = LowWater::default();
    let told = |low: &mut LowWater, used, second| {
        low.told(&BTreeMap::from([("seats".to_owned(), used)]), Duration::from_secs(second));
    };
    for second in (0..600).step_by(30) {
        told(&mut low, 50, second);
    }
    assert_eq!(low.of("seats"), 50);
    told(&mut low, 90, 600);
    assert_eq!(low.of("seats"), 50);
    told(&mut low, 90, 630);
    assert_eq!(low.of("seats"), 50);
    for second in (660..900).step_by(30) {
        told(&mut low, 90, second);
    }
    assert_eq!((low.of("seats"), low.of("other")), (90, 0));
    low.told(&BTreeMap::new(), Duration::from_mins(15));
    assert_eq!(low.of("seats"), 0);
}

proptest! {
    /// Servers that go by figures of the last minute, each asking before it takes, stay within what was promised.
    #[test]
    fn what_is_promised_holds(
        limit in 1..500u64,
        steps in prop::collection::vec((0..4usize, 1..50u64, any::<bool>(), 0..20u64), 1..80),
    ) {
        let hard = Some(super::check::limit(Some(limit), Enforcement::Hard));
        let mut low = LowWater::default();
        let mut now = 0;
        // What each server uses, what it was told that all use, and what the controller knew of it then.
        let mut uses = [0u64; 4];
        let mut figures = [(0u64, 0u64); 4];
        let mut known_at = [0u64; 4];
        let mut promised = 0;
        for (server, amount, tells, pause) in steps {
            now += pause;
            let (used, own) = figures[server];
            let knowledge = Knowledge {
                used: Some(used),
                growth: uses[server].saturating_sub(own),
                lowest: low.of("seats").min(used),
                servers: 4,
                age: Some(Duration::ZERO),
                ..Knowledge::default()
            };
            let answer = ask(hard, &knowledge, amount);
            promised = answer.overshoot.at_most.unwrap().max(promised);
            if answer.allowed {
                uses[server] += amount;
            }
            // Nobody goes by figures that are older than the silence that is put up with.
            for other in 0..4 {
                if tells && other == server || now - known_at[other] > 40 {
                    let all = uses.iter().sum();
                    low.told(&BTreeMap::from([("seats".to_owned(), all)]), Duration::from_secs(now));
                    figures[other] = (all, uses[other]);
                    known_at[other] = now;
                }
            }
            prop_assert!(uses.iter().sum::<u64>() <= limit + promised);
        }
    }
}

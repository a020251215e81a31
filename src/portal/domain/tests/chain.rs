//! The chain of requests.

use crate::{
    license::RequestId,
    portal::domain::{Chain, Link, Step},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

pub(super) fn id(n: u128) -> RequestId {
    RequestId(Uuid::from_u128(n))
}

pub(super) fn day(n: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * n)
}

/// A refresh whose `previous` the portal knows.
pub(super) fn link(this: u128, previous: Option<u128>) -> Link<'static> {
    Link {
        id: id(this),
        previous: previous.map(id),
        previous_known: previous.is_some(),
        unsettled: &[],
        reserved: &[],
        activates: false,
    }
}

#[test]
fn one_request_after_the_other_continues() {
    let mut chain = Chain::default();
    assert_eq!(chain.receive(&link(1, None), day(0)), Step::Begins);
    assert_eq!(chain.receive(&link(2, Some(1)), day(1)), Step::Continues);
    // Even after half a year of silence.
    assert_eq!(chain.receive(&link(3, Some(2)), day(180)), Step::Continues);
    assert!(!chain.is_forked());
}

#[test]
fn a_lost_answer_is_no_fork() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    chain.receive(&link(2, Some(1)), day(1));
    // The answer to 2 was lost, and so was request 3 on its way: both are named as unsettled.
    let unsettled = [id(2), id(3)];
    let next = Link { unsettled: &unsettled, ..link(4, Some(1)) };
    assert_eq!(chain.receive(&next, day(2)), Step::Continues);
}

#[test]
fn what_may_have_been_sent_is_no_fork_and_may_be_sent_yet() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    // Neither 51 nor 52 could be stored, and the asker was started again: it names what they may have been.
    chain.receive(&link(51, Some(1)), day(1));
    chain.receive(&link(52, Some(51)), day(2));
    let reserved = [id(50), id(51), id(52), id(53)];
    let next = Link { reserved: &reserved, ..link(2, Some(1)) };
    assert_eq!(chain.receive(&next, day(3)), Step::Continues);
    assert_eq!(chain.receive(&link(53, Some(2)), day(4)), Step::Continues);
    assert!(!chain.is_forked());
    // A courier was under way with one that nobody remembers having made.
    assert_eq!(chain.receive(&link(50, Some(52)), day(4)), Step::Overtaken);
    assert_eq!(chain.receive(&link(54, Some(53)), day(4)), Step::Continues);
    assert!(!chain.is_forked());
    // One that the chain has left behind is a fork whatever else is named.
    let restored = Link { reserved: &[id(60)], ..link(61, Some(1)) };
    assert_eq!(chain.receive(&restored, day(5)), Step::Forks);
}

#[test]
fn a_restored_snapshot_forks_until_its_other_branch_is_silent_for_14_days() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    chain.receive(&link(2, Some(1)), day(1));
    chain.receive(&link(3, Some(2)), day(2));
    assert_eq!(chain.receive(&link(4, Some(1)), day(3)), Step::Forks);
    assert!(chain.is_forked());
    assert_eq!(chain.receive(&link(5, Some(4)), day(15)), Step::Continues);
    assert!(chain.is_forked(), "13 days of silence");
    assert_eq!(chain.receive(&link(6, Some(5)), day(16)), Step::Continues);
    assert!(!chain.is_forked(), "14 days of silence");
}

#[test]
fn two_copies_that_both_live_stay_forked() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    // Each branch's last request.
    let mut last = [1; 2];
    for n in 1..60 {
        let branch = &mut last[usize::from(n % 2 == 0)];
        let this = 100 + u128::try_from(n).unwrap();
        chain.receive(&link(this, Some(*branch)), day(n));
        *branch = this;
        assert_eq!(chain.is_forked(), n > 1, "day {n}");
    }
    assert_eq!(chain.branches().len(), 2);
}

#[test]
fn an_agent_that_lost_its_store_starts_again_by_activating() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    let again = Link { activates: true, ..link(2, None) };
    assert_eq!(chain.receive(&again, day(1)), Step::Restarts);
    assert!(!chain.is_forked());
    // If that was a copy, its original shows it.
    assert_eq!(chain.receive(&link(3, Some(1)), day(2)), Step::Forks);
    // From now on activating again mends nothing.
    let again = Link { activates: true, ..link(4, None) };
    assert_eq!(chain.receive(&again, day(3)), Step::Forks);
}

#[test]
fn a_refresh_that_follows_nothing_forks() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    assert_eq!(chain.receive(&link(2, None), day(1)), Step::Forks);
}

#[test]
fn a_portal_that_lost_the_request_takes_the_next() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    let next = Link { previous_known: false, ..link(9, Some(8)) };
    assert_eq!(chain.receive(&next, day(1)), Step::Restarts);
    assert!(!chain.is_forked());
}

proptest! {
    /// One agent whose answers and requests are lost at random is never taken for two.
    #[test]
    fn an_honest_agent_never_forks(losses in prop::collection::vec((any::<bool>(), any::<bool>(), 0i64..40), 1..60)) {
        let mut chain = Chain::default();
        let mut previous = None;
        let mut unsettled: Vec<RequestId> = Vec::new();
        let mut today = 0;
        chain.receive(&Link { activates: true, ..link(1, None) }, day(0));
        previous.replace(id(1));
        for (n, (request_lost, answer_lost, days)) in losses.into_iter().enumerate() {
            today += days;
            let this = id(2 + n as u128);
            let link = Link { id: this, previous, previous_known: true, unsettled: &unsettled, reserved: &[], activates: false };
            if !request_lost {
                prop_assert_eq!(chain.receive(&link, day(today)), Step::Continues);
            }
            if request_lost || answer_lost {
                unsettled.push(this);
            } else {
                previous = Some(this);
                unsettled.clear();
            }
        }
        prop_assert!(!chain.is_forked());
    }

    /// Whatever is sent, the chain stays small, and who has just spoken is in it.
    #[test]
    fn the_chain_stays_small(sent in prop::collection::vec((0u128..20, 0u128..20, any::<bool>(), any::<bool>(), 0i64..5), 1..200)) {
        let mut chain = Chain::default();
        let mut today = 0;
        for (this, previous, known, activates, days) in sent {
            today += days;
            let link = Link { previous_known: known, activates, ..link(this, (previous > 0).then_some(previous)) };
            chain.receive(&link, day(today));
            prop_assert!(chain.branches().len() <= 8);
            prop_assert!(chain.branches().iter().any(|b| b.head == id(this)));
        }
    }
}

//! What the calendar alone changes, at the exact second.

use super::{props::at, stage::*};
use crate::entitlement::{Reason, State};
use jiff::{SignedDuration, Timestamp};

/// Waits for the next change of the status that is not one of its times, and says when it came.
async fn next_change(stage: &Stage) -> Timestamp {
    let mut published = stage.handle().published.clone();
    let generation = stage.generation();
    while published.borrow_and_update().as_ref().unwrap().status.generation == generation {
        published.changed().await.unwrap();
    }
    stage.world.truth()
}

#[track_caller]
fn at_the_second(found: Timestamp, expected: &str) {
    let late = found.duration_since(at(expected));
    assert!(!late.is_negative() && late < SignedDuration::from_millis(20), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn each_state_begins_with_its_first_second() {
    let stage = Stage::activated().await;
    stage.link.cut();
    let turns = [
        ("2026-11-02T00:00:00Z", State::Active, State::Expiring, Reason::TermEnds),
        ("2027-01-01T00:00:00Z", State::Expiring, State::Grace, Reason::TermEnded),
        ("2027-01-31T00:00:00Z", State::Grace, State::Restricted, Reason::GraceEnded),
    ];
    for (boundary, before, after, reason) in turns {
        stage.leap_to(at(boundary) - SignedDuration::from_secs(100)).await;
        // The day before has its own change, and the portal its condition.
        stage.pass(MINUTE).await;
        assert_eq!(stage.status().state, before, "{boundary}");
        let generation = stage.generation();
        at_the_second(next_change(&stage).await, boundary);
        let status = stage.status();
        assert_eq!((status.state, status.reason), (after, reason));
        assert_eq!(status.since, at(boundary));
        assert_eq!(status.generation, generation + 1);
        assert_eq!(status.entitled, after.entitled());
    }
}

#[tokio::test(start_paused = true)]
async fn days_go_by_one_generation_each() {
    let stage = Stage::activated().await;
    stage.leap_to(at("2026-05-05T12:00:00Z")).await;
    stage.refresh().await.unwrap();
    let (generation, days) = (stage.generation(), stage.status().license.unwrap().days_left);
    for day in 1..4 {
        stage.idle(DAY).await;
        assert_eq!(stage.status().license.unwrap().days_left, days - day);
        assert_eq!(stage.generation(), generation + u64::try_from(day).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_in_that_is_due_is_told_at_its_second_and_cured_by_a_word() {
    let stage = Stage::started().await;
    let policy = |terms: &mut crate::portal::domain::Terms| terms.check_in_days = Some(10);
    stage.portal.update_subscription(stage.subscription.id, policy).unwrap();
    stage.activate().await.unwrap();
    stage.leap_to(at("2026-03-05T12:00:00Z")).await;
    stage.refresh().await.unwrap();
    stage.link.cut();
    let heard = stage.state().last_contact.unwrap();
    let deadline = heard + SignedDuration::from_hours(240);
    stage.leap_to(deadline - SignedDuration::from_secs(100)).await;
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().state, State::Active);
    at_the_second(next_change(&stage).await, &deadline.to_string());
    assert_eq!(stage.status().reason, Reason::CheckInOverdue);
    stage.link.mend();
    assert_eq!(stage.refresh().await.unwrap().status.state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_through_a_boundary_knows_it_when_it_wakes() {
    let stage = Stage::activated().await;
    stage.leap(DAY * 320).await;
    assert_eq!(stage.status().state, State::Grace);
}

//! Clocks that are wrong: what is served, what is told, and what is left of it when they are right again.

use super::{props::at, stage::*};
use crate::entitlement::{ConditionType, Reason, State};
use jiff::SignedDuration;

#[tokio::test(start_paused = true)]
async fn a_clock_of_1970_stands_at_what_is_proven() {
    let mut stage = Stage::activated().await;
    stage.stop().await;
    stage.world.boot();
    stage.world.set_clock(at("1969-12-31T23:59:00Z"));
    stage.start().await;
    assert_eq!(stage.status().state, State::Active);
    assert_eq!(stage.conditions(), [ConditionType::ClockSkewed]);
    // Told once, however long it goes on.
    let (generation, entries) = (stage.generation(), stage.events().len());
    stage.pass(HOUR).await;
    assert_eq!(stage.generation(), generation);
    assert_eq!(stage.events().len(), entries);
    stage.world.mend_clock();
    stage.pass(MINUTE).await;
    assert_eq!(stage.conditions(), []);
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_clock_of_2099_that_is_mended_within_a_day_leaves_no_trace() {
    let mut stage = Stage::activated().await;
    stage.stop().await;
    stage.world.boot();
    stage.world.set_clock(at("2099-01-01T00:00:00Z"));
    stage.start().await;
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    stage.idle(HOUR * 20).await;
    stage.world.mend_clock();
    stage.pass(MINUTE).await;
    assert_eq!((stage.status().state, stage.conditions()), (State::Active, vec![]));
    stage.idle(DAY * 2).await;
    assert_eq!((stage.status().state, stage.conditions()), (State::Active, vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_mends_what_a_clock_did_that_was_wrong_for_days() {
    let stage = Stage::activated().await;
    stage.link.cut();
    stage.world.set_clock(at("2099-01-01T00:00:00Z"));
    stage.idle(DAY * 2).await;
    stage.world.mend_clock();
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    assert!(stage.conditions().contains(&ConditionType::ClockSkewed));
    // Also where the answer brings a license, which would be over by the time that was observed.
    let edit = |terms: &mut crate::portal::domain::Terms| terms.edition = "ultimate".to_owned();
    stage.portal.update_subscription(stage.subscription.id, edit).unwrap();
    stage.link.mend();
    let status = stage.refresh().await.unwrap().status;
    assert_eq!(status.state, State::Active);
    assert_eq!(status.license.unwrap().edition, "ultimate");
    assert_eq!(stage.conditions(), []);
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_machine_may_be_activated_while_its_clock_is_ahead() {
    let stage = Stage::started().await;
    stage.world.set_clock(at("2099-01-01T00:00:00Z"));
    stage.pass(MINUTE).await;
    stage.activate().await.unwrap();
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    stage.world.mend_clock();
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().state, State::Active);
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_clock_turned_back_saves_nobody_from_the_end_of_a_term() {
    let mut stage = Stage::activated().await;
    stage.link.cut();
    for _ in 0..3 {
        stage.leap(DAY * 120).await;
        stage.pass(HOUR).await;
    }
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    stage.idle(DAY + HOUR).await;
    stage.world.set_clock(at("2026-03-02T00:00:00Z"));
    stage.pass(HOUR).await;
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    stage.restart().await;
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    assert!(stage.conditions().contains(&ConditionType::ClockSkewed));
}

#[tokio::test(start_paused = true)]
async fn what_was_observed_outlives_a_restart() {
    let mut stage = Stage::activated().await;
    stage.link.cut();
    stage.idle(DAY * 3).await;
    let truth = stage.world.truth();
    let observed = stage.state().time.observed.unwrap();
    let trailing = truth.duration_since(observed);
    let day = SignedDuration::from_hours(24);
    assert!(trailing >= day && trailing < day + SignedDuration::from_hours(2), "{trailing:?}");
    stage.restart().await;
    assert_eq!(stage.state().time.observed, Some(observed));
}

/// Two years ahead for more than a day, until the portal signs the true time. Found by the simulation.
async fn ahead(stage: &Stage, meanwhile: impl FnOnce(&Stage)) {
    stage.world.set_clock(stage.world.truth() + SignedDuration::from_hours(24 * 730));
    stage.idle(DAY + HOUR * 2).await;
    meanwhile(stage);
    stage.idle(HOUR * 2).await;
    stage.world.mend_clock();
    stage.refresh().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
    // The next survey.
    stage.idle(HOUR * 2).await;
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_other_hardware_does_not_last_until_a_time_that_a_wrong_clock_told() {
    let stage = Stage::activated().await;
    ahead(&stage, |stage| stage.hardware.is_another()).await;
    assert_eq!(stage.conditions(), [ConditionType::HardwareChanged]);
    stage.idle(HOUR * 68).await;
    assert_eq!(stage.status().state, State::Active, "a grace it has");
    stage.idle(HOUR * 6).await;
    assert_eq!(stage.status().reason, Reason::HardwareChanged);
}

#[tokio::test(start_paused = true)]
async fn unreadable_hardware_is_not_put_up_with_until_a_time_that_a_wrong_clock_told() {
    let stage = Stage::activated().await;
    ahead(&stage, |_| ()).await;
    stage.hardware.can_not_be_read();
    stage.idle(DAY * 29).await;
    assert_eq!(stage.status().state, State::Active);
    assert_eq!(stage.conditions(), [ConditionType::HardwareUnreadable]);
    stage.idle(DAY * 5).await;
    assert_eq!(stage.status().reason, Reason::HardwareChanged);
}

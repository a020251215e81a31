//! Clocks that are wrong: what is served, what is told, and what is left of it when they are right again.

use super::{props::at, stage::*};
use crate::{
    agent::Clock,
    entitlement::{ConditionType, Reason, State},
    portal::domain::Terms,
};
use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, prelude::*};

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

/// An environment that must hear from the portal every ten days.
async fn checked_in() -> Stage {
    let stage = Stage::started().await;
    let policy = |terms: &mut Terms| terms.check_in_days = Some(10);
    stage.portal.update_subscription(stage.subscription.id, policy).unwrap();
    stage.activate().await.unwrap();
    stage
}

/// With a clock that is right and no way to the portal, the check-in must be overdue ten days after it spoke, and no sooner.
async fn is_overdue_ten_days_after(stage: &Stage, spoke: Timestamp) {
    stage.link.cut();
    stage.world.mend_clock();
    let deadline = spoke + SignedDuration::from_hours(240);
    stage.leap_to(deadline - SignedDuration::from_secs(200)).await;
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().state, State::Active, "{:?}", stage.status());
    stage.pass(MINUTE * 5).await;
    assert_eq!(stage.status().reason, Reason::CheckInOverdue, "{:?}", stage.status());
}

#[tokio::test(start_paused = true)]
async fn a_word_that_came_while_the_clock_was_ahead_is_no_check_in_for_ever() {
    let stage = checked_in().await;
    stage.world.set_clock(at("2099-01-01T00:00:00Z"));
    stage.leap(HOUR).await;
    stage.refresh().await.unwrap();
    let spoke = stage.world.truth();
    is_overdue_ten_days_after(&stage, spoke).await;
}

#[tokio::test(start_paused = true)]
async fn a_contact_of_the_future_that_an_older_agent_stored_counts_from_what_is_proven() {
    let mut stage = checked_in().await;
    let spoke = stage.world.truth();
    stage.stop().await;
    let mut state = stage.state();
    state.last_contact = Some(at("2099-01-01T00:00:00Z"));
    crate::store::Store::commit(&mut stage.store.clone(), &state, &[]).unwrap();
    stage.link.cut();
    stage.start().await;
    is_overdue_ten_days_after(&stage, spoke).await;
}

proptest! {
    // Each case is a life of the whole agent.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_the_clock_said_a_check_in_counts_from_the_portals_own_time(
        words in vec((prop_oneof![Just(0), -3_000_000_000i64..2_300_000_000], 1..100u32), 1..8)
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stage = checked_in().await;
            let mut spoke = stage.world.truth();
            for (error, hours) in words {
                stage.world.set_clock(stage.world.truth() + SignedDuration::from_secs(error));
                stage.leap(HOUR * hours).await;
                stage.refresh().await.unwrap();
                spoke = stage.world.truth();
                let heard = stage.state().last_contact.unwrap();
                assert!(spoke.duration_since(heard).abs() < SignedDuration::from_secs(2), "{heard}");
                assert!(stage.state().time.proven >= Some(heard));
            }
            is_overdue_ten_days_after(&stage, spoke).await;
        });
    }
}

/// The four clocks at boot, before the whole agent: what is stored is served by what is proven, or for as long as the clock is
/// ahead by that; mended, nothing of it is left.
#[tokio::test(start_paused = true)]
async fn the_clocks_of_1969_2038_2106_and_2099_at_boot_leave_no_trace() {
    for clock in [
        "1969-07-20T20:17:00Z",
        "1970-01-01T00:00:00Z",
        "2038-01-19T03:14:07Z",
        "2038-01-19T03:14:08Z",
        "2106-02-07T06:28:15Z",
        "2106-02-07T06:28:16Z",
        "2099-01-01T00:00:00Z",
    ] {
        let mut stage = Stage::activated().await;
        let before = stage.status();
        stage.kill().await;
        stage.world.boot();
        stage.world.set_clock(at(clock));
        stage.start().await;
        stage.pass(HOUR).await;
        let status = stage.status();
        let is_ahead = stage.world.read().clock > stage.world.truth();
        let expected = if is_ahead { State::Restricted } else { State::Active };
        assert_eq!(status.state, expected, "{clock}");
        assert!(stage.conditions().contains(&ConditionType::ClockSkewed), "{clock}");
        assert_eq!(status.license.as_ref().map(|l| &l.id), before.license.as_ref().map(|l| &l.id));
        // The cure is not locked, whatever the clock says.
        stage.refresh().await.unwrap();
        stage.world.mend_clock();
        stage.pass(MINUTE).await;
        assert_eq!((stage.status().state, stage.conditions()), (State::Active, vec![]), "{clock}");
        stage.idle(DAY * 2).await;
        assert_eq!((stage.status().state, stage.conditions()), (State::Active, vec![]), "{clock}");
        stage.assert_no_fork();
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_is_named_as_soon_as_the_portal_has_answered() {
    let stage = Stage::activated().await;
    stage.world.set_clock(stage.world.truth() + SignedDuration::from_mins(50));
    stage.refresh().await.unwrap();
    assert_eq!(stage.conditions(), []);
    stage.world.set_clock(at("2038-06-01T00:00:00Z"));
    stage.refresh().await.unwrap();
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    assert_eq!(stage.conditions(), [ConditionType::ClockSkewed]);
    stage.world.mend_clock();
    stage.pass(MINUTE).await;
    assert_eq!((stage.status().state, stage.conditions()), (State::Active, vec![]));
    stage.refresh().await.unwrap();
    assert_eq!(stage.conditions(), []);
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

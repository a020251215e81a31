//! The first start, and every start after it.

use super::{props::at, stage::*};
use crate::{
    api::Command,
    entitlement::{ConditionType, Reason, State},
    identity::Verdict,
};

#[tokio::test(start_paused = true)]
async fn the_first_start_mints_and_is_unlicensed() {
    let mut stage = Stage::new();
    stage.start().await;
    let status = stage.status();
    assert_eq!((status.state, status.reason), (State::Unlicensed, Reason::NotActivated));
    assert!(!status.entitled);
    assert_eq!(status.generation, 1);
    assert_eq!(status.hardware.unwrap().verdict, Verdict::Unchanged);
    assert!(status.license.is_none() && status.environment.is_none());
    assert_eq!(status.serial_number, stage.state().enrolled.map(|e| e.serial_number));
    assert!(status.serial_number.is_some());
    assert_eq!(stage.actions_after(0), ["enrolled", "status-changed"]);
    // Nobody has asked for anything.
    assert_eq!(stage.link.sent(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_same_hardware_has_the_same_serial_number_without_any_state() {
    let (one, other) = (Stage::started().await, Stage::started().await);
    assert_eq!(one.status().serial_number, other.status().serial_number);
}

#[tokio::test(start_paused = true)]
async fn hardware_without_evidence_is_asked_again_until_it_has_some() {
    let mut stage = Stage::new();
    stage.hardware.says_nothing();
    stage.start().await;
    let status = stage.status();
    assert_eq!((status.state, status.serial_number), (State::Unlicensed, None));
    assert!(status.message.contains("no Serial Number was made"), "{}", status.message);
    let refused = stage.activate().await.unwrap_err();
    assert_eq!(refused.code(), "identity-no-evidence");

    stage.hardware.is_the_first();
    stage.pass(MINUTE * 2).await;
    assert!(stage.status().serial_number.is_some());
    stage.activate().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_restart_serves_the_stored_license_before_any_survey() {
    let mut stage = Stage::activated().await;
    let before = stage.status();
    stage.stop().await;
    stage.hardware.crashes_its_reader();
    stage.link.cut();
    stage.start().await;
    let after = stage.status();
    assert_eq!((after.state, after.entitled), (State::Active, true));
    assert_eq!(after.serial_number, before.serial_number);
    assert_eq!(after.license, before.license);
    assert_eq!(after.features, before.features);
    assert_eq!(after.hardware, before.hardware);
    assert_eq!(after.since, before.since);
    assert_eq!((after.generation, after.conditions), (before.generation, before.conditions));
    assert!(stage.handle().current().unwrap().license.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_calendar_goes_on_while_the_hardware_can_not_be_read() {
    let mut stage = Stage::activated().await;
    stage.stop().await;
    stage.hardware.crashes_its_reader();
    stage.leap_to(at("2027-01-30T23:59:50Z")).await;
    stage.start().await;
    assert_eq!(stage.status().state, State::Grace);
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().reason, Reason::GraceEnded);
}

#[tokio::test(start_paused = true)]
async fn a_restart_changes_nothing() {
    let mut stage = Stage::activated().await;
    for restart in 0..5 {
        let (before, entries) = (stage.status(), stage.events().len());
        if restart % 2 == 0 {
            stage.stop().await;
        } else {
            stage.kill().await;
        }
        stage.world.boot();
        stage.start().await;
        let after = stage.status();
        assert_eq!(after.generation, before.generation, "{before:?} {after:?}");
        assert_eq!(after.conditions, before.conditions);
        assert_eq!(stage.actions_after(entries), [""; 0]);
    }
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_restart_without_the_portal_changes_nothing_either() {
    let mut stage = Stage::activated().await;
    stage.link.cut();
    stage.refresh().await.unwrap_err();
    let before = stage.status();
    assert_eq!(stage.conditions(), [ConditionType::PortalUnreachable]);
    assert_eq!(before.upstream.reachable, Some(false));
    stage.restart().await;
    let after = stage.status();
    assert_eq!(after.generation, before.generation);
    assert_eq!(after.conditions, before.conditions);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_had_to_mend_is_told() {
    let mut stage = Stage::activated().await;
    stage.stop().await;
    let entries = stage.events().len();
    let recovered = Some("the database was damaged".to_owned());
    stage.start_with(Box::new(stage.store.clone()), recovered).await;
    assert_eq!(stage.status().state, State::Active);
    assert_eq!(stage.conditions(), [ConditionType::StoreDegraded]);
    assert_eq!(stage.status().conditions[0].reason, "Recovered");
    assert_eq!(stage.actions_after(entries), ["store-recovered", "status-changed"]);
    stage.restart().await;
    assert_eq!(stage.conditions(), []);
}

#[tokio::test(start_paused = true)]
async fn who_asks_before_the_first_survey_is_told_to_come_again() {
    let mut stage = Stage::new();
    stage.hardware.crashes_its_reader();
    stage.start().await;
    assert_eq!(stage.handle().current().unwrap_err().code(), "not-ready");
    assert_eq!(stage.activate().await.unwrap_err().code(), "not-ready");
    assert_eq!(stage.change(Command::Release).await.unwrap_err().code(), "not-activated");
    // A reader that crashes is asked again.
    stage.hardware.is_the_first();
    stage.pass(MINUTE * 2).await;
    assert_eq!(stage.status().state, State::Unlicensed);
}

#[tokio::test(start_paused = true)]
async fn root_keys_that_went_missing_take_no_license_away() {
    let mut stage = Stage::activated().await;
    let before = stage.status();
    stage.has_roots = false;
    stage.restart().await;
    let status = stage.status();
    assert!(status.entitled, "{status:?}");
    assert_eq!((status.state, status.license), (before.state, before.license));
    // Nothing new was to be verified meanwhile; a refresh is, by the key that is kept.
    stage.refresh().await.unwrap();
    assert!(stage.status().entitled);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_lost_activates_again_by_the_code_that_was_kept() {
    let mut stage = Stage::activated().await;
    let environment = stage.status().environment;
    stage.stop().await;
    stage.store = crate::store::tests::FlakyStore::default();
    stage.start().await;
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().environment, environment);
    stage.assert_no_fork_but_restarts();
}

//! From an Activation Code to a license, and what a refusal leaves behind: nothing.

use super::stage::*;
use crate::{
    api::Command,
    codes::ActivationCode,
    entitlement::{ConditionType, LicenseSource, State},
    license::{Purpose, Sequence},
};

#[tokio::test(start_paused = true)]
async fn an_activation_makes_it_active() {
    let stage = Stage::started().await;
    let before = stage.generation();
    let done = stage.activate().await.unwrap();
    assert_eq!(done.status, stage.status());
    let status = done.status;
    assert_eq!((status.state, status.entitled), (State::Active, true));
    assert_eq!(status.generation, before + 1);
    assert_eq!(status.conditions, []);
    let license = status.license.unwrap();
    assert_eq!((license.sequence, license.source), (Sequence(1), LicenseSource::Portal));
    assert_eq!(license.activation_code, Some(stage.subscription.activation_code.masked()));
    assert_eq!(status.environment.unwrap().purpose, Purpose::Production);
    assert_eq!(status.upstream.reachable, Some(true));
    assert!(status.upstream.next_refresh.unwrap() > status.upstream.last_contact.unwrap());

    let kept = stage.state();
    let previous = kept.chain.previous;
    assert!(previous.is_some() && kept.chain.unsettled.is_empty() && kept.chain.pending.is_none());
    assert_eq!(kept.floor, Some(Sequence(1)));
    assert_eq!(kept.time.proven, kept.last_contact);
    assert_eq!(stage.environment().sequence, Sequence(1));
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn the_settings_activate_by_themselves() {
    let mut stage = Stage::new();
    stage.configured = Some(stage.subscription.activation_code.clone());
    stage.start().await;
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().state, State::Active);
    assert_eq!(stage.link.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_settings_do_not_take_a_released_license_back() {
    let mut stage = Stage::new();
    stage.configured = Some(stage.subscription.activation_code.clone());
    stage.start().await;
    stage.pass(MINUTE).await;
    stage.change(Command::Release).await.unwrap();
    stage.idle(DAY * 3).await;
    stage.restart().await;
    stage.idle(DAY).await;
    assert_eq!(stage.status().state, State::Unlicensed);
    assert_eq!(stage.link.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_activation_leaves_no_trace_but_its_entry() {
    let stage = Stage::started().await;
    let (before, entries) = (stage.status(), stage.events().len());
    let code = Some(ActivationCode::random().unwrap());
    let command = Command::Activate { code, name: None, purpose: None };
    let refused = stage.change(command).await.unwrap_err();
    assert_eq!(refused.code(), "activation-code-unknown");
    let after = stage.status();
    assert_eq!((after.state, after.license), (before.state, None));
    assert_eq!(after.conditions, []);
    assert_eq!(stage.state().chain.pending, None);
    assert_eq!(stage.directory.activation_code().unwrap(), None);
    let actions = stage.actions_after(entries);
    assert_eq!(actions.iter().filter(|action| *action != "status-changed").count(), 2);
    assert!(actions.contains(&"requested".to_owned()) && actions.contains(&"refused".to_owned()));

    // The right one works after it.
    stage.activate().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_code_does_not_take_the_place_of_the_right_one() {
    let mut stage = Stage::activated().await;
    let before = stage.status();
    let code = Some(ActivationCode::random().unwrap());
    let command = Command::Activate { code, name: None, purpose: None };
    stage.change(command).await.unwrap_err();
    assert_eq!(stage.status().license, before.license);
    assert_eq!(stage.status().state, State::Active);
    let kept = stage.directory.activation_code().unwrap();
    assert_eq!(kept.as_ref(), Some(&stage.subscription.activation_code));
    stage.restart().await;
    assert_eq!(stage.status().license, before.license);
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn an_activation_that_was_not_answered_goes_on_after_a_restart() {
    let mut stage = Stage::started().await;
    stage.link.lose_answers();
    assert_eq!(stage.activate().await.unwrap_err().code(), "portal-unreachable");
    assert_eq!(stage.status().state, State::Unlicensed);
    stage.kill().await;
    stage.link.mend();
    stage.start().await;
    stage.pass(MINUTE).await;
    let status = stage.status();
    assert_eq!(status.state, State::Active);
    // The code was not lost with the process.
    let masked = stage.subscription.activation_code.masked();
    assert_eq!(status.license.unwrap().activation_code, Some(masked));
    let kept = stage.directory.activation_code().unwrap();
    assert_eq!(kept.as_ref(), Some(&stage.subscription.activation_code));
    let sent = stage.link.sent();
    assert_eq!(sent[0], sent[1], "the very same request is sent again");
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_code_is_needed_once() {
    let stage = Stage::started().await;
    let again = || stage.change(Command::Activate { code: None, name: None, purpose: None });
    assert_eq!(again().await.unwrap_err().code(), "no-activation-code");
    stage.activate().await.unwrap();
    let generation = stage.generation();
    again().await.unwrap();
    assert_eq!(stage.generation(), generation, "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn another_name_brings_another_license() {
    let stage = Stage::activated().await;
    let name = Some("Headquarters".to_owned());
    let code = Some(stage.subscription.activation_code.clone());
    let done = stage.change(Command::Activate { code, name, purpose: None }).await.unwrap();
    assert_eq!(done.status.environment.unwrap().name, "Headquarters");
    assert_eq!(done.status.license.unwrap().sequence, Sequence(2));
}

#[tokio::test(start_paused = true)]
async fn without_a_portal_the_mend_is_named() {
    let mut stage = Stage::new();
    stage.is_on_line = false;
    stage.start().await;
    assert_eq!(stage.activate().await.unwrap_err().code(), "portal-not-set");
    assert_eq!(stage.refresh().await.unwrap_err().code(), "portal-not-set");
    assert_eq!(stage.change(Command::Release).await.unwrap_err().code(), "portal-not-set");
    assert_eq!(stage.status().upstream.kind, "none");
}

#[tokio::test(start_paused = true)]
async fn one_exchange_at_a_time() {
    let stage = Stage::activated().await;
    stage.link.delay(MINUTE);
    let (one, other, third) =
        tokio::join!(stage.refresh(), stage.refresh(), stage.change(Command::Release),);
    assert_eq!(one.unwrap().status, other.unwrap().status);
    assert_eq!(third.unwrap_err().code(), "exchange-under-way");
    assert_eq!(stage.link.sent().len(), 2, "an activation and one refresh");
    // Nothing of it shows.
    assert!(!stage.conditions().contains(&ConditionType::PortalUnreachable));
}

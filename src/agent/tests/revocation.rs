//! The vendor's word, and the customer's: revoked and resumed, released and activated again, renewed.

use super::{props::at, stage::*};
use crate::{
    api::Command,
    entitlement::{Reason, State},
    license::Sequence,
};

#[tokio::test(start_paused = true)]
async fn a_revocation_restricts_and_a_resumption_mends() {
    let mut stage = Stage::activated().await;
    let id = stage.subscription.id;
    stage.portal.revoke_subscription(id, "charged back").unwrap();
    let generation = stage.generation();
    let status = stage.refresh().await.unwrap().status;
    assert_eq!((status.state, status.reason), (State::Restricted, Reason::Revoked));
    assert_eq!(status.generation, generation + 1);
    assert!(!status.entitled && status.message.contains("charged back"), "{}", status.message);
    // It is still shown what is revoked.
    assert_eq!(status.license.unwrap().sequence, Sequence(1));

    // Neither another answer nor a restart nor the license itself lifts it.
    let held = stage.state().license.unwrap().text;
    let entries = stage.events().len();
    stage.refresh().await.unwrap();
    assert_eq!(stage.generation(), generation + 1);
    assert!(!stage.actions_after(entries).contains(&"revoked".to_owned()));
    stage.restart().await;
    assert_eq!(stage.status().reason, Reason::Revoked);
    assert_eq!(stage.install(held).await.unwrap_err().code(), "document-sequence");
    assert_eq!(stage.status().reason, Reason::Revoked);

    stage.portal.resume_subscription(id).unwrap();
    let status = stage.refresh().await.unwrap().status;
    assert_eq!((status.state, status.entitled), (State::Active, true));
    assert_eq!(status.license.unwrap().sequence, Sequence(3));
    assert_eq!(stage.state().revocation, None);
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_release_ends_it_and_an_activation_begins_again() {
    let mut stage = Stage::activated().await;
    let released = stage.state().license.unwrap().text;
    let status = stage.change(Command::Release).await.unwrap().status;
    assert_eq!((status.state, status.reason), (State::Unlicensed, Reason::Released));
    assert!(status.license.is_none() && status.environment.is_none());
    assert!(status.features.is_empty() && status.limits.is_empty());
    assert_eq!(stage.directory.activation_code().unwrap(), None);
    assert!(stage.handle().current().unwrap().license.is_none());
    assert!(stage.environment().is_released());

    // What was given back does not come back from a drawer.
    assert_eq!(stage.install(released).await.unwrap_err().code(), "document-sequence");
    stage.restart().await;
    assert_eq!(stage.status().reason, Reason::Released);
    assert_eq!(stage.refresh().await.unwrap_err().code(), "not-activated");

    let status = stage.activate().await.unwrap().status;
    assert_eq!(status.state, State::Active);
    assert_eq!(status.license.unwrap().sequence, Sequence(3));
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_answer_is_lost_is_done_when_it_is_answered() {
    let stage = Stage::activated().await;
    stage.link.lose_answers();
    stage.change(Command::Release).await.unwrap_err();
    assert_eq!(stage.status().state, State::Active);
    stage.link.mend();
    stage.pass(MINUTE).await;
    assert_eq!(stage.status().reason, Reason::Released);
    stage.activate().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_the_vendor_takes_back_is_released_at_the_next_refresh() {
    let stage = Stage::activated().await;
    stage.portal.release_environment(stage.environment().id).unwrap();
    stage.idle(DAY).await;
    assert_eq!(stage.status().reason, Reason::Released);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_lengthens_the_term() {
    let stage = Stage::activated().await;
    stage.leap_to(at("2026-12-20T00:00:00Z")).await;
    stage.pass(HOUR).await;
    assert_eq!(stage.status().state, State::Expiring);
    let ends_at = at("2028-01-01T00:00:00Z");
    let renew = move |terms: &mut crate::portal::domain::Terms| terms.ends_at = ends_at;
    stage.portal.update_subscription(stage.subscription.id, renew).unwrap();
    stage.idle(DAY).await;
    let status = stage.status();
    assert_eq!((status.state, status.reason), (State::Active, Reason::InTerm));
    let license = status.license.unwrap();
    assert_eq!((license.ends_at, license.sequence), (ends_at, Sequence(2)));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_cures_what_is_over_already() {
    let stage = Stage::activated().await;
    stage.link.cut();
    stage.leap_to(at("2027-02-10T00:00:00Z")).await;
    assert_eq!(stage.status().reason, Reason::GraceEnded);
    let renew = |terms: &mut crate::portal::domain::Terms| {
        terms.ends_at = at("2028-01-01T00:00:00Z");
    };
    stage.portal.update_subscription(stage.subscription.id, renew).unwrap();
    stage.link.mend();
    assert_eq!(stage.refresh().await.unwrap().status.state, State::Active);
}

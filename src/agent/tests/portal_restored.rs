//! A portal that was restored from a backup has forgotten what it did since; a slow request tells it of what it has left behind.
//! Found by the simulation: neither may lock a customer out, nor read as a copy.

use super::stage::*;
use crate::{
    api::Command,
    entitlement::{Reason, State},
    license::Sequence,
};

#[tokio::test(start_paused = true)]
async fn a_portal_restored_from_before_a_release_activates_again() {
    let mut stage = Stage::activated().await;
    let copy = stage.back_up_portal();
    stage.change(Command::Release).await.unwrap();
    assert_eq!(stage.state().highest_sequence(), Some(Sequence(2)));
    stage.restore_portal(copy);
    assert_eq!(stage.environment().sequence, Sequence(1), "of a release it knows nothing");

    let license = stage.activate().await.unwrap().status.license.unwrap();
    assert_eq!(license.sequence, Sequence(3));
    stage.refresh().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
    assert!(stage.portal_events().contains(&"sequence-caught-up".to_owned()));
    stage.assert_no_fork_but_restarts();
}

#[tokio::test(start_paused = true)]
async fn a_portal_restored_from_before_a_revocation_counts_on_above_it() {
    let mut stage = Stage::activated().await;
    let copy = stage.back_up_portal();
    stage.portal.revoke_subscription(stage.subscription.id, "charged back").unwrap();
    assert_eq!(stage.refresh().await.unwrap().status.reason, Reason::Revoked);
    stage.restore_portal(copy);
    // Nobody is left who says that it is revoked: what the portal signs now is what counts.
    let status = stage.refresh().await.unwrap().status;
    assert_eq!((status.state, status.license.unwrap().sequence), (State::Active, Sequence(3)));
    stage.assert_no_fork_but_restarts();
}

#[tokio::test(start_paused = true)]
async fn a_request_from_before_a_release_that_comes_after_the_next_activation_is_no_copy() {
    let stage = Stage::activated().await;
    stage.link.cut();
    stage.refresh().await.unwrap_err();
    let slow = stage.link.sent().pop().unwrap();
    stage.link.mend();
    // The operator does not wait for it.
    let released = stage.change(Command::Release).await.unwrap();
    assert_eq!(released.status.reason, Reason::Released);
    stage.activate().await.unwrap();
    let problem = stage.portal.handle_request(slow.as_bytes()).unwrap_err();
    assert_eq!(problem.code(), "request-overtaken");
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

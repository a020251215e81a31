//! A portal that can't be reached, is busy, or whose answers are lost: nothing is taken away, and nobody is hammered.

use super::stage::*;
use crate::{entitlement::ConditionType, license::Sequence};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_lost_portal_changes_nothing_but_a_condition() {
    let stage = Stage::activated().await;
    let before = stage.status();
    stage.link.cut();
    stage.pass(DAY + HOUR).await;
    let lost = stage.status();
    assert_eq!(stage.conditions(), [ConditionType::PortalUnreachable]);
    let began = lost.conditions[0].since;
    let generation = lost.generation;
    for _ in 0..4 {
        stage.pass(HOUR * 5).await;
        let status = stage.status();
        assert!(status.entitled);
        assert_eq!(status.state, before.state);
        assert_eq!(status.features, before.features);
        assert_eq!(status.upstream.last_contact, before.upstream.last_contact);
        assert_eq!(status.conditions[0].since, began);
        // Tried again and again, told once.
        assert_eq!(status.generation, generation);
    }
    let sent = stage.link.sent();
    assert!(sent.len() > 10, "{}", sent.len());
    assert!(sent[1..].iter().all(|request| *request == sent[1]), "the very same request");

    stage.link.mend();
    stage.pass(HOUR * 2).await;
    let mended = stage.status();
    assert_eq!(mended.conditions, []);
    assert_eq!(mended.generation, generation + 1);
    assert_eq!(mended.upstream.reachable, Some(true));
    assert!(mended.upstream.last_contact > before.upstream.last_contact);
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_tries_grow_to_an_hour_and_a_success_ends_them() {
    let stage = Stage::activated().await;
    stage.link.cut();
    stage.idle(DAY * 2).await;
    stage.link.forget_sent();
    stage.pass(DAY).await;
    let pauses = stage.link.pauses();
    assert!(pauses.iter().all(|pause| *pause >= HOUR && *pause <= HOUR * 2), "{pauses:?}");

    stage.link.mend();
    stage.refresh().await.unwrap();
    stage.link.cut();
    stage.link.forget_sent();
    stage.refresh().await.unwrap_err();
    stage.pass(MINUTE * 30).await;
    let pauses = stage.link.pauses();
    let seconds = Duration::from_secs;
    assert!(pauses[0] >= seconds(5) && pauses[0] <= seconds(10) + seconds(1), "{pauses:?}");
    let grow = pauses.windows(2).all(|pair| pair[1] > pair[0].mul_f64(0.9));
    assert!(grow && pauses.len() > 4, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_comes_once_a_day_and_a_little_early() {
    let stage = Stage::activated().await;
    stage.link.forget_sent();
    stage.idle(DAY * 10).await;
    let pauses = stage.link.pauses();
    assert_eq!(pauses.len(), 9, "{pauses:?}");
    let splayed = |pause: &Duration| *pause >= DAY.mul_f64(0.9) && *pause <= DAY + MINUTE * 10;
    assert!(pauses.iter().all(splayed), "{pauses:?}");
    assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_busy_portal_is_left_alone_for_as_long_as_it_asks() {
    let stage = Stage::activated().await;
    stage.link.forget_sent();
    stage.link.be_busy(Some(HOUR * 3));
    assert_eq!(stage.refresh().await.unwrap_err().code(), "portal-busy");
    stage.pass(MINUTE * 179).await;
    assert_eq!(stage.link.sent().len(), 1);
    assert!(stage.status().entitled);
    stage.link.mend();
    stage.pass(MINUTE * 2).await;
    assert_eq!(stage.link.sent().len(), 2);
    assert_eq!(stage.conditions(), []);
}

#[tokio::test(start_paused = true)]
async fn no_portal_silences_its_agents_for_more_than_a_day() {
    let stage = Stage::activated().await;
    stage.link.be_busy(Some(DAY * 365));
    stage.refresh().await.unwrap_err();
    stage.link.forget_sent();
    stage.link.mend();
    stage.pass(DAY + MINUTE).await;
    assert_eq!(stage.link.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_had_by_asking_again() {
    let mut stage = Stage::activated().await;
    let edit = |terms: &mut crate::portal::domain::Terms| terms.edition = "ultimate".to_owned();
    stage.portal.update_subscription(stage.subscription.id, edit).unwrap();
    stage.link.lose_answers();
    stage.link.forget_sent();
    stage.refresh().await.unwrap_err();
    // The portal has issued it; the agent does not have it yet.
    assert_eq!(stage.environment().sequence, Sequence(2));
    assert_eq!(stage.status().license.as_ref().unwrap().sequence, Sequence(1));

    stage.kill().await;
    stage.link.mend();
    stage.start().await;
    stage.pass(MINUTE).await;
    let license = stage.status().license.unwrap();
    assert_eq!((license.sequence, license.edition.as_str()), (Sequence(2), "ultimate"));
    let sent = stage.link.sent();
    assert_eq!(sent[0], sent[1]);
    assert_eq!(stage.environment().sequence, Sequence(2), "the same answer, not a new one");
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_new_request_names_those_whose_answers_were_lost() {
    let stage = Stage::activated().await;
    stage.link.lose_answers();
    stage.refresh().await.unwrap_err();
    // The operator asks for something else meanwhile.
    stage.activate().await.unwrap_err();
    assert_eq!(stage.state().chain.unsettled.len(), 2);
    stage.link.mend();
    stage.refresh().await.unwrap();
    assert_eq!(stage.state().chain.unsettled, []);
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_subscription_takes_nothing_away() {
    let stage = Stage::activated().await;
    let before = stage.status();
    stage.portal.suspend_subscription(stage.subscription.id).unwrap();
    assert_eq!(stage.refresh().await.unwrap_err().code(), "subscription-suspended");
    let after = stage.status();
    assert_eq!((after.state, after.license), (before.state, before.license));
    // It is asked again in an hour, no sooner.
    stage.link.forget_sent();
    stage.pass(MINUTE * 50).await;
    assert_eq!(stage.link.sent().len(), 0);
    stage.portal.resume_subscription(stage.subscription.id).unwrap();
    stage.pass(MINUTE * 15).await;
    assert_eq!(stage.link.sent().len(), 1);
    assert_eq!(stage.status().license.unwrap().sequence, Sequence(2));
    stage.assert_no_fork();
}

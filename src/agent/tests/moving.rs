//! A planned move from one machine to another, and what both are told.

use super::stage::*;
use crate::{
    api::{Command, Problem},
    entitlement::{ConditionType, Reason, State},
    license::{RequestKind, Unverified},
};

async fn offer(stage: &Stage) -> String {
    stage.document(Command::OfferMove).await.unwrap()
}

async fn consent(stage: &Stage, offer: &str) -> Result<String, Problem> {
    stage.document(Command::ConsentToMove { offer: offer.to_owned() }).await
}

async fn accept(stage: &Stage, consent: &str) -> Result<crate::api::Done, Problem> {
    stage.change(Command::AcceptMove { consent: consent.to_owned(), by_hand: false }).await
}

async fn accept_by_hand(stage: &Stage, consent: &str) -> Result<String, Problem> {
    stage.document(Command::AcceptMove { consent: consent.to_owned(), by_hand: true }).await
}

/// A controller, and a machine that is to be it.
async fn two() -> (Stage, Stage) {
    let old = Stage::activated().await;
    let mut new = old.beside();
    new.start().await;
    (old, new)
}

#[track_caller]
fn assert_moved(old: &Stage, new: &Stage) {
    let status = new.status();
    assert_eq!((status.state, status.conditions.as_slice()), (State::Active, &[][..]));
    let environment = new.environment();
    assert_eq!(Some(environment.id), status.environment.map(|e| e.id));
    assert_eq!(Some(environment.serial_number), status.serial_number);
    assert_eq!(environment.key.map(|key| key.thumbprint()), Some(new.keys().0));
    assert!(!new.keys().1 && new.state().offer.is_none());
    let status = old.status();
    assert_eq!((status.state, status.reason), (State::Unlicensed, Reason::Retired));
    let to = environment.serial_number.to_string();
    assert!(status.message.contains(&to), "{}", status.message);
}

#[tokio::test(start_paused = true)]
async fn a_move_takes_three_documents_and_no_secret() {
    let (mut old, mut new) = two().await;
    let offer = offer(&new).await;
    let consent = consent(&old, &offer).await.unwrap();
    // Nothing has changed so far.
    assert!(old.status().entitled);
    old.refresh().await.unwrap();
    let code = old.subscription.activation_code.expose();
    for text in [&offer, &consent] {
        assert!(!text.contains(&code[..7]));
    }
    let done = accept(&new, &consent).await.unwrap();
    assert_eq!(done.status.state, State::Active);
    assert!(old.status().entitled, "it was not told yet");
    old.idle(DAY + HOUR).await;
    assert_moved(&old, &new);
    let actions = |stage: &Stage, action: &str| {
        stage.events().iter().filter(|event| event.action == action).count()
    };
    assert_eq!((actions(&new, "move-offered"), actions(&new, "key-replaced")), (1, 1));
    assert_eq!((actions(&old, "move-consented"), actions(&old, "retired")), (1, 1));

    // The old one asks no more, and takes nothing back.
    old.link.forget_sent();
    old.configured = Some(old.subscription.activation_code.clone());
    old.restart().await;
    old.idle(DAY * 3).await;
    assert_eq!(old.link.sent(), [""; 0]);
    assert_eq!(old.refresh().await.unwrap_err().code(), "not-activated");
    new.restart().await;
    new.refresh().await.unwrap();
    assert_moved(&old, &new);
}

#[tokio::test(start_paused = true)]
async fn a_move_by_courier() {
    let (mut old, mut new) = two().await;
    for stage in [&mut old, &mut new] {
        stage.is_on_line = false;
        stage.restart().await;
    }
    let consent = consent(&old, &offer(&new).await).await.unwrap();
    assert_eq!(accept(&new, &consent).await.unwrap_err().code(), "portal-not-set");
    let request = accept_by_hand(&new, &consent).await.unwrap();
    // The same bytes, however often.
    new.restart().await;
    assert_eq!(accept_by_hand(&new, &consent).await.unwrap(), request);
    let answer = new.portal.handle_request(request.as_bytes()).unwrap();
    new.install(answer).await.unwrap();
    let refresh = old.request_by_hand(RequestKind::Refresh).await.unwrap();
    let told = old.portal.handle_request(refresh.as_bytes()).unwrap();
    old.install(told).await.unwrap();
    assert_moved(&old, &new);
}

#[tokio::test(start_paused = true)]
async fn a_move_whose_answer_is_lost_is_done_when_it_is_answered() {
    let (old, mut new) = two().await;
    let consent = consent(&old, &offer(&new).await).await.unwrap();
    new.link.lose_answers();
    // Accepting it once more is no second request.
    for _ in 0..2 {
        accept(&new, &consent).await.unwrap_err();
    }
    assert_eq!(new.status().state, State::Unlicensed);
    new.kill().await;
    new.link.mend();
    new.start().await;
    new.pass(MINUTE).await;
    old.refresh().await.unwrap();
    assert_moved(&old, &new);
    let sent = new.link.sent();
    assert!(sent.len() > 2 && sent.iter().all(|text| *text == sent[0]), "the very same request");
}

#[tokio::test(start_paused = true)]
async fn an_environment_may_move_back() {
    let (old, new) = two().await;
    let text = consent(&old, &offer(&new).await).await.unwrap();
    accept(&new, &text).await.unwrap();
    old.refresh().await.unwrap();
    let text = consent(&new, &offer(&old).await).await.unwrap();
    accept(&old, &text).await.unwrap();
    new.refresh().await.unwrap();
    assert_moved(&new, &old);
}

#[tokio::test(start_paused = true)]
async fn only_who_fits_is_consented_to_and_taken_over() {
    let (old, new) = two().await;
    let first = offer(&new).await;
    assert_eq!(new.state().offer.map(|offer| offer.request), Some(None));
    // The machine itself; one with a license; one without.
    let mut stranger = old.beside();
    stranger.start().await;
    let other = offer(&stranger).await;
    assert_eq!(old.call(Command::OfferMove).await.unwrap_err().code(), "environment-here");
    assert_eq!(consent(&new, &other).await.unwrap_err().code(), "not-activated");
    let held = old.state().license.unwrap().text;
    assert_eq!(consent(&old, &held).await.unwrap_err().code(), "document-type");
    let text = consent(&old, &first).await.unwrap();
    let before = (old.state().license, new.state().chain);

    // The consent to another's offer, and one with a part exchanged or missing.
    let of_other = consent(&old, &other).await.unwrap();
    assert_eq!(accept(&new, &of_other).await.unwrap_err().code(), "document-request");
    let parts: Vec<_> = text.split_whitespace().collect();
    for (wrong, code) in [
        (String::new(), "document-type"),
        (format!("{}\n{}", parts[0], parts[1]), "document-type"),
        (format!("{}\n{}", parts[1], parts[2]), "document-no-trust"),
        (format!("{first}\n{text}"), "document-type"),
        (format!("{}\n{}\n{}x", parts[0], parts[1], &parts[2][..parts[2].len() - 1]), "document-"),
    ] {
        let refused = accept(&new, &wrong).await.unwrap_err();
        assert!(refused.code().starts_with(code), "{code}: {refused:?}");
    }
    assert_eq!((old.state().license, new.state().chain), before);
    accept(&new, &text).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_consent_needs_an_offer_and_an_offer_survives_a_restart() {
    let (old, mut new) = two().await;
    let first = offer(&new).await;
    new.restart().await;
    let id = |text: &str| {
        let claims = Unverified::parse(text).unwrap().peek::<crate::license::OfferClaims>();
        (claims.unwrap().jti, Unverified::parse(text).unwrap().kid())
    };
    assert_eq!(id(&offer(&new).await), id(&first), "it is open still");
    let text = consent(&old, &first).await.unwrap();
    let mut stranger = old.beside();
    stranger.start().await;
    assert_eq!(accept(&stranger, &text).await.unwrap_err().code(), "no-offer");
    accept(&new, &text).await.unwrap();
    assert_eq!(accept(&new, &text).await.unwrap_err().code(), "environment-here");
    assert_eq!(new.conditions(), [] as [ConditionType; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_move_may_be_accepted_again() {
    let (old, new) = two().await;
    let text = consent(&old, &offer(&new).await).await.unwrap();
    old.portal.suspend_subscription(old.subscription.id).unwrap();
    assert_eq!(accept(&new, &text).await.unwrap_err().code(), "subscription-suspended");
    assert_eq!(new.state().chain.pending, None);
    old.portal.resume_subscription(old.subscription.id).unwrap();
    accept(&new, &text).await.unwrap();
    old.refresh().await.unwrap();
    assert_moved(&old, &new);
}

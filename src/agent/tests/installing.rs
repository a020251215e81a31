//! Documents carried by hand: the right ones are taken, each wrong one is refused by its own code and changes nothing.

use super::{props::at, stage::*};
use crate::{
    api::{Command, Reply, RequestByHand},
    codes::SerialNumber,
    entitlement::{LicenseSource, State},
    license::{
        Confirmation, KeyPair, KeyStatus, LicenseClaims, MAX_DOCUMENT, PortalKey, RequestKind,
        Sequence, TrustClaims, Unverified, sign,
    },
    portal::domain::Terms,
    store::AgentState,
};
use uuid::Uuid;

/// A license of the next sequence, as the portal would issue it but for `change`.
fn license(stage: &Stage, change: impl FnOnce(&mut LicenseClaims)) -> String {
    let mut claims = stage.handle().current().unwrap().license.clone().unwrap().claims;
    claims.seq = Sequence(claims.seq.0 + 1);
    change(&mut claims);
    sign(&claims, &stage.portal_key()).unwrap()
}

fn trust(stage: &Stage) -> String {
    stage.portal.keys().trust().text().to_owned()
}

/// Installs what must be refused by that code, without a trace but the entry of it: the rest of the state, the chain in it and
/// the mark of the status in it stay as they are stored.
async fn refused(stage: &Stage, text: String, code: &str) {
    let (before, status, entries) = (stage.state(), stage.status(), stage.events().len());
    let problem = stage.install(text).await.unwrap_err();
    assert_eq!(problem.code(), code, "{}", problem.detail);
    assert_names_mend(&problem);
    let after = AgentState { revision: before.revision, ..stage.state() };
    assert_eq!(after, before, "{code}");
    assert_eq!(stage.status(), status, "{code}");
    assert_eq!(stage.actions_after(entries), ["document-refused"], "{code}");
}

#[tokio::test(start_paused = true)]
async fn a_license_with_its_trust_document_needs_no_portal() {
    // Issued to this machine at another time: its key and its Serial Number are known to the portal.
    let mut stage = Stage::activated().await;
    let held = stage.state().license.unwrap().text;
    stage.stop().await;
    stage.store = crate::store::tests::FlakyStore::default();
    stage.is_on_line = false;
    stage.start().await;
    assert_eq!(stage.status().state, State::Unlicensed);

    refused(&stage, held.clone(), "document-no-trust").await;
    let done = stage.install(format!("{}\n{held}\n", trust(&stage))).await.unwrap();
    assert_eq!(done.status.state, State::Active);
    assert_eq!(done.status.license.unwrap().source, LicenseSource::File);
    let actions: Vec<_> = stage.events().into_iter().map(|e| (e.actor, e.action)).collect();
    assert!(actions.contains(&("tester".to_owned(), "license-installed".to_owned())));
    assert!(actions.contains(&("tester".to_owned(), "trust-updated".to_owned())));

    // The same once more is no mistake, and no change.
    let (generation, entries) = (stage.generation(), stage.events().len());
    stage.install(held).await.unwrap();
    assert_eq!((stage.generation(), stage.events().len()), (generation, entries));
    stage.restart().await;
    assert_eq!(stage.status().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn the_higher_sequence_wins_by_whatever_road() {
    let stage = Stage::activated().await;
    let text = license(&stage, |claims| {
        claims.seq = Sequence(9);
        claims.subscription.edition = "by hand".to_owned();
    });
    let done = stage.install(text).await.unwrap();
    assert_eq!(done.status.license.as_ref().unwrap().edition, "by hand");
    // The portal adopts what it signed.
    let status = stage.refresh().await.unwrap().status;
    assert_eq!(status.license.unwrap().sequence, Sequence(9));
    assert_eq!(stage.environment().sequence, Sequence(9));
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_carried_by_a_courier() {
    let mut stage = Stage::started().await;
    stage.link.cut();
    stage.activate().await.unwrap_err();
    let request = stage.link.sent().remove(0);
    let answer = stage.portal.handle_request(request.as_bytes()).unwrap();
    stage.restart().await;
    let done = stage.install(answer.clone()).await.unwrap();
    assert_eq!(done.status.state, State::Active);
    assert_eq!(done.status.license.unwrap().source, LicenseSource::File);
    assert_eq!(stage.state().chain.pending, None);
    refused(&stage, answer, "document-reply").await;
    stage.link.mend();
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

/// The operator did not want to wait for the first courier, and sent a second.
#[tokio::test(start_paused = true)]
async fn two_couriers_bring_two_answers() {
    let mut stage = Stage::activated().await;
    stage.stop().await;
    stage.is_on_line = false;
    stage.start().await;
    let mut answers = Vec::new();
    for edition in ["first", "second"] {
        let edit = move |terms: &mut Terms| terms.edition = edition.to_owned();
        stage.portal.update_subscription(stage.subscription.id, edit).unwrap();
        let request = RequestByHand {
            kind: RequestKind::Refresh,
            code: None,
            name: None,
            purpose: None,
            rebind_code: None,
        };
        let Reply::Document(request) = stage.call(Command::Request(request)).await.unwrap() else {
            panic!("expected a request")
        };
        answers.push(stage.portal.handle_request(request.as_bytes()).unwrap());
    }
    for (answer, edition) in answers.into_iter().zip(["first", "second"]) {
        let done = stage.install(answer).await.unwrap();
        assert_eq!(done.status.license.unwrap().edition, edition);
    }
    assert_eq!(stage.state().chain.unsettled, []);
    stage.stop().await;
    stage.is_on_line = true;
    stage.start().await;
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

/// The first courier comes back after the second: his answer is old, and the second's stands.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_overtaken_by_another_courier_is_refused() {
    let stage = Stage::activated().await;
    stage.link.lose_answers();
    stage.refresh().await.unwrap_err();
    let first = stage.link.sent().pop().unwrap();
    let first = stage.portal.handle_request(first.as_bytes()).unwrap();
    stage.activate().await.unwrap_err();
    let second = stage.link.sent().pop().unwrap();
    let second = stage.portal.handle_request(second.as_bytes()).unwrap();
    stage.install(second).await.unwrap();
    refused(&stage, first, "document-reply").await;
    stage.link.mend();
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn every_wrong_license_is_refused_by_its_own_code() {
    let stage = Stage::activated().await;
    let stranger = KeyPair::from_seed(&[9; 32]);
    let refuse =
        |code, change: &dyn Fn(&mut LicenseClaims)| refused(&stage, license(&stage, change), code);
    refuse("document-serial", &|c| c.sub = SerialNumber::mint("smbios-uuid", "other")).await;
    let jwk = stranger.public();
    refuse("document-binding", &|c| c.cnf = Some(Confirmation { jwk })).await;
    refuse("document-audience", &|c| c.aud = "another product".to_owned()).await;
    refuse("document-environment", &|c| c.environment.id = Uuid::from_u128(5)).await;
    refuse("document-sequence", &|c| c.seq = Sequence(0)).await;
    refuse("document-sequence-reused", &|c| {
        c.seq = Sequence(1);
        c.jti = Uuid::from_u128(5);
    })
    .await;
    refuse("document-expired", &|c| {
        c.iat = at("2025-01-01T00:00:00Z");
        c.nbf = c.iat;
        c.subscription.starts_at = c.iat;
        c.subscription.ends_at = at("2025-06-01T00:00:00Z");
        c.exp = at("2025-07-01T00:00:00Z");
    })
    .await;
    refuse("document-dates", &|c| c.exp = c.subscription.starts_at).await;
    let mut claims = stage.handle().current().unwrap().license.clone().unwrap().claims;
    claims.seq = Sequence(2);
    refused(&stage, sign(&claims, &stranger).unwrap(), "document-unknown-key").await;
    // After all of it the right one is taken.
    stage.install(license(&stage, |_| ())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_damaged_file_is_refused_by_its_own_code() {
    let stage = Stage::activated().await;
    let sound = license(&stage, |_| ());
    let (signed, signature) = sound.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let other =
        if payload.contains("AA") { payload.replacen("AA", "AB", 1) } else { String::new() };
    for (text, code) in [
        (String::new(), "document-not-compact"),
        (" \n".to_owned(), "document-not-compact"),
        ("garbage".to_owned(), "document-not-compact"),
        (format!("{header}.{payload}"), "document-not-compact"),
        (format!("{header}.{other}.{signature}"), "document-signature"),
        (format!("{header}.{payload}.{}", &signature[..40]), "document-signature"),
        (format!("{header}.{payload}."), "document-signature"),
        (sound[..sound.len() / 2].to_owned(), "document-not-compact"),
        (format!("{}.{payload}.{signature}", &header[..20]), "document-malformed"),
        (format!("{sound}{}", "A".repeat(MAX_DOCUMENT)), "document-too-large"),
        (stage.link.sent().remove(0), "document-type"),
    ] {
        refused(&stage, text, code).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_in_one_document_of_a_file_spoils_the_file() {
    let stage = Stage::activated().await;
    let (sound, trust) = (license(&stage, |c| c.seq = Sequence(5)), trust(&stage));
    refused(&stage, format!("{trust} {sound} garbage"), "document-not-compact").await;
    let wrong = license(&stage, |c| {
        c.seq = Sequence(6);
        c.environment.id = Uuid::from_u128(5);
    });
    refused(&stage, format!("{sound}\n{wrong}"), "document-environment").await;
}

/// The next trust document, signed by the vendor's root.
fn next_trust(stage: &Stage, change: impl FnOnce(&mut TrustClaims)) -> String {
    let pem = std::fs::read_to_string(stage.portal.directory().root_key()).unwrap();
    let mut claims = stage.portal.keys().trust().claims().clone();
    claims.version += 1;
    change(&mut claims);
    sign(&claims, &KeyPair::from_pem(&pem).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_trust_document_is_never_taken_back() {
    let stage = Stage::activated().await;
    let first = trust(&stage);
    let another = KeyPair::from_seed(&[8; 32]).public();
    let second = next_trust(&stage, |claims| {
        claims.keys.push(PortalKey { key: another, status: KeyStatus::Active });
    });
    stage.install(second.clone()).await.unwrap();
    assert_eq!(stage.status().state, State::Active);
    refused(&stage, first, "document-trust-version").await;
    let reused = next_trust(&stage, |claims| claims.keys[0].status = KeyStatus::Retired);
    refused(&stage, reused, "document-trust-version-reused").await;
    let stranger = KeyPair::from_seed(&[9; 32]);
    let claims: TrustClaims = Unverified::parse(&second).unwrap().peek().unwrap();
    let forged = sign(&TrustClaims { version: 9, ..claims }, &stranger).unwrap();
    refused(&stage, forged, "document-unknown-root").await;
}

#[tokio::test(start_paused = true)]
async fn a_license_of_a_key_that_was_revoked_is_over_and_the_key_stays_revoked() {
    let mut stage = Stage::activated().await;
    let first = trust(&stage);
    let another = KeyPair::from_seed(&[8; 32]).public();
    let revoked = next_trust(&stage, |claims| {
        claims.keys[0].status = KeyStatus::Revoked;
        claims.keys.push(PortalKey { key: another, status: KeyStatus::Active });
    });
    stage.install(revoked).await.unwrap();
    assert!(!stage.status().entitled);
    assert!(stage.status().message.contains("revoked"), "{}", stage.status().message);
    for _ in 0..2 {
        refused(&stage, first.clone(), "document-trust-version").await;
        refused(&stage, license_text(&stage), "document-key-not-believed").await;
        stage.restart().await;
    }
}

fn license_text(stage: &Stage) -> String {
    stage.state().license.unwrap().text
}

#[tokio::test(start_paused = true)]
async fn a_renewal_by_hand_after_the_end_needs_no_portal() {
    let stage = Stage::activated().await;
    stage.link.cut();
    stage.leap_to(at("2027-03-01T00:00:00Z")).await;
    assert_eq!(stage.status().state, State::Restricted);
    let renew = |terms: &mut Terms| terms.ends_at = at("2028-01-01T00:00:00Z");
    stage.portal.update_subscription(stage.subscription.id, renew).unwrap();
    let text = license(&stage, |claims| {
        claims.iat = at("2027-02-28T00:00:00Z");
        claims.subscription.ends_at = at("2028-01-01T00:00:00Z");
        claims.exp = at("2028-01-31T00:00:00Z");
    });
    assert_eq!(stage.install(text).await.unwrap().status.state, State::Active);
}

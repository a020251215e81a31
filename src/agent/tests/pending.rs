//! What the portal has issued and is not installed here, and its word on another environment.

use super::stage::*;
use crate::{
    codes::SerialNumber,
    entitlement::{ConditionType, State},
    license::{
        AnswerClaims, LicenseClaims, Outcome, Retirement, RevocationClaims, Sequence, Unverified,
        sign,
    },
};
use uuid::Uuid;

/// Changes the portal's true answer, and signs it again.
fn edited(stage: &Stage, edit: impl Fn(&mut AnswerClaims) + Send + Sync + 'static) {
    let key = stage.portal_key();
    stage.link.forge(move |_, answer| {
        let mut claims: AnswerClaims = Unverified::parse(&answer).unwrap().peek().unwrap();
        edit(&mut claims);
        sign(&claims, &key).unwrap()
    });
}

fn reason(stage: &Stage) -> Option<String> {
    let status = stage.status();
    let pending = |c: &&crate::entitlement::Condition| c.kind == ConditionType::LicensePending;
    status.conditions.iter().find(pending).map(|condition| condition.reason.clone())
}

#[tokio::test(start_paused = true)]
async fn a_license_that_was_refused_is_pending_until_one_is_installed() {
    let mut stage = Stage::activated().await;
    assert_eq!(reason(&stage), None);
    let edition = |terms: &mut crate::portal::domain::Terms| terms.edition = "ultimate".to_owned();
    stage.portal.update_subscription(stage.subscription.id, edition).unwrap();
    let key = stage.portal_key();
    edited(&stage, move |claims| {
        let Outcome::License(text) = &mut claims.outcome else { panic!("{claims:?}") };
        let mut license: LicenseClaims = Unverified::parse(text).unwrap().peek().unwrap();
        license.sub = SerialNumber::mint("smbios-uuid", "other");
        *text = sign(&license, &key).unwrap();
    });
    assert_eq!(stage.refresh().await.unwrap_err().code(), "document-serial");
    assert_eq!(reason(&stage).as_deref(), Some("Refused"));
    let message = stage.status().conditions[0].message.clone();
    assert!(message.contains("sequence 2") && message.contains("document-serial"), "{message}");
    assert_eq!(stage.status().state, State::Active);
    let generation = stage.generation();
    stage.restart().await;
    assert_eq!((reason(&stage).as_deref(), stage.generation()), (Some("Refused"), generation));

    stage.link.mend();
    stage.idle(HOUR * 3).await;
    assert_eq!(stage.status().license.unwrap().sequence, Sequence(2));
    assert_eq!(stage.conditions(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_issued_beyond_what_is_held_is_pending_until_the_portal_says_otherwise() {
    let stage = Stage::activated().await;
    edited(&stage, |claims| claims.issued = Some(Sequence(5)));
    stage.refresh().await.unwrap();
    assert_eq!(reason(&stage).as_deref(), Some("Issued"));
    // A portal that does not say it says nothing against it either.
    edited(&stage, |claims| claims.issued = None);
    stage.refresh().await.unwrap();
    assert_eq!(reason(&stage), None);
    edited(&stage, |claims| claims.issued = Some(Sequence(5)));
    stage.refresh().await.unwrap();
    stage.link.mend();
    stage.refresh().await.unwrap();
    assert_eq!(stage.conditions(), []);
}

#[tokio::test(start_paused = true)]
async fn an_older_license_that_comes_late_is_not_pending() {
    let stage = Stage::activated().await;
    let request = stage.request_by_hand(crate::license::RequestKind::Refresh).await.unwrap();
    let edition = |terms: &mut crate::portal::domain::Terms| terms.edition = "ultimate".to_owned();
    stage.portal.update_subscription(stage.subscription.id, edition).unwrap();
    let answer = stage.portal.handle_request(request.as_bytes()).unwrap();
    let mut newer = stage.handle().current().unwrap().license.clone().unwrap().claims;
    newer.seq = Sequence(7);
    stage.install(sign(&newer, &stage.portal_key()).unwrap()).await.unwrap();
    assert_eq!(stage.install(answer).await.unwrap_err().code(), "document-sequence");
    assert_eq!(stage.conditions(), []);
}

#[tokio::test(start_paused = true)]
async fn the_word_on_another_environment_ends_nothing_here() {
    let stage = Stage::activated().await;
    let elsewhere = Uuid::from_u128(5);
    let held = stage.handle().current().unwrap().license.clone().unwrap().claims;
    let (sub, iat) = (held.sub, held.iat);
    let revocation = RevocationClaims {
        iss: "Acme".to_owned(),
        aud: PRODUCT.to_owned(),
        sub,
        iat,
        seq: Sequence(9),
        environment_id: elsewhere,
        revoked_at: iat,
        reason: "another's".to_owned(),
    };
    let revocation = sign(&revocation, &stage.portal_key()).unwrap();
    let by = Retirement::Move;
    for (outcome, names) in [
        (Outcome::Released { sequence: Sequence(9), slot_free_at: None }, Some(elsewhere)),
        (
            Outcome::Retired { sequence: Sequence(9), by, serial_number: sub, key: None },
            Some(elsewhere),
        ),
        (Outcome::NothingNew { sequence: Sequence(9) }, Some(elsewhere)),
        // An older portal does not say it; the revocation itself does.
        (Outcome::Revocation(revocation), None),
    ] {
        edited(&stage, move |claims| {
            claims.outcome = outcome.clone();
            claims.environment_id = names;
        });
        let refused = stage.refresh().await.unwrap_err();
        assert_eq!(refused.code(), "document-environment");
        assert_eq!(stage.status().state, State::Active);
        stage.link.mend();
        stage.idle(HOUR * 3).await;
        assert_eq!(stage.conditions(), []);
    }
    // One of an older portal, which names none, is taken.
    edited(&stage, |claims| {
        claims.outcome = Outcome::Released { sequence: Sequence(9), slot_free_at: None };
        (claims.environment_id, claims.issued) = (None, None);
    });
    stage.refresh().await.unwrap();
    assert_eq!(stage.status().state, State::Unlicensed);
}

#[tokio::test(start_paused = true)]
async fn an_activation_that_could_not_be_sent_is_told_until_it_is_answered() {
    let mut stage = Stage::started().await;
    stage.link.cut();
    stage.activate().await.unwrap_err();
    assert_eq!(reason(&stage).as_deref(), Some("Requested"));
    let status = stage.status();
    let told = status.conditions.iter().find(|c| c.kind == ConditionType::LicensePending).unwrap();
    assert!(told.message.contains("a request to activate"), "{}", told.message);
    stage.restart().await;
    assert_eq!(reason(&stage).as_deref(), Some("Requested"));

    stage.link.mend();
    stage.pass(HOUR).await;
    assert_eq!((stage.status().state, stage.conditions()), (State::Active, vec![]));

    // That a license is held already is no worse for a refresh that fails.
    stage.link.cut();
    stage.refresh().await.unwrap_err();
    assert_eq!(stage.conditions(), [ConditionType::PortalUnreachable]);
}

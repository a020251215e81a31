//! Answers that are not the portal's word on what was asked: each is refused, and changes nothing but the audit.

use super::{props::at, stage::*};
use crate::{
    api::Problem,
    codes::SerialNumber,
    entitlement::State,
    license::{
        AnswerClaims, KeyPair, LicenseClaims, MAX_DOCUMENT, Outcome, RequestClaims, RequestId,
        Sequence, Unverified, sign,
    },
    store::{AgentState, Chain, StatusMark},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use uuid::Uuid;

/// An answer that says what it is told to.
fn answer(request: &str, outcome: Outcome, key: &KeyPair) -> String {
    let request: RequestClaims = Unverified::parse(request).unwrap().peek().unwrap();
    let claims = AnswerClaims {
        iss: "Acme".to_owned(),
        aud: PRODUCT.to_owned(),
        iat: at("2026-03-01T00:00:00Z"),
        in_reply_to: request.jti,
        outcome,
        trust: None,
        fork: None,
        environment_id: None,
        issued: None,
    };
    sign(&claims, key).unwrap()
}

/// The held license with something changed, signed by the portal.
fn license(stage: &Stage, change: impl FnOnce(&mut LicenseClaims)) -> String {
    let mut claims = stage.handle().current().unwrap().license.clone().unwrap().claims;
    claims.seq = Sequence(claims.seq.0 + 1);
    change(&mut claims);
    sign(&claims, &stage.portal_key()).unwrap()
}

/// What no answer that is refused may change: everything but the chain, which is looked at by itself, and that the portal has
/// issued what was refused, which is told until it is installed.
fn lasting(state: &AgentState) -> AgentState {
    let (status, chain) = (StatusMark::default(), Chain::default());
    AgentState { revision: 0, status, chain, pending_license: None, ..state.clone() }
}

/// Refreshes with a forged answer, which must be refused without a trace but its entry; then with the true one.
async fn refused(
    stage: Stage,
    forger: impl Fn(&str, String) -> String + Send + Sync + 'static,
) -> Problem {
    let (before, entries) = (stage.state(), stage.events().len());
    let license = stage.status().license;
    stage.link.forge(forger);
    let problem = stage.refresh().await.unwrap_err();
    assert_names_mend(&problem);
    stage.pass(MINUTE).await;

    assert_eq!(lasting(&stage.state()), lasting(&before));
    let status = stage.status();
    assert_eq!((status.state, status.license), (State::Active, license));
    // The chain and the audit: requests that wait for their true answer, and of each that its answer was refused.
    let chain = stage.state().chain;
    assert_eq!(chain.previous, before.chain.previous);
    assert!(chain.pending.is_some_and(|pending| chain.unsettled.last() == Some(&pending.id)));
    let actions = stage.actions_after(entries);
    let count = |word| actions.iter().filter(|action| *action == word).count();
    assert_eq!(count("requested"), chain.unsettled.len(), "{actions:?}");
    assert_eq!(count("document-refused"), chain.unsettled.len(), "{actions:?}");
    assert!(count("status-changed") <= 1, "{actions:?}");
    let others = ["requested", "document-refused", "status-changed"];
    assert!(actions.iter().all(|action| others.contains(&action.as_str())), "{actions:?}");

    stage.link.mend();
    stage.idle(HOUR * 3).await;
    let chain = stage.state().chain;
    assert_ne!(chain.previous, before.chain.previous, "the chain goes on");
    assert_eq!((chain.unsettled, chain.pending), (Vec::new(), None));
    assert_eq!(stage.conditions(), []);
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
    problem
}

#[tokio::test(start_paused = true)]
async fn garbage() {
    for text in ["", "garbage", "a.b.c", "<html>503</html>", "{\"outcome\":\"nothing_new\"}"] {
        let problem = refused(Stage::activated().await, move |_, _| text.to_owned()).await;
        assert!(problem.code().starts_with("document-"), "{text:?}: {}", problem.code());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_request() {
    let stage = Stage::activated().await;
    let key = stage.portal_key();
    let problem = refused(stage, move |_, answer| {
        let mut claims: AnswerClaims = Unverified::parse(&answer).unwrap().peek().unwrap();
        claims.in_reply_to = RequestId(Uuid::from_u128(1));
        sign(&claims, &key).unwrap()
    });
    assert_eq!(problem.await.code(), "document-reply");
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_the_request_before() {
    let stage = Stage::activated().await;
    let sent = stage.link.sent().remove(0);
    let old = stage.portal.handle_request(sent.as_bytes()).unwrap();
    assert_eq!(refused(stage, move |_, _| old.clone()).await.code(), "document-reply");
}

#[tokio::test(start_paused = true)]
async fn an_answer_signed_by_nobody_known() {
    let forge = |request: &str, _| {
        let stranger = KeyPair::from_seed(&[9; 32]);
        answer(request, Outcome::Released { sequence: Sequence(99), slot_free_at: None }, &stranger)
    };
    let problem = refused(Stage::activated().await, forge).await;
    assert_eq!(problem.code(), "document-unknown-key");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_changed_on_its_way() {
    let problem = refused(Stage::activated().await, |_, answer| {
        let (signed, signature) = answer.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
        let payload = String::from_utf8(payload).unwrap().replace("nothing_new", "released");
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload))
    });
    assert_eq!(problem.await.code(), "document-signature");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_through_in_part_or_with_more() {
    for (length, code) in [(1, "document-not-compact"), (2, "document-signature")] {
        let problem = refused(Stage::activated().await, move |_, answer| {
            let cut = if length == 1 { answer.len() / 3 } else { answer.len() - 10 };
            answer[..cut].to_owned()
        });
        assert_eq!(problem.await.code(), code);
    }
    let problem = refused(Stage::activated().await, |_, answer| answer + &"A".repeat(MAX_DOCUMENT));
    let problem = problem.await;
    assert_eq!(problem.code(), "document-too-large");
    assert!(problem.detail.contains(&MAX_DOCUMENT.to_string()), "{}", problem.detail);
}

#[tokio::test(start_paused = true)]
async fn another_document_in_the_place_of_an_answer() {
    let stage = Stage::activated().await;
    let (held, trust) = (stage.state().license.unwrap().text, stage.state().trust.unwrap());
    for other in [held, trust] {
        let problem = refused(Stage::activated().await, move |_, _| other.clone()).await;
        assert_eq!(problem.code(), "document-type");
        assert!(problem.detail.contains("entitled-answer+jwt"), "{}", problem.detail);
    }
    let problem = refused(Stage::activated().await, |request, _| request.to_owned()).await;
    assert_eq!(problem.code(), "document-type");
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_another_product() {
    let stage = Stage::activated().await;
    let key = stage.portal_key();
    let problem = refused(stage, move |_, answer| {
        let mut claims: AnswerClaims = Unverified::parse(&answer).unwrap().peek().unwrap();
        claims.aud = "another product".to_owned();
        sign(&claims, &key).unwrap()
    });
    let problem = problem.await;
    assert_eq!(problem.code(), "document-audience");
    for name in [PRODUCT, "another product"] {
        assert!(problem.detail.contains(name), "{}", problem.detail);
    }
}

/// An answer with the held license changed in one way.
async fn refused_license(change: impl Fn(&mut LicenseClaims) + Send + Sync + 'static) -> String {
    let stage = Stage::activated().await;
    let (key, text) = (stage.portal_key(), license(&stage, change));
    let problem =
        refused(stage, move |request, _| answer(request, Outcome::License(text.clone()), &key));
    problem.await.code().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_license_that_does_not_fit() {
    let stranger = KeyPair::from_seed(&[9; 32]).public();
    let other_key = move |claims: &mut LicenseClaims| {
        claims.cnf = Some(crate::license::Confirmation { jwk: stranger });
    };
    assert_eq!(refused_license(other_key).await, "document-binding");
    let other_serial = |claims: &mut LicenseClaims| {
        claims.sub = SerialNumber::mint("smbios-uuid", "other");
    };
    assert_eq!(refused_license(other_serial).await, "document-serial");
    let other_environment = |claims: &mut LicenseClaims| claims.environment.id = Uuid::from_u128(5);
    assert_eq!(refused_license(other_environment).await, "document-environment");
    let other_audience = |claims: &mut LicenseClaims| claims.aud = "another product".to_owned();
    assert_eq!(refused_license(other_audience).await, "document-audience");
    let reused = |claims: &mut LicenseClaims| {
        claims.seq = Sequence(1);
        claims.features.clear();
    };
    assert_eq!(refused_license(reused).await, "document-sequence-reused");
    let expired = |claims: &mut LicenseClaims| {
        claims.iat = at("2025-01-01T00:00:00Z");
        claims.nbf = claims.iat;
        claims.subscription.starts_at = claims.iat;
        claims.subscription.ends_at = at("2025-06-01T00:00:00Z");
        claims.exp = at("2025-07-01T00:00:00Z");
    };
    assert_eq!(refused_license(expired).await, "document-expired");
}

#[tokio::test(start_paused = true)]
async fn a_license_that_is_older_than_the_held_one() {
    let stage = Stage::activated().await;
    let old = stage.state().license.unwrap().text;
    // Higher by hand, while the portal's answer is still on its way.
    stage.install(license(&stage, |claims| claims.seq = Sequence(7))).await.unwrap();
    let key = stage.portal_key();
    let problem =
        refused(stage, move |request, _| answer(request, Outcome::License(old.clone()), &key));
    assert_eq!(problem.await.code(), "document-sequence");
}

/// The portal answered with a license; before the answer came through, a newer one was carried here by hand.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_overtaken_does_not_block_the_way() {
    let stage = Stage::activated().await;
    let edit = |terms: &mut crate::portal::domain::Terms| terms.edition = "ultimate".to_owned();
    stage.portal.update_subscription(stage.subscription.id, edit).unwrap();
    stage.link.lose_answers();
    stage.refresh().await.unwrap_err();
    stage.install(license(&stage, |claims| claims.seq = Sequence(7))).await.unwrap();
    stage.link.mend();
    stage.pass(HOUR).await;
    // The repeated answer is older. A new request is made, and the portal adopts what it signed.
    assert_eq!(stage.environment().sequence, Sequence(7));
    let chain = stage.state().chain;
    assert_eq!((chain.unsettled, chain.pending), (Vec::new(), None));
    stage.portal.update_subscription(stage.subscription.id, |terms| terms.trial = true).unwrap();
    let license = stage.refresh().await.unwrap().status.license.unwrap();
    assert_eq!((license.sequence, license.trial), (Sequence(8), true));
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_taken_once() {
    let stage = Stage::activated().await;
    let sent = stage.link.sent().remove(0);
    let text = stage.portal.handle_request(sent.as_bytes()).unwrap();
    let before = stage.state();
    assert_eq!(stage.install(text).await.unwrap_err().code(), "document-reply");
    let after = AgentState { revision: before.revision, ..stage.state() };
    assert_eq!(after, before);
}

#[tokio::test(start_paused = true)]
async fn a_refused_answer_proves_no_time() {
    let stage = Stage::activated().await;
    let proven = stage.state().time.proven;
    let stranger = KeyPair::from_seed(&[9; 32]);
    stage.link.forge(move |request, _| {
        let request: RequestClaims = Unverified::parse(request).unwrap().peek().unwrap();
        let claims = AnswerClaims {
            iss: "Acme".to_owned(),
            aud: PRODUCT.to_owned(),
            iat: Timestamp::MAX,
            in_reply_to: request.jti,
            outcome: Outcome::NothingNew { sequence: Sequence(1) },
            trust: None,
            fork: None,
            environment_id: None,
            issued: None,
        };
        sign(&claims, &stranger).unwrap()
    });
    stage.refresh().await.unwrap_err();
    stage.pass(HOUR).await;
    assert_eq!(stage.state().time.proven, proven);
    assert_eq!(stage.status().state, State::Active);
}

//! Requests that are refused: each gets its problem document, and nothing is changed.

use super::stage::{Agent, Stage};
use crate::{
    api::Problem,
    codes::ActivationCode,
    license::{Activation, MAX_DOCUMENT, Purpose, RequestClaims, RequestKind, sign_request},
};
use proptest::prelude::*;

struct Refused<'a> {
    stage: &'a Stage,
    before: (usize, usize),
}

impl<'a> Refused<'a> {
    fn by(stage: &'a Stage) -> Self {
        Self { stage, before: Self::state(stage) }
    }

    fn state(stage: &Stage) -> (usize, usize) {
        (stage.events().len(), stage.portal.environments(None).unwrap().len())
    }

    /// Refused with that code and status, and nothing is changed.
    fn with(&self, result: Result<String, Problem>, code: &str, status: u16) {
        let problem = result.unwrap_err();
        assert_eq!((problem.code(), problem.status), (code, status), "{}", problem.detail);
        assert_eq!(Self::state(self.stage), self.before, "{code}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let request = sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap();
    let refused = Refused::by(&stage);
    let send = |bytes: &[u8]| stage.portal.handle_request(bytes);
    refused.with(send(b""), "document-not-compact", 400);
    refused.with(send(b"{}"), "document-not-compact", 400);
    refused.with(send(&[0xff, 0xfe, 0x00]), "request-not-text", 400);
    refused.with(send(&vec![b'a'; MAX_DOCUMENT + 1]), "document-too-large", 413);
    refused.with(send(&request.as_bytes()[..request.len() / 2]), "document-not-compact", 400);
    let trust = stage.portal.keys().trust().text().to_owned();
    refused.with(send(trust.as_bytes()), "document-type", 400);
    // The last symbol but one: of the last one some bits are padding.
    let mut tampered = request.clone().into_bytes();
    let place = tampered.len() - 2;
    tampered[place] = if tampered[place] == b'A' { b'B' } else { b'A' };
    refused.with(send(&tampered), "document-signature", 400);
    send(request.as_bytes()).unwrap();
}

fn send(stage: &Stage, claims: &RequestClaims, agent: &Agent) -> Result<String, Problem> {
    stage.portal.handle_request(sign_request(claims, &agent.key).unwrap().as_bytes())
}

#[test]
fn an_unknown_code_and_a_wrong_proof_are_told_alike() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let refused = Refused::by(&stage);
    let unknown = agent.activation(&ActivationCode::random().unwrap());
    // Somebody who saw the digest of the code in a request, but has not the code.
    let mut unproven = agent.activation(&ActivationCode::random().unwrap());
    unproven.activation.as_mut().unwrap().id = sold.activation_code.id();
    // Somebody who copies the activation part of another's request.
    let other = Agent::new("b", Purpose::Production);
    let mut copied = agent.activation(&sold.activation_code);
    copied.activation =
        Some(Activation::new(&sold.activation_code, copied.jti, &other.key.public()));
    let mut details = Vec::new();
    for claims in [unknown, unproven, copied] {
        let result = send(&stage, &claims, &agent);
        details.push(result.clone().unwrap_err());
        refused.with(result, "activation-code-unknown", 403);
    }
    assert!(details.iter().all(|problem| *problem == details[0]));
}

#[test]
fn who_sends_many_wrong_proofs_waits_and_keeps_nobody_else_waiting() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    let refused = Refused::by(&stage);
    let wrong = || {
        let mut claims = agent.activation(&ActivationCode::random().unwrap());
        claims.activation.as_mut().unwrap().id = sold.activation_code.id();
        send(&stage, &claims, &agent)
    };
    for _ in 0..10 {
        refused.with(wrong(), "activation-code-unknown", 403);
    }
    let problem = wrong().unwrap_err();
    assert_eq!((problem.code(), problem.retry_after), ("too-many-attempts", Some(900)));
    refused.with(wrong(), "too-many-attempts", 429);
    // Without a signature it is not even looked at further.
    let unsigned = sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap();
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    refused.with(stage.portal.handle_request(unsigned.as_bytes()), "document-signature", 400);
    agent.activate(&stage, &sold.activation_code).unwrap();
}

#[test]
fn a_sound_request_for_something_else_is_refused() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let refused = Refused::by(&stage);
    let with = |edit: fn(&mut RequestClaims)| {
        let mut claims = agent.activation(&sold.activation_code);
        edit(&mut claims);
        send(&stage, &claims, &agent)
    };
    refused.with(with(|c| c.aud = "other-product".into()), "document-audience", 400);
    refused.with(with(|c| c.activation = None), "document-request", 400);
    refused.with(with(|c| c.environment.name = String::new()), "environment-name", 400);
    refused.with(with(|c| c.environment.name = "a\u{7}".into()), "environment-name", 400);
    for kind in [RequestKind::Refresh, RequestKind::Release] {
        refused.with(send(&stage, &agent.request(kind), &agent), "environment-unknown", 403);
    }
}

#[test]
fn nobody_asks_for_another_environment() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut thief = Agent::new("a", Purpose::Production);
    (thief.id, thief.held, thief.previous) = (agent.id, agent.held.clone(), agent.previous);
    let refused = Refused::by(&stage);
    for kind in [RequestKind::Refresh, RequestKind::Release] {
        refused.with(send(&stage, &thief.request(kind), &thief), "environment-unknown", 403);
        let mut nameless = thief.request(kind);
        nameless.environment.id = None;
        refused.with(send(&stage, &nameless, &thief), "environment-unknown", 403);
    }
}

#[test]
fn the_vendor_may_forbid_the_override() {
    let stage = Stage::new();
    let sold = stage.sell();
    stage.portal.update_subscription(sold.id, |t| t.allow_override = false).unwrap();
    let agent = Agent::new("a", Purpose::Production);
    let refused = Refused::by(&stage);
    let mut claims = agent.activation(&sold.activation_code);
    claims.machine.overridden = true;
    refused.with(send(&stage, &claims, &agent), "override-not-allowed", 403);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the bytes are, the answer is a problem document.
    #[test]
    fn garbage_is_always_a_problem(bytes in prop::collection::vec(any::<u8>(), 0..400), head in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
        let stage = shared();
        for body in [bytes.as_slice(), head.as_bytes()] {
            let problem = stage.portal.handle_request(body).unwrap_err();
            prop_assert!((400..500).contains(&problem.status));
        }
    }
}

/// One portal for all cases: making keys and a database for each would be most of the time.
fn shared() -> &'static Stage {
    static STAGE: std::sync::OnceLock<Stage> = std::sync::OnceLock::new();
    STAGE.get_or_init(Stage::new)
}

//! Requests that nobody honest sends: each gets an answer or a problem with a stable code, none a panic, and none of them gives
//! anything away or takes anything from the honest.

use super::stage::{Agent, Stage};
use crate::license::{Purpose, RequestClaims, RequestKind, Unverified, sign_request};
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use serde_json::{Value, json};

fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}

/// What the honest agent has at the portal.
fn standing(stage: &Stage) -> Vec<(uuid::Uuid, u64, bool)> {
    let environments = stage.portal.environments(None).unwrap();
    environments.iter().map(|e| (e.id, e.sequence.0, e.is_released())).collect()
}

#[test]
fn damaged_requests_are_refused_and_change_nothing() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let sound = [
        sign_request(&agent.request(RequestKind::Release), &agent.key).unwrap(),
        sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap(),
    ];
    let before = (standing(&stage), stage.events());
    let edits = proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6);
    let input = (0..sound.len(), edits, any::<Index>(), any::<bool>());
    let ran = TestRunner::new(config()).run(&input, |(which, edits, end, cuts)| {
        let mut bytes = sound[which].clone().into_bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(end.index(bytes.len()));
        }
        // The same letters by chance are the same request.
        prop_assume!(bytes.trim_ascii() != sound[which].as_bytes());
        let problem = stage.portal.handle_request(&bytes).unwrap_err();
        prop_assert!((400..500).contains(&problem.status), "{:?}", problem);
        prop_assert!(problem.detail.len() < 2_000 && !problem.detail.contains(char::is_control));
        Ok(())
    });
    ran.unwrap();
    assert_eq!((standing(&stage), stage.events()), before);
    agent.refresh(&stage).unwrap();
}

#[test]
fn any_bytes_are_refused() {
    let stage = Stage::new();
    let before = stage.events();
    let bytes = proptest::collection::vec(any::<u8>(), 0..2_000);
    let ran = TestRunner::new(config()).run(&bytes, |bytes| {
        let problem = stage.portal.handle_request(&bytes).unwrap_err();
        prop_assert!((400..500).contains(&problem.status), "{:?}", problem);
        Ok(())
    });
    ran.unwrap();
    assert_eq!(stage.events(), before);
}

/// A value of another type, size or depth.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        Just(json!([[[[[]]]]])),
        Just(json!({ "a": { "b": [] } })),
        Just(json!("x".repeat(100_000))),
        Just(json!("00000000-0000-0000-0000-000000000000")),
    ]
}

/// What only the holder of a key can send: soundly signed, and every member something else.
#[test]
fn nonsense_that_is_soundly_signed_takes_nothing_from_others() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut honest = Agent::new("a", Purpose::Production);
    honest.activate(&stage, &sold.activation_code).unwrap();
    let before = standing(&stage);
    let hostile = Agent::new("b", Purpose::Quality);
    let kinds =
        [RequestKind::Activate, RequestKind::Refresh, RequestKind::Rebind, RequestKind::Move];
    let pointer = prop::sample::select(vec![
        "/aud",
        "/jti",
        "/iat",
        "/request",
        "/sub",
        "/activation",
        "/environment",
        "/environment/id",
        "/environment/name",
        "/environment/purpose",
        "/candidates",
        "/evidence",
        "/machine",
        "/previous",
        "/unsettled",
        "/held",
        "/floor",
        "/trust_version",
        "/consent",
        "/rebind_proof",
    ]);
    let input = (0..kinds.len(), proptest::collection::vec((pointer, any_value()), 1..4));
    let ran = TestRunner::new(config()).run(&input, |(kind, edits)| {
        let mut claims = serde_json::to_value(hostile.request(kinds[kind])).unwrap();
        // Names the honest one's environment, and shows its license.
        claims["environment"]["id"] = json!(honest.id);
        claims["held"] = json!(honest.held);
        for (pointer, value) in edits {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            if let Some(Value::Object(parent)) = claims.pointer_mut(parent) {
                parent.insert(name.to_owned(), value);
            }
        }
        let Ok(claims) = serde_json::from_value::<RequestClaims>(claims) else { return Ok(()) };
        let text = sign_request(&claims, &hostile.key).unwrap();
        prop_assert!(Unverified::parse(&text).is_ok() || text.len() > crate::license::MAX_DOCUMENT);
        let problem = stage.portal.handle_request(text.as_bytes()).unwrap_err();
        prop_assert!((400..500).contains(&problem.status), "{:?}", problem);
        Ok(())
    });
    ran.unwrap();
    assert_eq!(standing(&stage), before);
    honest.refresh(&stage).unwrap();
}

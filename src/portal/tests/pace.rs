//! How much whoever holds an Activation Code may have answered, and so kept.

use super::stage::{Agent, Stage};
use crate::{
    license::{Purpose, RequestKind, sign_request},
    portal::{
        answering::LARGEST,
        pace::{MOST, ONE},
    },
};
use serde_json::Value;

#[test]
fn an_environment_that_asks_again_and_again_waits_and_keeps_its_license() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    for _ in 1..MOST {
        agent.refresh(&stage).unwrap();
    }
    let late = agent.request(RequestKind::Refresh);
    let refused = stage.ask(&late, &agent.key).unwrap_err();
    assert_eq!((refused.status, refused.code()), (429, "too-many-requests"));
    assert_eq!(refused.retry_after, Some(3_600));
    // Another one does not wait, and the same request is answered in the next hour.
    Agent::new("b", Purpose::Quality).activate(&stage, &sold.activation_code).unwrap();
    stage.later(jiff::SignedDuration::from_hours(1));
    let answer = stage.ask(&late, &agent.key).unwrap();
    for _ in 0..2 * MOST {
        // What is repeated is not counted.
        assert_eq!(stage.ask(&late, &agent.key).unwrap().in_reply_to, answer.in_reply_to);
    }
    agent.settle(&answer);
    agent.refresh(&stage).unwrap();
}

#[test]
fn environments_that_come_and_go_are_counted_together() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut answered = 0;
    let refused = loop {
        let mut agent = Agent::new(&answered.to_string(), Purpose::Production);
        if let Err(problem) = agent.activate(&stage, &sold.activation_code) {
            break problem;
        }
        answered += 1;
        let release = agent.request(RequestKind::Release);
        if let Err(problem) = agent.send(&stage, &release) {
            break problem;
        }
        answered += 1;
    };
    assert_eq!(refused.code(), "too-many-requests");
    assert_eq!(answered, 4 * MOST, "of four environments");
}

#[test]
fn a_retired_key_is_told_no_more_often() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut old = Agent::new("a", Purpose::Production);
    old.activate(&stage, &sold.activation_code).unwrap();
    stage.portal.release_environment(old.id.unwrap()).unwrap();
    old.installed_anew().activate(&stage, &sold.activation_code).unwrap();
    let asked = (0..2 * MOST)
        .take_while(|_| stage.ask(&old.request(RequestKind::Refresh), &old.key).is_ok());
    assert_eq!(u32::try_from(asked.count()).unwrap(), MOST - 2);
}

#[test]
fn an_honest_request_is_far_below_what_is_taken() {
    let stage = Stage::new();
    let id = stage.sell().id;
    let features = |terms: &mut crate::portal::domain::Terms| {
        for n in 0..50 {
            terms.features.insert(format!("a-feature-of-the-product-{n}"), Value::Bool(true));
        }
    };
    let sold = stage.portal.update_subscription(id, features).unwrap();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let length = |agent: &Agent| {
        let claims = agent.request(RequestKind::Refresh);
        sign_request(&claims, &agent.key).unwrap().len()
    };
    assert!(length(&agent) <= ONE, "{}", length(&agent));
    // As long as a call of the vendor's API may make it, and longer.
    let many = |terms: &mut crate::portal::domain::Terms| {
        for n in 0..1_000 {
            terms
                .features
                .insert(format!("a-feature-of-the-product-and-its-long-name-{n}"), n.into());
        }
    };
    stage.portal.update_subscription(id, many).unwrap();
    agent.refresh(&stage).unwrap();
    assert!(length(&agent) < LARGEST / 2, "{}", length(&agent));
    agent.refresh(&stage).unwrap();
}

#[test]
fn what_a_request_is_stuffed_with_is_not_kept() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let mut claims = agent.activation(&sold.activation_code);
    claims.machine.kind = format!("bare\u{7}metal{}", "x".repeat(1_000));
    claims.machine.agent = "9".repeat(1_000);
    stage.ask(&claims, &agent.key).unwrap();
    let audit = stage.portal.audit(None, 1).unwrap().remove(0);
    let machine = &audit.detail["machine"];
    let length = |name: &str| machine[name].as_str().unwrap().chars().count();
    assert_eq!((length("kind"), length("agent")), (80, 80));
    assert!(machine["kind"].as_str().unwrap().starts_with("baremetalx"));
    let mut claims = Agent::new("b", Purpose::Quality).activation(&sold.activation_code);
    claims.held = Some("x".repeat(LARGEST));
    let refused = stage.ask(&claims, &agent.key).unwrap_err();
    assert_eq!((refused.status, refused.code()), (413, "document-too-large"));
}

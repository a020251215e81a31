//! What a courier brings: the same answers, but nobody knows whether they arrive.

use super::stage::{Agent, PRODUCT, Stage, at};
use crate::{
    api::Problem,
    license::{
        OpenedAnswer, Outcome, Purpose, RequestClaims, RequestKind, Sequence, open_answer,
        sign_request,
    },
    portal::domain::Subscription,
};

/// When the licenses of these tests end.
const END: &str = "2027-01-31T00:00:00Z";

fn carried(stage: &Stage, claims: &RequestClaims, agent: &Agent) -> Result<OpenedAnswer, Problem> {
    let request = sign_request(claims, &agent.key).unwrap();
    let answer = stage.portal.handle_carried_request(request.as_bytes())?;
    Ok(open_answer(&answer, PRODUCT, &stage.roots(), None).unwrap())
}

fn sell(stage: &Stage, allowed: u32) -> Subscription {
    let id = stage.sell().id;
    stage.portal.update_subscription(id, move |t| t.offline_releases_a_year = allowed).unwrap()
}

/// Activates a machine and releases it by courier: the slot is free then, or from when on.
fn come_and_go(stage: &Stage, sold: &Subscription, hardware: &str) -> Agent {
    let mut agent = Agent::new(hardware, Purpose::Production);
    agent.activate(stage, &sold.activation_code).unwrap();
    let told = carried(stage, &agent.request(RequestKind::Release), &agent).unwrap();
    assert!(matches!(told.outcome, Outcome::Released { .. }));
    agent
}

#[test]
fn a_few_releases_a_year_free_their_slot_at_once_and_the_next_when_its_license_ends() {
    let stage = Stage::new();
    let sold = sell(&stage, 2);
    come_and_go(&stage, &sold, "a");
    come_and_go(&stage, &sold, "b");
    let mut third = Agent::new("c", Purpose::Production);
    third.activate(&stage, &sold.activation_code).unwrap();
    let release = third.request(RequestKind::Release);
    let told = carried(&stage, &release, &third).unwrap();
    let slot_free_at = Some(at(END));
    assert_eq!(told.outcome, Outcome::Released { sequence: Sequence(2), slot_free_at });
    // Asked again, in whichever way, it is the same.
    let again = stage.ask(&third.request(RequestKind::Refresh), &third.key).unwrap();
    assert_eq!(again.outcome, told.outcome);
    let mut fourth = Agent::new("d", Purpose::Production);
    let problem = fourth.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(problem.code(), "no-free-slot");
    // It may come back itself.
    third.held = None;
    third.activate(&stage, &sold.activation_code).unwrap();
}

#[test]
fn an_on_line_release_always_frees_its_slot_at_once() {
    let stage = Stage::new();
    let sold = sell(&stage, 0);
    let mut agent = Agent::new("a", Purpose::Production);
    for _ in 0..6 {
        agent.activate(&stage, &sold.activation_code).unwrap();
        let told = stage.ask(&agent.request(RequestKind::Release), &agent.key).unwrap();
        assert!(matches!(told.outcome, Outcome::Released { slot_free_at: None, .. }));
        agent.held = None;
    }
}

#[test]
fn the_slot_is_free_when_the_license_that_was_released_has_ended() {
    let stage = Stage::new();
    let sold = sell(&stage, 0);
    come_and_go(&stage, &sold, "a");
    let longer = at("2030-01-01T00:00:00Z");
    stage.portal.update_subscription(sold.id, move |t| t.ends_at = longer).unwrap();
    let mut next = Agent::new("b", Purpose::Production);
    assert!(next.activate(&stage, &sold.activation_code).is_err());
    *stage.time.lock().unwrap() = at(END);
    next.activate(&stage, &sold.activation_code).unwrap();
}

#[test]
fn the_vendor_takes_a_held_slot_back() {
    let stage = Stage::new();
    let sold = sell(&stage, 0);
    let id = come_and_go(&stage, &sold, "a").id.unwrap();
    stage.portal.release_environment(id).unwrap();
    assert_eq!(stage.events().last().unwrap(), "slot-freed");
    assert_eq!(stage.portal.release_environment(id).unwrap_err().code(), "already-released");
    Agent::new("b", Purpose::Production).activate(&stage, &sold.activation_code).unwrap();
}

#[test]
fn a_release_counts_for_a_year() {
    let stage = Stage::new();
    let sold = sell(&stage, 1);
    let longer = at("2030-01-01T00:00:00Z");
    stage.portal.update_subscription(sold.id, move |t| t.ends_at = longer).unwrap();
    come_and_go(&stage, &sold, "a");
    stage.days_later(365);
    come_and_go(&stage, &sold, "b");
    Agent::new("c", Purpose::Production).activate(&stage, &sold.activation_code).unwrap();
}

#[test]
fn a_move_by_courier_counts_as_a_release() {
    let stage = Stage::new();
    let sold = sell(&stage, 1);
    let mut old = Agent::new("a", Purpose::Production);
    old.activate(&stage, &sold.activation_code).unwrap();
    let mut new = Agent::new("b", Purpose::Production);
    (new.id, new.held) = (old.id, old.held.clone());
    let claims = new.succeed(RequestKind::Move, &old.key);
    let answer = carried(&stage, &claims, &new).unwrap();
    new.settle(&answer);
    let mut third = Agent::new("c", Purpose::Production);
    (third.id, third.held) = (new.id, new.held.clone());
    let claims = third.succeed(RequestKind::Move, &new.key);
    let problem = carried(&stage, &claims, &third).unwrap_err();
    assert_eq!(problem.code(), "offline-moves-used");
    assert!(problem.detail.contains(END), "{}", problem.detail);
    // On-line it is done, and the old machine is told when it asks.
    third.send(&stage, &claims).unwrap();
}

#[test]
fn the_audit_says_by_which_road_it_came() {
    let stage = Stage::new();
    let sold = sell(&stage, 1);
    come_and_go(&stage, &sold, "a");
    let audit = stage.portal.audit(None, 100).unwrap();
    let road =
        |event: &str| audit.iter().find(|e| e.event == event).unwrap().detail["road"].clone();
    assert_eq!(road("environment-activated"), "online");
    assert_eq!(road("environment-released"), "courier");
}

//! Requests that come again, out of order, from a copy, or to a portal that has forgotten them.

use super::stage::{Agent, PRODUCT, Stage, at, clock};
use crate::{
    license::{Outcome, Purpose, RequestKind, Sequence, sign_request},
    portal::{Options, Portal},
};

#[test]
fn a_repeated_request_gets_the_same_bytes() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let request = sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap();
    let first = stage.portal.handle_request(request.as_bytes()).unwrap();
    stage.days_later(3);
    stage.portal.revoke_subscription(sold.id, "later").unwrap();
    let padded = format!("\n{request}\r\n");
    for again in [&request, &padded] {
        assert_eq!(stage.portal.handle_request(again.as_bytes()).unwrap(), first);
    }
    let reopened =
        Portal::open(stage.folder.path(), Options::default(), clock(&stage.time)).unwrap();
    assert_eq!(reopened.handle_request(request.as_bytes()).unwrap(), first);
}

#[test]
fn an_id_counts_once_for_its_signer() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut claims = agent.request(RequestKind::Refresh);
    stage.ask(&claims, &agent.key).unwrap();
    claims.held = None;
    let problem = stage.ask(&claims, &agent.key).unwrap_err();
    assert_eq!((problem.code(), problem.status), ("request-id-reused", 409));

    // Who saw the id on its way can't use it up for another.
    let mut other = Agent::new("b", Purpose::Quality);
    let seen = other.activation(&sold.activation_code).jti;
    let mut thief = agent.request(RequestKind::Refresh);
    thief.jti = seen;
    stage.ask(&thief, &agent.key).unwrap();
    let mut honest = other.request(RequestKind::Activate);
    honest.jti = seen;
    honest.activation =
        Some(crate::license::Activation::new(&sold.activation_code, seen, &other.key.public()));
    let answer = stage.ask(&honest, &other.key).unwrap();
    other.settle(&answer);
    assert!(other.held.is_some());
}

#[test]
fn the_same_request_many_times_at_once_is_answered_once() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let request = sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let ask = || stage.portal.handle_request(request.as_bytes()).unwrap();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(stage.events().len(), 3);
}

#[test]
fn a_restored_snapshot_keeps_its_license_and_gets_nothing_later_for_14_days() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let (snapshot, held) = (agent.previous, agent.held.clone());
    stage.days_later(1);
    agent.refresh(&stage).unwrap();
    // The machine is restored, and the customer renews.
    (agent.previous, agent.held) = (snapshot, held);
    stage.portal.update_subscription(sold.id, |t| t.ends_at = at("2028-01-01T00:00:00Z")).unwrap();
    let answer = agent.refresh(&stage).unwrap();
    assert_eq!(answer.outcome, Outcome::NothingNew { sequence: Sequence(1) });
    assert!(stage.portal.environments(None).unwrap()[0].chain.is_forked());
    assert_eq!(stage.events().last().unwrap(), "chain-forked");

    stage.days_later(14);
    let answer = agent.refresh(&stage).unwrap();
    assert_eq!(answer.license.unwrap().claims().seq, Sequence(2));
}

#[test]
fn an_agent_that_lost_its_history_activates_again_and_goes_on() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    agent.refresh(&stage).unwrap();
    agent.previous = None;
    agent.activate(&stage, &sold.activation_code).unwrap();
    stage.portal.update_subscription(sold.id, |t| t.edition = "large".to_owned()).unwrap();
    assert_eq!(agent.refresh(&stage).unwrap().license.unwrap().claims().seq, Sequence(2));
}

/// A copy of the portal's files as they are now.
pub(super) fn backup(stage: &Stage) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let source = rusqlite::Connection::open(stage.path("portal.db")).unwrap();
    let database = copy.path().join("portal.db").display().to_string();
    source.execute("VACUUM INTO ?1", [database]).unwrap();
    std::fs::create_dir(copy.path().join("keys")).unwrap();
    let keys = std::fs::read_dir(stage.path("keys")).unwrap();
    let keys = keys.map(|entry| format!("keys/{}", entry.unwrap().file_name().display()));
    for name in ["trust.jwt".to_owned(), "roots.jwks".to_owned()].into_iter().chain(keys) {
        std::fs::copy(stage.path(&name), copy.path().join(&name)).unwrap();
    }
    copy
}

/// The stage after its portal was restored from `copy`.
pub(super) fn restored(stage: Stage, copy: tempfile::TempDir) -> Stage {
    let Stage { time, .. } = stage;
    let portal = Portal::open(copy.path(), Options::default(), clock(&time)).unwrap();
    Stage { folder: copy, portal, time }
}

#[test]
fn a_portal_restored_from_a_backup_adopts_what_it_signed() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let copy = backup(&stage);
    stage.portal.update_subscription(sold.id, |t| t.ends_at = at("2028-01-01T00:00:00Z")).unwrap();
    agent.refresh(&stage).unwrap();
    agent.refresh(&stage).unwrap();
    let renewed = agent.held.clone();

    let stage = restored(stage, copy);
    let answer = agent.refresh(&stage).unwrap();
    assert_eq!(answer.outcome, Outcome::NothingNew { sequence: Sequence(2) });
    assert_eq!(agent.held, renewed, "the renewal that the portal forgot is not taken back");
    assert!(stage.events().contains(&"license-adopted".to_owned()));
    assert!(!stage.portal.environments(None).unwrap()[0].chain.is_forked());
    // The vendor enters the renewal again.
    stage.portal.update_subscription(sold.id, |t| t.ends_at = at("2028-02-01T00:00:00Z")).unwrap();
    let license = agent.refresh(&stage).unwrap().license.unwrap();
    assert_eq!(license.claims().seq, Sequence(3));
}

#[test]
fn a_portal_restored_from_a_backup_adopts_an_environment_that_it_forgot() {
    let stage = Stage::new();
    let sold = stage.sell();
    let copy = backup(&stage);
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();

    let stage = restored(stage, copy);
    let answer = agent.refresh(&stage).unwrap();
    assert_eq!(answer.outcome, Outcome::NothingNew { sequence: Sequence(1) });
    let known = stage.portal.environments(Some(sold.id)).unwrap();
    assert_eq!((known.len(), Some(known[0].id)), (1, agent.id));
    // Its slot is its own again.
    let mut other = Agent::new("b", Purpose::Production);
    assert_eq!(other.activate(&stage, &sold.activation_code).unwrap_err().code(), "no-free-slot");
    // Without the license there is nothing to adopt, and another key proves nothing.
    let mut stranger = Agent::new("c", Purpose::Quality);
    stranger.held.clone_from(&agent.held);
    assert_eq!(stranger.refresh(&stage).unwrap_err().code(), "environment-unknown");
    assert_eq!(PRODUCT, stage.portal.keys().product());
}

//! Releases that a customer asks for on its page.

use super::stage::{Agent, Stage};
use crate::{
    license::{Purpose, RequestKind},
    portal::{ReleaseAnswer, ReleaseState},
};
use uuid::Uuid;

/// An activated environment of a subscription that allows one release a year.
fn activated(stage: &Stage) -> (Agent, Uuid, Uuid) {
    let sold = stage.sell();
    stage.portal.update_subscription(sold.id, |terms| terms.releases_a_year = Some(1)).unwrap();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(stage, &sold.activation_code).unwrap();
    let id = agent.id.unwrap();
    (agent, id, sold.id)
}

#[test]
fn a_release_waits_for_approval_after_as_many_as_the_terms_allow() {
    let stage = Stage::new();
    let (mut agent, id, sold) = activated(&stage);
    let code = stage.portal.subscription(sold).unwrap().activation_code;
    let customer = stage.portal.acting_as("customer ACME via 192.0.2.1");
    assert_eq!(customer.ask_release(id, "server replaced").unwrap(), ReleaseAnswer::Done);
    assert!(stage.environment().is_released());
    assert_eq!(customer.ask_release(id, "again").unwrap_err().code(), "already-released");

    agent = Agent::new("a", agent.purpose);
    agent.activate(&stage, &code).unwrap();
    for _ in 0..2 {
        let answer = customer.ask_release(id, "once more").unwrap();
        assert_eq!(answer, ReleaseAnswer::AwaitsApproval);
    }
    assert!(!stage.environment().is_released());
    let waiting = stage.portal.waiting_releases(None).unwrap();
    let [asked] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((asked.reason.as_str(), asked.environment_id), ("once more", id));
    assert_eq!(asked.asked_by, "customer ACME via 192.0.2.1");

    let refused = stage.portal.refuse_release(asked.id, "please call us").unwrap();
    assert_eq!(refused.state, ReleaseState::Refused);
    assert!(!stage.environment().is_released());
    assert_eq!(stage.portal.approve_release(asked.id).unwrap_err().code(), "no-asked-release");

    assert_eq!(customer.ask_release(id, "we called").unwrap(), ReleaseAnswer::AwaitsApproval);
    let asked = stage.portal.waiting_releases(Some(id)).unwrap().remove(0);
    let approved = stage.portal.acting_as("operator alice").approve_release(asked.id).unwrap();
    assert_eq!(approved.decided_by.as_deref(), Some("operator alice"));
    assert!(stage.environment().is_released());
    let events = stage.events();
    let last: Vec<&str> = events.iter().rev().take(6).rev().map(String::as_str).collect();
    let expected = [
        "license-issued",
        "release-asked",
        "release-refused",
        "release-asked",
        "release-approved",
        "environment-released",
    ];
    assert_eq!(last, expected);
}

#[test]
fn a_year_later_it_is_done_at_once_again() {
    let stage = Stage::new();
    let (mut agent, id, sold) = activated(&stage);
    let code = stage.portal.subscription(sold).unwrap().activation_code;
    assert_eq!(stage.portal.ask_release(id, "a").unwrap(), ReleaseAnswer::Done);
    agent = Agent::new("a", agent.purpose);
    agent.activate(&stage, &code).unwrap();
    stage.days_later(364);
    assert_eq!(stage.portal.ask_release(id, "b").unwrap(), ReleaseAnswer::AwaitsApproval);
    let asked = stage.portal.waiting_releases(None).unwrap().remove(0);
    stage.portal.refuse_release(asked.id, "no").unwrap();
    stage.days_later(2);
    assert_eq!(stage.portal.ask_release(id, "c").unwrap(), ReleaseAnswer::Done);
}

#[test]
fn a_reason_is_given_and_of_no_odd_form() {
    let stage = Stage::new();
    let (_, id, _) = activated(&stage);
    for reason in ["", " ", "a\nb", &"a".repeat(201)] {
        assert_eq!(stage.portal.ask_release(id, reason).unwrap_err().code(), "name");
    }
    let sql = "'); DROP TABLE environments; --<script>";
    assert_eq!(stage.portal.ask_release(id, sql).unwrap(), ReleaseAnswer::Done);
    let detail = stage.portal.audit(None, 1).unwrap().remove(0).detail;
    assert_eq!(detail["reason"], sql);
}

#[test]
fn a_release_that_waits_is_over_with_what_it_was_asked_for() {
    for by_agent in [true, false] {
        let stage = Stage::new();
        let (mut agent, id, sold) = activated(&stage);
        let sold = stage.portal.update_subscription(sold, |t| t.releases_a_year = Some(0)).unwrap();
        assert_eq!(stage.portal.ask_release(id, "a").unwrap(), ReleaseAnswer::AwaitsApproval);
        let asked = stage.portal.waiting_releases(None).unwrap().remove(0);
        if by_agent {
            agent.send(&stage, &agent.request(RequestKind::Release)).unwrap();
        } else {
            stage.portal.release_environment(id).unwrap();
        }
        assert!(stage.events().contains(&"release-overtaken".to_owned()));
        // What runs there since is not what was asked about.
        agent.held = None;
        agent.activate(&stage, &sold.activation_code).unwrap();
        assert_eq!(stage.portal.waiting_releases(None).unwrap(), []);
        assert_eq!(stage.portal.approve_release(asked.id).unwrap_err().code(), "no-asked-release");
        assert!(!stage.environment().is_released());
        assert_eq!(stage.portal.ask_release(id, "b").unwrap(), ReleaseAnswer::AwaitsApproval);
    }
}

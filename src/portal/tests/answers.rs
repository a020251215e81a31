//! What agents are answered.

use super::stage::{Agent, Stage, at};
use crate::license::{KeyPair, Outcome, Purpose, RequestKind, Sequence, sign_request};

#[test]
fn an_activation_gets_a_license_and_a_refresh_nothing_new() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    let answer = agent.activate(&stage, &sold.activation_code).unwrap();
    let license = answer.license.unwrap();
    license.check_binding(agent.serial, &agent.key.thumbprint()).unwrap();
    let claims = license.claims();
    assert_eq!(claims.seq, Sequence(1));
    assert_eq!(claims.iss, "Example Vendor");
    assert_eq!(claims.subscription.id, sold.id);
    assert_eq!(claims.exp, at("2027-01-31T00:00:00Z"));
    assert_eq!((claims.iat, claims.nbf), (at("2026-03-01T00:00:00Z"), claims.iat));
    assert_eq!(claims.environment.purpose, Purpose::Production);
    assert_eq!(claims.environment.name, "Site a");
    assert_eq!(answer.trust.unwrap().claims().version, 1);

    let again = agent.refresh(&stage).unwrap();
    assert_eq!(again.outcome, Outcome::NothingNew { sequence: Sequence(1) });
    assert_eq!(stage.events(), ["subscription-created", "environment-activated", "license-issued"]);
}

#[test]
fn a_license_names_the_authority_that_the_environment_tells() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    let license = agent.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    assert_eq!(license.claims().ca, None);
    // It has members now, and then another authority.
    for (seed, sequence) in [(1, 2), (2, 3)] {
        let ca = Some(KeyPair::from_seed(&[seed; 32]).thumbprint());
        let mut claims = agent.request(RequestKind::Refresh);
        claims.ca.clone_from(&ca);
        let license = agent.send(&stage, &claims).unwrap().license.unwrap();
        assert_eq!((&license.claims().ca, license.claims().seq), (&ca, Sequence(sequence)));
        // Told again, and by one that tells nothing, it stays.
        let mut claims = agent.request(RequestKind::Refresh);
        claims.ca = ca;
        let nothing_new = Outcome::NothingNew { sequence: Sequence(sequence) };
        assert_eq!(agent.send(&stage, &claims).unwrap().outcome, nothing_new);
        assert_eq!(agent.refresh(&stage).unwrap().outcome, nothing_new);
    }
    // And in what is issued later.
    let edit = |terms: &mut crate::portal::domain::Terms| terms.edition = "other".to_owned();
    stage.portal.update_subscription(sold.id, edit).unwrap();
    let license = agent.refresh(&stage).unwrap().license.unwrap();
    assert_eq!(license.claims().ca, Some(KeyPair::from_seed(&[2; 32]).thumbprint()));
}

#[test]
fn trust_comes_with_an_answer_only_where_it_is_newer() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let mut claims = agent.activation(&sold.activation_code);
    claims.trust_version = 1;
    let request = sign_request(&claims, &agent.key).unwrap();
    let answer = stage.portal.handle_request(request.as_bytes()).unwrap();
    let trust = stage.portal.keys().trust().clone();
    let opened =
        crate::license::open_answer(&answer, "example-product", &stage.roots(), Some(&trust));
    assert_eq!(opened.unwrap().trust, None);
}

#[test]
fn a_renewal_reaches_the_environment_with_a_higher_sequence_and_the_same_code() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let ends_at = at("2028-01-01T00:00:00.999Z");
    let renewed = stage.portal.update_subscription(sold.id, move |t| t.ends_at = ends_at).unwrap();
    assert_eq!(renewed.activation_code, sold.activation_code);

    let license = agent.refresh(&stage).unwrap().license.unwrap();
    assert_eq!(license.claims().seq, Sequence(2));
    assert_eq!(license.claims().subscription.ends_at, at("2028-01-01T00:00:00Z"));
    assert_eq!(license.claims().exp, at("2028-01-31T00:00:00Z"));
    let again = agent.refresh(&stage).unwrap();
    assert_eq!(again.outcome, Outcome::NothingNew { sequence: Sequence(2) });
}

#[test]
fn who_lost_its_license_gets_the_current_one() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let first = agent.held.take();
    agent.refresh(&stage).unwrap();
    assert_eq!(agent.held, first);
    // Activating again does the same.
    agent.held = None;
    agent.activate(&stage, &sold.activation_code).unwrap();
    assert_eq!(agent.held, first);
    assert_eq!(stage.portal.environments(None).unwrap().len(), 1);
}

#[test]
fn activating_under_another_name_makes_the_license_anew() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    agent.name = "Hall 4".to_owned();
    let license = agent.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    assert_eq!(license.claims().environment.name, "Hall 4");
    assert_eq!(license.claims().seq, Sequence(2));
}

#[test]
fn a_machine_with_a_better_source_keeps_its_serial_number() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let known = agent.serial;
    agent.serial = Agent::new("better", Purpose::Production).serial;
    agent.candidates = vec![agent.serial, known];
    agent.held = None;
    let license = agent.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    assert_eq!(license.claims().sub, known);
    assert_eq!(license.claims().seq, Sequence(1));
}

#[test]
fn a_revoked_subscription_answers_with_the_signed_revocation_and_a_resumed_one_with_a_license() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    stage.portal.revoke_subscription(sold.id, "chargeback").unwrap();
    for _ in 0..2 {
        let revocation = agent.refresh(&stage).unwrap().revocation.unwrap();
        assert_eq!(revocation.seq, Sequence(2));
        assert_eq!(revocation.sub, agent.serial);
        assert_eq!(revocation.reason, "chargeback");
        assert_eq!(revocation.revoked_at, at("2026-03-01T00:00:00Z"));
    }
    // Activating is the same question.
    assert!(agent.activate(&stage, &sold.activation_code).unwrap().revocation.is_some());

    stage.portal.resume_subscription(sold.id).unwrap();
    let license = agent.refresh(&stage).unwrap().license.unwrap();
    assert_eq!(license.claims().seq, Sequence(3));
}

#[test]
fn a_suspended_subscription_issues_nothing_and_takes_nothing_away() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    stage.portal.suspend_subscription(sold.id).unwrap();
    let problem = agent.refresh(&stage).unwrap_err();
    assert_eq!((problem.code(), problem.status), ("subscription-suspended", 403));
    stage.portal.resume_subscription(sold.id).unwrap();
    assert_eq!(agent.refresh(&stage).unwrap().license.unwrap().claims().seq, Sequence(2));
}

#[test]
fn an_ended_subscription_never_gives_a_license_that_is_over() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let shorter = at("2026-02-01T00:00:00Z");
    stage.portal.update_subscription(sold.id, move |t| t.ends_at = shorter).unwrap();
    stage.days_later(1);
    let in_grace = agent.refresh(&stage).unwrap().license.unwrap();
    assert_eq!(in_grace.claims().exp, at("2026-03-03T00:00:00Z"));
    stage.days_later(1);
    stage.portal.update_subscription(sold.id, |t| t.edition = "other".to_owned()).unwrap();
    let over = agent.refresh(&stage).unwrap();
    assert_eq!(over.outcome, Outcome::NothingNew { sequence: Sequence(2) });
    agent.held = None;
    let problem = agent.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(problem.code(), "subscription-ended");
}

#[test]
fn a_release_frees_the_slot_and_the_same_machine_may_come_back() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut one = Agent::new("a", Purpose::Production);
    let mut other = Agent::new("b", Purpose::Production);
    one.activate(&stage, &sold.activation_code).unwrap();
    let id = one.id;
    assert_eq!(other.activate(&stage, &sold.activation_code).unwrap_err().code(), "no-free-slot");

    let released = stage.ask(&one.request(RequestKind::Release), &one.key).unwrap();
    assert_eq!(released.outcome, Outcome::Released { sequence: Sequence(2), slot_free_at: None });
    // Asked again, in whichever way, it is the same.
    for kind in [RequestKind::Release, RequestKind::Refresh] {
        let again = stage.ask(&one.request(kind), &one.key).unwrap();
        assert_eq!(again.outcome, Outcome::Released { sequence: Sequence(2), slot_free_at: None });
    }
    other.activate(&stage, &sold.activation_code).unwrap();
    assert_eq!(one.activate(&stage, &sold.activation_code).unwrap_err().code(), "no-free-slot");

    stage.portal.release_environment(other.id.unwrap()).unwrap();
    let back = one.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    assert_eq!(Some(back.claims().environment.id), id);
    assert_eq!(back.claims().seq, Sequence(3), "higher than any that is still about");
}

#[test]
fn a_lost_key_is_cured_by_a_release_at_the_portal() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut installed_anew = agent.installed_anew();
    let problem = installed_anew.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!((problem.code(), problem.status), ("rebind-required", 409));
    let id = agent.id.unwrap();
    assert!(problem.detail.contains(&format!("environment release {id}")), "{}", problem.detail);

    stage.portal.release_environment(id).unwrap();
    let told = agent.refresh(&stage).unwrap();
    assert_eq!(told.outcome, Outcome::Released { sequence: Sequence(2), slot_free_at: None });
    let license = installed_anew.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    assert_eq!(license.claims().seq, Sequence(3));
    license.check_binding(agent.serial, &installed_anew.key.thumbprint()).unwrap();
    // The old key is told so.
    let told = agent.refresh(&stage).unwrap().outcome;
    assert!(matches!(told, Outcome::Retired { sequence: Sequence(3), .. }), "{told:?}");
}

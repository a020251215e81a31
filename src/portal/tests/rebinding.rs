//! A machine that lost its key gets its environment back: free, by a one-time code, or after approval.

use super::stage::{Agent, Stage};
use crate::{
    api::Problem,
    license::{OpenedAnswer, Outcome, Purpose, RebindCode, RequestKind, Retirement, Sequence},
    portal::domain::{RebindPolicy, Subscription},
};
use jiff::SignedDuration;

/// A machine that was activated, and the same one after its key was lost.
fn lost_key(stage: &Stage, policy: RebindPolicy) -> (Subscription, Agent, Agent) {
    let sold = stage.sell_with(policy);
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(stage, &sold.activation_code).unwrap();
    let anew = agent.installed_anew();
    (sold, agent, anew)
}

fn refused(result: Result<OpenedAnswer, Problem>, code: &str) -> Problem {
    let problem = result.unwrap_err();
    assert_eq!(problem.code(), code, "{}", problem.detail);
    problem
}

#[test]
fn a_one_time_code_gives_the_environment_back() {
    let stage = Stage::new();
    let (sold, mut old, mut anew) = lost_key(&stage, RebindPolicy::Code);
    let problem = anew.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(problem.code(), "rebind-required");
    assert!(problem.detail.contains("environment rebind-code"), "{}", problem.detail);
    let without = anew.rebind(&sold.activation_code, None);
    assert_eq!(refused(anew.send(&stage, &without), "rebind-code-required").status, 403);

    let code = stage.one_time_code(old.id);
    let with = anew.rebind(&sold.activation_code, Some(&code));
    let license = anew.send(&stage, &with).unwrap().license.unwrap();
    license.check_binding(old.serial, &anew.key.thumbprint()).unwrap();
    let claims = license.claims();
    assert_eq!((Some(claims.environment.id), claims.seq), (old.id, Sequence(2)));
    assert_eq!(claims.environment.name, old.name);
    let again = anew.refresh(&stage).unwrap();
    assert_eq!(again.outcome, Outcome::NothingNew { sequence: Sequence(2) });

    // Whoever holds the old key is told by a signed word, and the chain goes on without it.
    for kind in [RequestKind::Refresh, RequestKind::Release] {
        let told = stage.ask(&old.request(kind), &old.key).unwrap();
        let (serial_number, key) = (anew.serial, Some(anew.key.thumbprint()));
        let (sequence, by) = (Sequence(2), Retirement::Rebind);
        assert_eq!(told.outcome, Outcome::Retired { sequence, by, serial_number, key });
    }
    old.id = None;
    assert!(matches!(old.refresh(&stage).unwrap().outcome, Outcome::Retired { .. }));
    refused(old.activate(&stage, &sold.activation_code), "rebind-required");
    assert!(!stage.environment().chain.is_forked());
}

#[test]
fn a_code_is_good_once_for_one_environment_and_a_day() {
    let stage = Stage::new();
    let (sold, old, mut anew) = lost_key(&stage, RebindPolicy::Code);
    let mut other = Agent::new("b", Purpose::Quality);
    other.activate(&stage, &sold.activation_code).unwrap();
    let of_other = stage.one_time_code(other.id);
    let (first, code) = (stage.one_time_code(old.id), stage.one_time_code(old.id));
    for wrong in [&of_other, &first] {
        let claims = anew.rebind(&sold.activation_code, Some(wrong));
        refused(anew.send(&stage, &claims), "rebind-code-wrong");
    }
    // The proof of another request.
    let mut copied = anew.rebind(&sold.activation_code, None);
    copied.rebind_proof = anew.rebind(&sold.activation_code, Some(&code)).rebind_proof;
    refused(anew.send(&stage, &copied), "rebind-code-wrong");
    let right = anew.rebind(&sold.activation_code, Some(&code));
    anew.send(&stage, &right).unwrap();
    let mut thief = old.installed_anew();
    let again = thief.rebind(&sold.activation_code, Some(&code));
    refused(thief.send(&stage, &again), "rebind-code-wrong");

    let code = stage.one_time_code(old.id);
    stage.later(SignedDuration::from_hours(24));
    let late = thief.rebind(&sold.activation_code, Some(&code));
    let problem = refused(thief.send(&stage, &late), "rebind-code-wrong");
    assert!(problem.detail.contains("has expired"), "{}", problem.detail);
}

#[test]
fn five_wrong_codes_and_the_right_one_is_void_and_more_have_to_wait() {
    let stage = Stage::new();
    let (sold, old, mut anew) = lost_key(&stage, RebindPolicy::Code);
    let code = stage.one_time_code(old.id);
    for left in (0..5).rev() {
        let wrong = RebindCode::random().unwrap();
        let claims = anew.rebind(&sold.activation_code, Some(&wrong));
        let problem = refused(anew.send(&stage, &claims), "rebind-code-wrong");
        assert!(problem.detail.contains(&format!("{left} attempts")), "{}", problem.detail);
    }
    assert_eq!(stage.events().iter().filter(|e| *e == "rebind-code-refused").count(), 5);
    for _ in 0..5 {
        let right = anew.rebind(&sold.activation_code, Some(&code));
        refused(anew.send(&stage, &right), "rebind-code-wrong");
    }
    let code = stage.one_time_code(old.id);
    let right = anew.rebind(&sold.activation_code, Some(&code));
    let problem = refused(anew.send(&stage, &right), "too-many-attempts");
    assert_eq!((problem.status, problem.retry_after), (429, Some(900)));
    stage.later(SignedDuration::from_mins(15));
    let right = anew.rebind(&sold.activation_code, Some(&code));
    anew.send(&stage, &right).unwrap();
}

#[test]
fn a_free_rebind_needs_the_activation_code_alone() {
    let stage = Stage::new();
    let (sold, _, mut anew) = lost_key(&stage, RebindPolicy::Free);
    let claims = anew.rebind(&sold.activation_code, None);
    assert_eq!(anew.send(&stage, &claims).unwrap().license.unwrap().claims().seq, Sequence(2));
    let events = stage.events();
    assert_eq!(events[events.len() - 2..], ["environment-rebound", "license-issued"]);
}

#[test]
fn an_approved_rebind_is_done_when_it_is_asked_for_again() {
    let stage = Stage::new();
    let (sold, old, mut anew) = lost_key(&stage, RebindPolicy::Approval);
    let id = old.id.unwrap();
    assert_eq!(stage.portal.approve_rebind(id, None).unwrap_err().code(), "no-pending-rebind");
    for _ in 0..2 {
        let claims = anew.rebind(&sold.activation_code, None);
        let problem = refused(anew.send(&stage, &claims), "rebind-pending");
        assert_eq!((problem.status, problem.retry_after), (403, Some(3_600)));
    }
    assert_eq!(stage.events().iter().filter(|e| *e == "rebind-asked").count(), 1);
    // Another asks as well: the operator has to say whom he means.
    let mut thief = old.installed_anew();
    let claims = thief.rebind(&sold.activation_code, None);
    refused(thief.send(&stage, &claims), "rebind-pending");
    let several = stage.portal.approve_rebind(id, None).unwrap_err();
    assert_eq!(several.code(), "several-pending-rebinds");
    assert_eq!(stage.portal.pending_rebinds().unwrap().len(), 2);
    stage.portal.approve_rebind(id, Some(anew.key.thumbprint())).unwrap();

    let claims = thief.rebind(&sold.activation_code, None);
    refused(thief.send(&stage, &claims), "rebind-pending");
    let claims = anew.rebind(&sold.activation_code, None);
    assert!(anew.send(&stage, &claims).unwrap().license.is_some());
    assert_eq!(stage.portal.pending_rebinds().unwrap(), [], "an approval is for one key");
}

#[test]
fn an_approval_that_nobody_uses_ends() {
    let stage = Stage::new();
    let (sold, old, mut anew) = lost_key(&stage, RebindPolicy::Approval);
    let claims = anew.rebind(&sold.activation_code, None);
    refused(anew.send(&stage, &claims), "rebind-pending");
    stage.portal.approve_rebind(old.id.unwrap(), None).unwrap();
    stage.days_later(14);
    let claims = anew.rebind(&sold.activation_code, None);
    refused(anew.send(&stage, &claims), "rebind-pending");
}

#[test]
fn a_rebind_asked_for_twice_gets_the_same_answer() {
    let stage = Stage::new();
    let (sold, _, anew) = lost_key(&stage, RebindPolicy::Free);
    let claims = anew.rebind(&sold.activation_code, None);
    let (first, again) = (stage.ask(&claims, &anew.key), stage.ask(&claims, &anew.key));
    assert_eq!(first.unwrap(), again.unwrap());
    assert_eq!(stage.environment().sequence, Sequence(2));
}

#[test]
fn the_old_key_gives_its_place_to_a_new_one_without_a_code() {
    let stage = Stage::new();
    let (_, old, _) = lost_key(&stage, RebindPolicy::Approval);
    let mut heir = old.copy();
    heir.key = crate::license::KeyPair::generate().unwrap();
    let claims = heir.succeed(RequestKind::Rebind, &old.key);
    let license = heir.send(&stage, &claims).unwrap().license.unwrap();
    license.check_binding(old.serial, &heir.key.thumbprint()).unwrap();
    let told = stage.ask(&old.request(RequestKind::Refresh), &old.key).unwrap();
    assert!(matches!(told.outcome, Outcome::Retired { by: Retirement::Rebind, .. }));
    // It can't take its place back.
    let mut back = old.copy();
    let claims = back.succeed(RequestKind::Rebind, &heir.key);
    assert_eq!(back.send(&stage, &claims).unwrap_err().code(), "key-not-new");
}

#[test]
fn nobody_else_consents() {
    let stage = Stage::new();
    let (sold, old, mut anew) = lost_key(&stage, RebindPolicy::Free);
    let mut other = Agent::new("b", Purpose::Quality);
    other.activate(&stage, &sold.activation_code).unwrap();
    anew.id = old.id;
    for kind in [RequestKind::Rebind, RequestKind::Move] {
        let claims = anew.succeed(kind, &other.key);
        refused(anew.send(&stage, &claims), "document-request");
    }
    // An environment that there is not.
    anew.id = Some(uuid::Uuid::nil());
    let claims = anew.succeed(RequestKind::Move, &old.key);
    refused(anew.send(&stage, &claims), "environment-unknown");
    assert_eq!(stage.environment_of(&old).key, Some(old.key.public()));
}

#[test]
fn other_hardware_and_other_subscriptions_get_nothing() {
    let stage = Stage::new();
    let (sold, old, _) = lost_key(&stage, RebindPolicy::Free);
    let mut stranger = Agent::new("stranger", Purpose::Production);
    let claims = stranger.rebind(&sold.activation_code, None);
    refused(stranger.send(&stage, &claims), "machine-unknown");
    stranger.id = old.id;
    let claims = stranger.rebind(&sold.activation_code, None);
    refused(stranger.send(&stage, &claims), "hardware-differs");
    let elsewhere = stage.sell_with(RebindPolicy::Free);
    let mut anew = old.installed_anew();
    anew.id = old.id;
    let claims = anew.rebind(&elsewhere.activation_code, None);
    refused(anew.send(&stage, &claims), "machine-unknown");
}

#[test]
fn what_is_refused_leaves_everything_as_it_was() {
    let stage = Stage::new();
    let (sold, old, mut anew) = lost_key(&stage, RebindPolicy::Code);
    let code = stage.one_time_code(old.id);
    let before = (stage.environment(), stage.events());
    stage.portal.suspend_subscription(sold.id).unwrap();
    let right = anew.rebind(&sold.activation_code, Some(&code));
    refused(anew.send(&stage, &right), "subscription-suspended");
    stage.portal.resume_subscription(sold.id).unwrap();
    assert_eq!(stage.environment(), before.0);
    assert_eq!(stage.events().len(), before.1.len() + 2);
    // The code was not used up.
    let right = anew.rebind(&sold.activation_code, Some(&code));
    anew.send(&stage, &right).unwrap();
}

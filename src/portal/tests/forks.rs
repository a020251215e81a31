//! Two machines that ask as one: both are told, one is named, and the other's key is retired.

use super::stage::{Agent, Stage, at, fact};
use crate::{
    license::{ForkState, KeyPair, OpenedAnswer, Outcome, Purpose, RequestKind, Sequence},
    portal::domain::{RebindPolicy, Subscription},
};
use uuid::Uuid;

/// A machine and its copy, a day after both have asked.
fn copied(stage: &Stage) -> (Subscription, Agent, Agent) {
    let sold = stage.sell_with(RebindPolicy::Approval);
    let mut one = Agent::new("a", Purpose::Production);
    one.evidence = vec![fact("smbios-uuid", 1), fact("permanent-mac", 2)];
    one.activate(stage, &sold.activation_code).unwrap();
    let mut two = one.copy();
    two.evidence = vec![fact("smbios-uuid", 1), fact("permanent-mac", 9)];
    stage.days_later(1);
    assert_eq!(one.refresh(stage).unwrap().fork, None);
    let told = two.refresh(stage).unwrap();
    assert_eq!(state(&told), Some(ForkState::Open));
    (sold, one, two)
}

fn state(answer: &OpenedAnswer) -> Option<ForkState> {
    answer.fork.map(|fork| fork.state)
}

/// The same machine with a new key.
fn rekeyed(agent: &Agent) -> Agent {
    Agent { key: KeyPair::generate().unwrap(), ..agent.copy() }
}

#[test]
fn both_are_told_since_when_and_get_nothing_later() {
    let stage = Stage::new();
    let (sold, mut one, mut two) = copied(&stage);
    let longer = at("2028-01-01T00:00:00Z");
    stage.portal.update_subscription(sold.id, move |t| t.ends_at = longer).unwrap();
    for agent in [&mut one, &mut two] {
        let answer = agent.refresh(&stage).unwrap();
        assert_eq!(answer.outcome, Outcome::NothingNew { sequence: Sequence(1) });
        let fork = answer.fork.unwrap();
        assert_eq!((fork.since, fork.state), (at("2026-03-02T00:00:00Z"), ForkState::Open));
    }
}

#[test]
fn the_branches_are_shown_with_what_is_known_of_their_machines() {
    let stage = Stage::new();
    let (_, one, two) = copied(&stage);
    let shown = stage.portal.forks(one.id.unwrap()).unwrap();
    assert!(shown.forked);
    assert_eq!(shown.since, Some(at("2026-03-02T00:00:00Z")));
    let heads: Vec<_> = shown.branches.iter().map(|b| Some(b.last_request)).collect();
    assert_eq!(heads, [one.previous, two.previous]);
    let scores: Vec<_> = shown.branches.iter().map(|b| b.hardware_score).collect();
    assert_eq!(scores, [Some(100), Some(60)]);
    assert_eq!(shown.branches[0].machine.as_ref().unwrap().kind, "bare-metal");
    assert_eq!(stage.portal.forks(Uuid::nil()).unwrap_err().code(), "no-environment");
}

#[test]
fn the_survivor_makes_a_new_key_without_a_code_and_the_others_is_retired() {
    let stage = Stage::new();
    let (sold, mut one, mut two) = copied(&stage);
    let (id, head) = (one.id.unwrap(), two.previous.unwrap().0);
    let named = stage.portal.name_survivor(id, head).unwrap();
    assert!(named.branches[1].survivor && !named.branches[0].survivor);
    assert_eq!(stage.events().last().unwrap(), "survivor-named");
    assert_eq!(state(&one.refresh(&stage).unwrap()), Some(ForkState::Superseded));
    assert_eq!(state(&two.refresh(&stage).unwrap()), Some(ForkState::Survivor));
    // The other one can't take its place.
    let mut usurper = rekeyed(&one);
    let claims = usurper.succeed(RequestKind::Rebind, &one.key);
    assert_eq!(usurper.send(&stage, &claims).unwrap_err().code(), "environment-forked");
    let claims = usurper.succeed(RequestKind::Move, &one.key);
    assert_eq!(usurper.send(&stage, &claims).unwrap_err().code(), "environment-forked");

    let mut survivor = rekeyed(&two);
    let claims = survivor.succeed(RequestKind::Rebind, &two.key);
    let answer = survivor.send(&stage, &claims).unwrap();
    assert_eq!((answer.fork, answer.license.unwrap().claims().seq), (None, Sequence(2)));
    for agent in [&mut one, &mut two] {
        let told = agent.refresh(&stage).unwrap();
        assert!(matches!(told.outcome, Outcome::Retired { sequence: Sequence(2), .. }));
    }
    stage.portal.update_subscription(sold.id, |t| t.edition = "large".to_owned()).unwrap();
    let renewed = survivor.refresh(&stage).unwrap();
    assert_eq!((renewed.fork, renewed.license.unwrap().claims().seq), (None, Sequence(3)));
    // The retired one may come back as the same machine, if the vendor approves.
    let mut back = one.installed_anew();
    let claims = back.rebind(&sold.activation_code, None);
    assert_eq!(back.send(&stage, &claims).unwrap_err().code(), "rebind-pending");
}

#[test]
fn nothing_is_named_where_nothing_is_forked() {
    let stage = Stage::new();
    let (sold, one, _) = copied(&stage);
    let id = one.id.unwrap();
    let name = |id, head| stage.portal.name_survivor(id, head).unwrap_err().code().to_owned();
    assert_eq!(name(id, Uuid::nil()), "no-branch");
    assert_eq!(name(Uuid::nil(), Uuid::nil()), "no-environment");
    let mut other = Agent::new("b", Purpose::Quality);
    other.activate(&stage, &sold.activation_code).unwrap();
    assert_eq!(name(other.id.unwrap(), other.previous.unwrap().0), "not-forked");
    stage.portal.release_environment(id).unwrap();
    assert_eq!(name(id, one.previous.unwrap().0), "environment-released");
}

#[test]
fn a_one_time_code_names_the_machine_as_well() {
    let stage = Stage::new();
    let (sold, mut one, two) = copied(&stage);
    let code = stage.one_time_code(one.id);
    let mut anew = two.installed_anew();
    let claims = anew.rebind(&sold.activation_code, Some(&code));
    assert_eq!(anew.send(&stage, &claims).unwrap().fork, None);
    assert!(matches!(one.refresh(&stage).unwrap().outcome, Outcome::Retired { .. }));
}

#[test]
fn a_free_rebind_is_not_for_whoever_of_two_is_first() {
    let stage = Stage::new();
    let (sold, _, two) = copied(&stage);
    let free = |t: &mut crate::portal::domain::Terms| t.rebind = RebindPolicy::Free;
    stage.portal.update_subscription(sold.id, free).unwrap();
    let mut anew = two.installed_anew();
    let claims = anew.rebind(&sold.activation_code, None);
    assert_eq!(anew.send(&stage, &claims).unwrap_err().code(), "environment-forked");
}

#[test]
fn a_fork_changes_nothing_of_the_known_hardware() {
    let stage = Stage::new();
    let (_, one, mut two) = copied(&stage);
    for _ in 0..3 {
        two.refresh(&stage).unwrap();
    }
    let scores = stage.portal.forks(one.id.unwrap()).unwrap();
    assert_eq!(scores.branches[0].hardware_score, Some(100));
}

#[test]
fn a_copy_that_gives_up_takes_nothing_from_the_survivor() {
    let stage = Stage::new();
    let (_, mut one, mut two) = copied(&stage);
    stage.portal.name_survivor(one.id.unwrap(), two.previous.unwrap().0).unwrap();
    let release = one.request(RequestKind::Release);
    let told = one.send(&stage, &release).unwrap();
    let sequence = Sequence(1);
    assert_eq!(told.outcome, Outcome::Released { sequence, slot_free_at: None });
    assert_eq!((told.fork, stage.events().last().unwrap().as_str()), (None, "branch-released"));
    assert!(!stage.environment().is_released());
    assert_eq!(state(&two.refresh(&stage).unwrap()), Some(ForkState::Survivor));
    // The survivor's own is the environment's.
    let release = two.request(RequestKind::Release);
    two.send(&stage, &release).unwrap();
    assert!(stage.environment().is_released());
}

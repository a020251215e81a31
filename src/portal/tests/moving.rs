//! A move: other hardware and another key in one step.

use super::{
    chain::{backup, restored},
    stage::{Agent, Stage, fact},
};
use crate::{
    license::{Outcome, Purpose, RequestKind, Retirement, Sequence},
    portal::domain::RebindPolicy,
};

/// An environment on machine `a`, and machine `b` with the other's state.
fn two_machines(stage: &Stage) -> (Agent, Agent) {
    let sold = stage.sell();
    let mut old = Agent::new("a", Purpose::Production);
    old.evidence = vec![fact("smbios-uuid", 1), fact("board-serial", 2)];
    old.activate(stage, &sold.activation_code).unwrap();
    let mut new = Agent::new("b", Purpose::Production);
    new.evidence = vec![fact("smbios-uuid", 8), fact("board-serial", 9)];
    (new.id, new.held, new.previous) = (old.id, old.held.clone(), old.previous);
    (old, new)
}

#[test]
fn a_move_retires_and_binds_in_one_step() {
    let stage = Stage::new();
    let (mut old, mut new) = two_machines(&stage);
    let (from, to) = (old.serial, new.serial);
    let claims = new.succeed(RequestKind::Move, &old.key);
    let license = new.send(&stage, &claims).unwrap().license.unwrap();
    license.check_binding(to, &new.key.thumbprint()).unwrap();
    assert_eq!(Some(license.claims().environment.id), old.id);
    assert_eq!(
        (license.claims().seq, license.claims().environment.name.as_str()),
        (Sequence(2), "Site a")
    );
    assert_eq!(stage.environment().serial_number, to);
    new.refresh(&stage).unwrap();

    let told = old.refresh(&stage).unwrap();
    let key = Some(new.key.thumbprint());
    let (sequence, by, serial_number) = (Sequence(2), Retirement::Move, to);
    assert_eq!(told.outcome, Outcome::Retired { sequence, by, serial_number, key });
    // Its consent is worth nothing now.
    let mut third = Agent::new("c", Purpose::Production);
    third.id = old.id;
    let claims = third.succeed(RequestKind::Move, &old.key);
    assert_eq!(third.send(&stage, &claims).unwrap_err().code(), "document-request");

    let audit = stage.portal.audit(None, 100).unwrap();
    let moved = audit.iter().find(|entry| entry.event == "environment-moved").unwrap();
    assert_eq!(moved.detail["from"]["serial_number"], from.to_string());
    assert_eq!(moved.detail["serial_number"], to.to_string());
    assert_eq!(moved.detail["road"], "online");
}

#[test]
fn a_machine_that_is_lost_is_moved_from_its_old_backup() {
    let stage = Stage::new();
    let (mut old, mut new) = two_machines(&stage);
    // The backup was made before this.
    for _ in 0..3 {
        stage.days_later(1);
        old.refresh(&stage).unwrap();
    }
    let claims = new.succeed(RequestKind::Move, &old.key);
    assert!(new.send(&stage, &claims).unwrap().license.is_some());
    assert!(!stage.environment().chain.is_forked());
}

#[test]
fn a_machine_that_knows_no_code_leaves_no_old_hardware_behind() {
    let stage = Stage::new();
    let (old, mut new) = two_machines(&stage);
    let facts = || {
        let id = old.id.unwrap();
        stage.portal.store().read(|view| view.evidence(id)).unwrap()
    };
    assert_eq!(facts().len(), 2);
    // Without the Activation Code there are no digests.
    new.evidence.clear();
    let claims = new.succeed(RequestKind::Move, &old.key);
    new.send(&stage, &claims).unwrap();
    assert_eq!(facts(), []);
    // Its key is lost later: the hardware of the first machine does not speak against it.
    let sold = stage.portal.subscriptions().unwrap().remove(0);
    let code = stage.one_time_code(new.id);
    let mut anew = new.installed_anew();
    anew.evidence = vec![fact("smbios-uuid", 8), fact("board-serial", 9)];
    let claims = anew.rebind(&sold.activation_code, Some(&code));
    anew.send(&stage, &claims).unwrap();
    assert_eq!(facts().len(), 2);
}

#[test]
fn a_named_survivor_on_other_hardware_is_moved() {
    let stage = Stage::new();
    let (mut old, mut copy) = two_machines(&stage);
    copy.key = old.key.clone();
    old.refresh(&stage).unwrap();
    copy.refresh(&stage).unwrap();
    let mut heir = copy.copy();
    heir.key = crate::license::KeyPair::generate().unwrap();
    let claims = heir.succeed(RequestKind::Move, &old.key);
    assert_eq!(heir.send(&stage, &claims).unwrap_err().code(), "environment-forked");
    stage.portal.name_survivor(old.id.unwrap(), copy.previous.unwrap().0).unwrap();
    let claims = heir.succeed(RequestKind::Move, &old.key);
    let license = heir.send(&stage, &claims).unwrap().license.unwrap();
    license.check_binding(heir.serial, &heir.key.thumbprint()).unwrap();
    assert!(matches!(old.refresh(&stage).unwrap().outcome, Outcome::Retired { .. }));
}

#[test]
fn an_answer_names_its_environment_and_the_newest_sequence() {
    let stage = Stage::new();
    let (mut old, mut new) = two_machines(&stage);
    let answer = old.refresh(&stage).unwrap();
    assert_eq!((answer.environment_id, answer.issued), (old.id, Some(Sequence(1))));
    let claims = new.succeed(RequestKind::Move, &old.key);
    let answer = new.send(&stage, &claims).unwrap();
    assert_eq!((answer.environment_id, answer.issued), (old.id, Some(Sequence(2))));
    let told = old.refresh(&stage).unwrap();
    assert_eq!((told.environment_id, told.issued), (old.id, None));
}

#[test]
fn hardware_may_be_several_environments_one_after_the_other() {
    let stage = Stage::new();
    let (old, mut new) = two_machines(&stage);
    let sold = stage.portal.subscriptions().unwrap().remove(0);
    // Machine b is an environment already.
    let mut quality = Agent::new("b", Purpose::Quality);
    quality.activate(&stage, &sold.activation_code).unwrap();
    let claims = new.succeed(RequestKind::Move, &old.key);
    let problem = new.send(&stage, &claims).unwrap_err();
    assert_eq!(problem.code(), "serial-number-taken");
    stage.ask(&quality.request(RequestKind::Release), &quality.key).unwrap();
    let claims = new.succeed(RequestKind::Move, &old.key);
    new.send(&stage, &claims).unwrap();
    // And machine a is free for another.
    let mut third = Agent::new("a", Purpose::Quality);
    third.activate(&stage, &sold.activation_code).unwrap();
    assert_ne!(third.id, new.id);
    // Its old key may be another environment's.
    let mut fourth = old.copy();
    (fourth.id, fourth.held, fourth.purpose) = (None, None, Purpose::Development);
    fourth.serial = crate::codes::SerialNumber::mint("smbios-uuid", "d");
    fourth.activate(&stage, &sold.activation_code).unwrap();
    assert!(matches!(fourth.refresh(&stage).unwrap().outcome, Outcome::NothingNew { .. }));
}

#[test]
fn a_move_by_the_override_is_the_vendors_to_allow() {
    let stage = Stage::new();
    let (old, mut new) = two_machines(&stage);
    let id = stage.portal.subscriptions().unwrap()[0].id;
    stage.portal.update_subscription(id, |t| t.allow_override = false).unwrap();
    let mut claims = new.succeed(RequestKind::Move, &old.key);
    claims.machine.overridden = true;
    assert_eq!(new.send(&stage, &claims).unwrap_err().code(), "override-not-allowed");
}

#[test]
fn a_portal_restored_from_a_backup_adopts_a_move_that_it_forgot() {
    let stage = Stage::new();
    let (mut old, mut new) = two_machines(&stage);
    let copy = backup(&stage);
    let claims = new.succeed(RequestKind::Move, &old.key);
    new.send(&stage, &claims).unwrap();
    let stage = restored(stage, copy);
    assert_eq!(stage.environment().serial_number, old.serial);
    let answer = new.refresh(&stage).unwrap();
    assert_eq!(answer.outcome, Outcome::NothingNew { sequence: Sequence(2) });
    let environment = stage.environment();
    assert_eq!((environment.serial_number, environment.key), (new.serial, Some(new.key.public())));
    let told = old.refresh(&stage).unwrap();
    assert!(matches!(told.outcome, Outcome::Retired { by: Retirement::Move, .. }));
}

#[test]
fn a_portal_restored_from_a_backup_moves_an_environment_that_it_forgot() {
    let stage = Stage::new();
    let sold = stage.sell();
    let copy = backup(&stage);
    let mut old = Agent::new("a", Purpose::Production);
    old.activate(&stage, &sold.activation_code).unwrap();
    let stage = restored(stage, copy);
    let mut new = Agent::new("b", Purpose::Production);
    (new.id, new.held) = (old.id, old.held.clone());
    // What it holds is the proof, and the consent must be of the key in it.
    let claims = new.succeed(RequestKind::Move, &new.key.clone());
    assert!(new.send(&stage, &claims).is_err());
    let claims = new.succeed(RequestKind::Move, &old.key);
    let license = new.send(&stage, &claims).unwrap().license.unwrap();
    assert_eq!(
        (Some(license.claims().environment.id), license.claims().seq),
        (old.id, Sequence(2))
    );
    assert!(matches!(old.refresh(&stage).unwrap().outcome, Outcome::Retired { .. }));
}

#[test]
fn a_portal_restored_from_a_backup_counts_on_from_what_a_lost_key_held() {
    let stage = Stage::new();
    let sold = stage.sell_with(RebindPolicy::Free);
    let mut old = Agent::new("a", Purpose::Production);
    old.activate(&stage, &sold.activation_code).unwrap();
    let copy = backup(&stage);
    for edition in ["medium", "large"] {
        stage.portal.update_subscription(sold.id, |t| t.edition = edition.to_owned()).unwrap();
        old.refresh(&stage).unwrap();
    }
    let stage = restored(stage, copy);
    let mut anew = old.installed_anew();
    anew.held.clone_from(&old.held);
    let claims = anew.rebind(&sold.activation_code, None);
    assert_eq!(anew.send(&stage, &claims).unwrap().license.unwrap().claims().seq, Sequence(4));
}

#[test]
fn a_succession_that_a_slow_courier_brings_is_not_done_after_its_asker_has_gone_on() {
    for kind in [RequestKind::Rebind, RequestKind::Move] {
        let stage = Stage::new();
        let (mut old, mut new) = two_machines(&stage);
        new.serial = old.serial;
        let slow = new.succeed(kind, &old.key);
        // The courier did not come, and the old key asked on-line.
        let mut refresh = old.request(RequestKind::Refresh);
        refresh.unsettled = vec![slow.jti];
        old.send(&stage, &refresh).unwrap();
        let before = stage.environment();
        assert_eq!(new.send(&stage, &slow).unwrap_err().code(), "request-overtaken", "{kind:?}");
        assert_eq!(stage.environment(), before);
        let again = old.copy();
        new.previous = again.previous;
        let fresh = new.succeed(kind, &old.key);
        new.send(&stage, &fresh).unwrap();
    }
}

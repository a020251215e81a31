//! Machines that are known again by their hardware, and those that are not.

use super::{
    chain::{backup, restored},
    stage::{Agent, Stage, fact},
};
use crate::{
    codes::SerialNumber,
    license::{EvidenceDigest, Outcome, Purpose, Sequence},
    portal::domain::{RebindPolicy, Subscription},
};

fn hardware(values: [u8; 4]) -> Vec<EvidenceDigest> {
    let sources = ["smbios-uuid", "board-serial", "permanent-mac", "disk-wwid"];
    sources.into_iter().zip(values).map(|(source, value)| fact(source, value)).collect()
}

/// A machine that was activated with its hardware.
fn activated(stage: &Stage, policy: RebindPolicy) -> (Subscription, Agent) {
    let sold = stage.sell_with(policy);
    let mut agent = Agent::new("a", Purpose::Production);
    agent.evidence = hardware([1, 2, 3, 4]);
    agent.activate(stage, &sold.activation_code).unwrap();
    (sold, agent)
}

fn serial(name: &str) -> SerialNumber {
    SerialNumber::mint("smbios-uuid", name)
}

#[test]
fn a_machine_that_mints_another_number_is_known_by_its_hardware() {
    let stage = Stage::new();
    let (sold, old) = activated(&stage, RebindPolicy::Free);
    // Its UUID is another since the firmware was updated, its disk was replaced, and its state was lost.
    let mut anew = old.installed_anew();
    anew.serial = serial("another UUID");
    anew.evidence = hardware([1, 2, 3, 9]);
    let problem = anew.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(problem.code(), "rebind-required");
    assert!(problem.detail.contains(&old.id.unwrap().to_string()), "{}", problem.detail);
    let claims = anew.rebind(&sold.activation_code, None);
    let license = anew.send(&stage, &claims).unwrap().license.unwrap();
    assert_eq!((license.claims().sub, license.claims().seq), (old.serial, Sequence(2)));

    // What changed was enrolled with what agreed: another part may go now.
    let mut anew = anew.installed_anew();
    (anew.serial, anew.evidence) = (serial("a third"), hardware([1, 2, 8, 9]));
    let problem = anew.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(problem.code(), "rebind-required");
}

#[test]
fn a_machine_that_keeps_its_key_needs_no_rebind() {
    let stage = Stage::new();
    let (sold, old) = activated(&stage, RebindPolicy::Code);
    let mut agent = old.copy();
    (agent.serial, agent.held) = (serial("another UUID"), None);
    let license = agent.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    assert_eq!((license.claims().sub, license.claims().seq), (old.serial, Sequence(1)));
}

#[test]
fn a_candidate_counts_unless_the_hardware_says_otherwise() {
    let stage = Stage::new();
    let (sold, old) = activated(&stage, RebindPolicy::Code);
    stage
        .portal
        .update_subscription(sold.id, |t| t.slots.extend([(Purpose::Production, 9)]))
        .unwrap();
    let mut same = old.installed_anew();
    (same.serial, same.candidates) = (serial("better source"), vec![old.serial]);
    let problem = same.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(problem.code(), "rebind-required");
    // A blade that shares the chassis' serial.
    let mut blade = same.installed_anew();
    blade.evidence = hardware([7, 8, 9, 10]);
    blade.activate(&stage, &sold.activation_code).unwrap();
    assert_ne!(blade.id, old.id);
}

#[test]
fn a_virtual_machine_with_another_uuid_is_a_clone() {
    let stage = Stage::new();
    let (sold, old) = activated(&stage, RebindPolicy::Free);
    let mut clone = old.installed_anew();
    (clone.serial, clone.evidence) = (serial("clone"), hardware([9, 2, 3, 4]));
    clone.virtual_machine = true;
    let problem = clone.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(problem.code(), "no-free-slot", "it is another machine");
    clone.id = old.id;
    let claims = clone.rebind(&sold.activation_code, None);
    assert_eq!(clone.send(&stage, &claims).unwrap_err().code(), "hardware-differs");
}

#[test]
fn other_hardware_under_the_same_key_is_not_enrolled() {
    let stage = Stage::new();
    let (sold, mut agent) = activated(&stage, RebindPolicy::Free);
    agent.evidence = hardware([9, 8, 7, 6]);
    agent.refresh(&stage).unwrap();
    let mut there = agent.installed_anew();
    there.serial = serial("there");
    let claims = there.rebind(&sold.activation_code, None);
    assert_eq!(there.send(&stage, &claims).unwrap_err().code(), "machine-unknown");
    let mut here = there.installed_anew();
    here.evidence = hardware([1, 2, 3, 4]);
    let claims = here.rebind(&sold.activation_code, None);
    assert!(here.send(&stage, &claims).unwrap().license.is_some());
}

#[test]
fn a_portal_restored_from_a_backup_learns_from_an_activation_too() {
    let stage = Stage::new();
    let (sold, mut agent) = activated(&stage, RebindPolicy::Code);
    let copy = backup(&stage);
    stage.portal.update_subscription(sold.id, |t| t.edition = "large".to_owned()).unwrap();
    agent.refresh(&stage).unwrap();
    let stage = restored(stage, copy);
    agent.name = "Hall 4".to_owned();
    let license = agent.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    assert_eq!(
        (license.claims().seq, &license.claims().environment.name),
        (Sequence(3), &agent.name)
    );
}

#[test]
fn the_old_key_can_not_come_back_by_showing_the_license_of_the_new_one() {
    let stage = Stage::new();
    let (sold, mut old) = activated(&stage, RebindPolicy::Free);
    let copy = backup(&stage);
    let mut anew = old.installed_anew();
    let claims = anew.rebind(&sold.activation_code, None);
    anew.send(&stage, &claims).unwrap();
    let stage = restored(stage, copy);
    old.held.clone_from(&anew.held);
    assert_eq!(
        old.activate(&stage, &sold.activation_code).unwrap_err().code(),
        "environment-unknown"
    );
    assert_eq!(old.refresh(&stage).unwrap_err().code(), "environment-unknown");
    anew.refresh(&stage).unwrap();
    assert!(matches!(old.refresh(&stage).unwrap().outcome, Outcome::Retired { .. }));
}

#[test]
fn what_a_restored_portal_learns_from_a_refused_rebind_fits_together() {
    let stage = Stage::new();
    let (sold, mut old) = activated(&stage, RebindPolicy::Code);
    let copy = backup(&stage);
    let mut second = old.installed_anew();
    let code = stage.one_time_code(old.id);
    let claims = second.rebind(&sold.activation_code, Some(&code));
    second.send(&stage, &claims).unwrap();
    let stage = restored(stage, copy);
    stage.one_time_code(old.id);
    let mut third = second.installed_anew();
    third.held.clone_from(&second.held);
    let claims = third.rebind(&sold.activation_code, Some(&code));
    assert_eq!(third.send(&stage, &claims).unwrap_err().code(), "rebind-code-wrong");
    assert_eq!(stage.environment().key, Some(second.key.public()));
    assert!(matches!(old.refresh(&stage).unwrap().outcome, Outcome::Retired { .. }));
    second.refresh(&stage).unwrap();
}

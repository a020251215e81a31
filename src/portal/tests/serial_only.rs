//! Licenses that are bound to a Serial Number alone.

use super::stage::{Agent, PRODUCT, Stage, at};
use crate::{
    codes::SerialNumber,
    license::{Outcome, Purpose, Sequence, VerifiedLicense, verify_license},
    portal::{PortalError, SerialOnlyLicense, domain::Subscription},
};

fn serial(name: &str) -> SerialNumber {
    SerialNumber::mint("smbios-uuid", name)
}

fn sell(stage: &Stage) -> Subscription {
    let id = stage.sell().id;
    stage.portal.update_subscription(id, |t| t.allow_serial_only = true).unwrap()
}

fn issue(
    stage: &Stage,
    sold: &Subscription,
    hardware: &str,
    purpose: Purpose,
) -> Result<SerialOnlyLicense, PortalError> {
    stage.portal.issue_for_serial_number(sold.id, serial(hardware), purpose, None)
}

/// As the agent reads it: by the trust document that comes with it.
fn read(stage: &Stage, made: &SerialOnlyLicense) -> VerifiedLicense {
    let trust = stage.roots().verify_trust(&made.trust, PRODUCT, None).unwrap();
    verify_license(&made.license, PRODUCT, &trust).unwrap()
}

fn code(result: Result<SerialOnlyLicense, PortalError>) -> String {
    result.map(drop).unwrap_err().code().to_owned()
}

#[test]
fn it_names_no_key_and_has_a_slot() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let made = issue(&stage, &sold, "a", Purpose::Production).unwrap();
    let license = read(&stage, &made);
    assert_eq!((license.claims().sub, license.claims().seq), (serial("a"), Sequence(1)));
    assert_eq!(
        (license.claims().cnf, license.claims().environment.name.as_str()),
        (None, "Production")
    );
    let anybody = Agent::new("a", Purpose::Production).key.thumbprint();
    license.check_binding(serial("a"), &anybody).unwrap();
    assert_eq!(stage.events()[2..], ["environment-reserved", "license-issued"]);
    assert_eq!(code(issue(&stage, &sold, "b", Purpose::Production)), "no-free-slot");
    let problem = Agent::new("b", Purpose::Production).activate(&stage, &sold.activation_code);
    assert_eq!(problem.unwrap_err().code(), "no-free-slot");
    issue(&stage, &sold, "b", Purpose::Quality).unwrap();
}

#[test]
fn it_is_the_same_until_something_changes() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let first = issue(&stage, &sold, "a", Purpose::Production).unwrap();
    let again = issue(&stage, &sold, "a", Purpose::Production).unwrap();
    assert_eq!(first.license, again.license);
    assert_eq!(code(issue(&stage, &sold, "a", Purpose::Quality)), "purpose-differs");
    let longer = at("2028-01-01T00:00:00Z");
    stage.portal.update_subscription(sold.id, move |t| t.ends_at = longer).unwrap();
    let renewed = issue(&stage, &sold, "a", Purpose::Production).unwrap();
    assert_eq!(read(&stage, &renewed).claims().seq, Sequence(2));
    let name = Some("Hall 4".to_owned());
    let named =
        stage.portal.issue_for_serial_number(sold.id, serial("a"), Purpose::Production, name);
    let named = read(&stage, &named.unwrap());
    assert_eq!(
        (named.claims().seq, named.claims().environment.name.as_str()),
        (Sequence(3), "Hall 4")
    );
    assert_eq!(stage.environment().id, first.environment.id);
}

#[test]
fn the_policy_and_the_subscription_are_asked() {
    let stage = Stage::new();
    let sold = stage.sell();
    let refused = issue(&stage, &sold, "a", Purpose::Production);
    let error = refused.unwrap_err();
    assert_eq!(error.code(), "serial-only-not-allowed");
    assert!(error.to_string().contains("--allow-serial-only true"), "{error}");
    let sold = sell(&stage);
    stage.portal.suspend_subscription(sold.id).unwrap();
    assert_eq!(code(issue(&stage, &sold, "a", Purpose::Production)), "subscription-suspended");
    stage.portal.revoke_subscription(sold.id, "unpaid").unwrap();
    assert_eq!(code(issue(&stage, &sold, "a", Purpose::Production)), "subscription-revoked");
    stage.portal.resume_subscription(sold.id).unwrap();
    *stage.time.lock().unwrap() = at("2027-01-31T00:00:00Z");
    assert_eq!(code(issue(&stage, &sold, "a", Purpose::Production)), "subscription-ended");
    assert_eq!(stage.portal.environments(None).unwrap(), []);
}

#[test]
fn a_machine_with_a_key_keeps_it() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    assert_eq!(code(issue(&stage, &sold, "a", Purpose::Production)), "bound-to-key");
    // Released, it is free for either.
    stage.portal.release_environment(agent.id.unwrap()).unwrap();
    let made = issue(&stage, &sold, "a", Purpose::Production).unwrap();
    assert_eq!(read(&stage, &made).claims().seq, Sequence(3), "higher than any that is about");
    assert_eq!(Some(made.environment.id), agent.id);
    let told = agent.refresh(&stage).unwrap().outcome;
    assert!(matches!(told, Outcome::Retired { .. }), "{told:?}");
}

#[test]
fn activating_there_binds_the_slot_to_the_machines_key() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let made = issue(&stage, &sold, "a", Purpose::Production).unwrap();
    let mut agent = Agent::new("a", Purpose::Production);
    (agent.id, agent.held) = (Some(made.environment.id), Some(made.license));
    assert_eq!(agent.refresh(&stage).unwrap_err().code(), "environment-unknown");
    let id = made.environment.id;
    let no_key = stage.portal.make_rebind_code(id, jiff::SignedDuration::from_hours(1));
    assert_eq!(no_key.map(drop).unwrap_err().code(), "without-key");
    let license = agent.activate(&stage, &sold.activation_code).unwrap().license.unwrap();
    license.check_binding(serial("a"), &agent.key.thumbprint()).unwrap();
    assert_eq!((license.claims().seq, license.claims().environment.id), (Sequence(2), id));
    assert!(license.claims().cnf.is_some());
    assert!(stage.events().contains(&"environment-bound".to_owned()));
}

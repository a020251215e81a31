//! Slots that are held because a license that was released may still run somewhere.

use super::stage::{Agent, Stage, at};
use crate::{
    license::{Outcome, Purpose, Retirement},
    portal::{PortalError, domain::Subscription},
};
use uuid::Uuid;

/// When the licenses of these tests end.
const END: &str = "2027-01-31T00:00:00Z";

/// A subscription that frees no slot at once.
fn sell(stage: &Stage) -> Subscription {
    let id = stage.sell().id;
    let terms = |terms: &mut crate::portal::domain::Terms| {
        terms.offline_releases_a_year = 0;
        terms.allow_serial_only = true;
    };
    stage.portal.update_subscription(id, terms).unwrap()
}

/// A machine whose environment was released on the customer's page: it may still run.
fn released(stage: &Stage, sold: &Subscription) -> (Agent, Uuid) {
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(stage, &sold.activation_code).unwrap();
    let id = agent.id.unwrap();
    stage.portal.release_own_environment(sold.id, id, "sold the machine").unwrap();
    assert_eq!(stage.environment().slot_held_until, Some(at(END)));
    (agent, id)
}

fn code<T>(result: Result<T, PortalError>) -> String {
    result.map(drop).unwrap_err().code().to_owned()
}

#[test]
fn typing_its_serial_number_frees_it_no_sooner() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let (agent, id) = released(&stage, &sold);
    let before = stage.environment();
    let reserve = |purpose| stage.portal.reserve_slot(sold.id, agent.serial, purpose, "Site");
    assert_eq!(reserve(Purpose::Production).unwrap(), before, "it is held for it already");
    assert_eq!(code(reserve(Purpose::Quality)), "slot-held");
    assert_eq!(stage.environment(), before);
    let again = stage.portal.release_own_environment(sold.id, id, "once more");
    assert_eq!(code(again), "already-released");
    let mut other = Agent::new("b", Purpose::Production);
    assert_eq!(other.activate(&stage, &sold.activation_code).unwrap_err().code(), "no-free-slot");
    *stage.time.lock().unwrap() = at("2027-01-30T00:00:00Z");
    assert!(other.activate(&stage, &sold.activation_code).is_err());
}

#[test]
fn an_activation_for_another_purpose_does_not_give_it_up() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let (agent, _) = released(&stage, &sold);
    let mut other = agent.installed_anew();
    other.purpose = Purpose::Quality;
    let refused = other.activate(&stage, &sold.activation_code).unwrap_err();
    assert_eq!(refused.code(), "slot-held");
    assert!(refused.detail.contains(END), "{}", refused.detail);
    let serial = agent.serial;
    let issue = |purpose| stage.portal.issue_for_serial_number(sold.id, serial, purpose, None);
    assert_eq!(code(issue(Purpose::Quality)), "slot-held");
    // Once the vendor frees it, nothing is in the way.
    stage.portal.release_environment(agent.id.unwrap()).unwrap();
    other.activate(&stage, &sold.activation_code).unwrap();
}

#[test]
fn a_license_that_was_issued_and_released_in_one_second_is_no_reservation() {
    let stage = Stage::new();
    let sold = sell(&stage);
    let serial = Agent::new("a", Purpose::Production).serial;
    let made = stage.portal.issue_for_serial_number(sold.id, serial, Purpose::Production, None);
    let id = made.unwrap().environment.id;
    stage.portal.release_own_environment(sold.id, id, "a").unwrap();
    assert_eq!(code(stage.portal.release_own_environment(sold.id, id, "b")), "already-released");
    assert!(stage.environment().has_slot(stage.portal.now()));
}

#[test]
fn whoever_has_the_key_of_before_is_told_that_it_is_retired() {
    for way in ["reserved", "by Serial Number alone", "activated anew"] {
        let stage = Stage::new();
        let sold = sell(&stage);
        let mut old = Agent::new("a", Purpose::Production);
        old.activate(&stage, &sold.activation_code).unwrap();
        stage.portal.release_environment(old.id.unwrap()).unwrap();
        let (serial, purpose) = (old.serial, Purpose::Production);
        match way {
            "reserved" => {
                stage.portal.reserve_slot(sold.id, serial, purpose, "Site").unwrap();
            }
            "activated anew" => {
                old.installed_anew().activate(&stage, &sold.activation_code).unwrap();
            }
            _ => {
                stage.portal.issue_for_serial_number(sold.id, serial, purpose, None).unwrap();
            }
        }
        let told = old.refresh(&stage).map(|answer| answer.outcome);
        let retired = matches!(told, Ok(Outcome::Retired { by: Retirement::Rebind, .. }));
        assert!(retired, "{way}: {told:?}");
    }
}

//! What the vendor's operator does, and what the audit says of it.

use super::stage::{Agent, Stage, at};
use crate::{license::Purpose, portal::domain::Revision};
use uuid::Uuid;

#[test]
fn each_change_grows_the_revision_and_is_in_the_audit() {
    let stage = Stage::new();
    let sold = stage.sell();
    let id = sold.id;
    let same = stage.portal.update_subscription(id, |_| ()).unwrap();
    assert_eq!(same, sold, "what changes nothing is no change");
    stage.portal.update_subscription(id, |t| t.edition = "large".to_owned()).unwrap();
    stage.portal.suspend_subscription(id).unwrap();
    stage.portal.revoke_subscription(id, "unpaid").unwrap();
    let resumed = stage.portal.resume_subscription(id).unwrap();
    assert_eq!(resumed.revision, Revision(5));
    assert_eq!(
        stage.events(),
        [
            "subscription-created",
            "subscription-changed",
            "subscription-suspended",
            "subscription-revoked",
            "subscription-resumed"
        ]
    );
    let audit = stage.portal.audit(Some(id), 100).unwrap();
    let edition = serde_json::json!({ "from": "standard", "to": "large" });
    assert_eq!(audit[1].detail["edition"], edition);
    assert_eq!(audit[1].detail.as_object().unwrap().len(), 2, "only what changed");
    assert_eq!(stage.portal.audit(None, 2).unwrap(), audit[3..]);
}

#[test]
fn what_makes_no_sense_is_refused_and_not_stored() {
    let stage = Stage::new();
    let sold = stage.sell();
    let id = sold.id;
    let refused = |result: Result<_, crate::portal::PortalError>| {
        result.map(|_: crate::portal::domain::Subscription| ()).unwrap_err().code().to_owned()
    };
    let early = at("2025-01-01T00:00:00Z");
    let portal = &stage.portal;
    assert_eq!(refused(portal.update_subscription(id, move |t| t.ends_at = early)), "terms-term");
    assert_eq!(refused(portal.update_subscription(Uuid::nil(), |_| ())), "no-subscription");
    assert_eq!(refused(portal.resume_subscription(id)), "already-standing");
    assert_eq!(refused(portal.revoke_subscription(id, " ")), "name");
    assert_eq!(refused(portal.create_subscription("", sold.terms.clone())), "terms-name");
    portal.revoke_subscription(id, "unpaid").unwrap();
    assert_eq!(refused(portal.revoke_subscription(id, "again")), "already-standing");
    assert_eq!(refused(portal.suspend_subscription(id)), "revoked");
    assert_eq!(stage.events(), ["subscription-created", "subscription-revoked"]);
}

#[test]
fn an_environment_is_released_once() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let id = agent.id.unwrap();
    stage.portal.release_environment(id).unwrap();
    assert_eq!(stage.portal.release_environment(id).unwrap_err().code(), "already-released");
    let unknown = stage.portal.release_environment(Uuid::nil()).unwrap_err();
    assert_eq!(unknown.code(), "no-environment");
}

#[test]
fn the_activation_code_is_shown_nowhere() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let code = sold.activation_code.expose();
    let audit = format!("{:?}", stage.portal.audit(None, 100).unwrap());
    assert!(!audit.contains(&code));
    assert!(!format!("{sold:?}").contains(&code));
    assert!(!agent.held.unwrap().contains(&code));
}

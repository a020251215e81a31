//! What agents are answered.

use super::stage::{Agent, Stage, at};
use crate::license::{Outcome, Purpose, Sequence};

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
    assert_eq!(claims.environment.purpose, Purpose::Production);
    assert_eq!(answer.trust.unwrap().claims().version, 1);

    let again = agent.refresh(&stage).unwrap();
    assert_eq!(again.outcome, Outcome::NothingNew { sequence: Sequence(1) });
}

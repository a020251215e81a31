//! A status of an agent that is newer than the program.

use super::agents::status;
use crate::{
    client::reading,
    entitlement::{LimitState, Reason},
};
use serde_json::json;

#[test]
fn what_is_not_known_is_left_out_and_the_rest_is_kept() {
    let mut newer = status(7, true);
    newer["reason"] = json!("moon-phase");
    newer["serial_number"] = json!("a code of version 9");
    newer["hardware"] = json!({ "verdict": "teleported", "score": 100 });
    newer["license"] = json!({ "kind": "of another shape" });
    newer["conditions"] = json!([
        { "type": "MoonPhase", "status": "True", "reason": "Full", "message": "", "since": "2026-11-24T06:00:00Z" },
        { "type": "ClockSkewed", "status": "True", "reason": "Behind", "message": "", "since": "2026-11-24T06:00:00Z" },
    ]);
    newer["limits"] = json!({
        "users": { "limit": 10, "enforcement": "soft", "used": 20, "state": "well over" },
        "seats": { "limit": "many" },
    });
    newer["more"] = json!({ "of": "everything" });
    let read = reading::status(newer.to_string().as_bytes()).unwrap();
    assert_eq!((read.generation, read.entitled, read.reason), (7, true, Reason::Other));
    assert_eq!(read.features["reports"], true);
    assert_eq!((read.serial_number, read.hardware, read.license), (None, None, None));
    let kinds: Vec<_> = read.conditions.iter().map(|condition| condition.kind.as_str()).collect();
    assert_eq!(kinds, ["ClockSkewed"]);
    assert_eq!(read.limits.keys().collect::<Vec<_>>(), ["users"]);
    assert_eq!(read.limits["users"].state, LimitState::Exceeded);
}

#[test]
fn what_is_no_status_is_refused() {
    let mut without = status(7, true);
    without.as_object_mut().unwrap().remove("entitled");
    let mut other = status(7, true);
    other["state"] = json!("splendid");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in ["", "null", "[]", "{}", "\"x\"", &without.to_string(), &other.to_string(), &deep] {
        assert!(reading::status(text.as_bytes()).is_err(), "{text:.80}");
    }
}

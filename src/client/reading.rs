//! Reads a status, also one of a newer agent: what this library does not know is left out, what it knows is kept.

use crate::{
    codes::SerialNumber,
    entitlement::{
        Condition, EnvironmentStatus, HardwareStatus, LicenseStatus, LimitStatus, Status,
        limit_status,
    },
    terms::Limit,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The status that a JSON text is.
pub(super) fn status(json: &[u8]) -> Result<Status, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| {
        let mut newer: Value = serde_json::from_slice(json)?;
        leave_out_the_unknown(&mut newer);
        serde_json::from_value(newer).map_err(|_| error)
    })
}

fn leave_out_the_unknown(status: &mut Value) {
    if let Some(Value::Array(conditions)) = status.get_mut("conditions") {
        conditions.retain(is::<Condition>);
    }
    if let Some(Value::Object(limits)) = status.get_mut("limits") {
        limits.retain(|_, limit| is::<LimitStatus>(limit) || judge_anew(limit));
    }
    let unless = |member: &mut Value, known: fn(&Value) -> bool| {
        if !known(member) {
            *member = Value::Null;
        }
    };
    for (name, known) in [
        ("serial_number", is::<Option<SerialNumber>> as fn(&Value) -> bool),
        ("environment", is::<Option<EnvironmentStatus>>),
        ("license", is::<Option<LicenseStatus>>),
        ("hardware", is::<Option<HardwareStatus>>),
    ] {
        if let Some(member) = status.get_mut(name) {
            unless(member, known);
        }
    }
}

/// Makes a limit of what it says in figures; false where there is no limit in it.
fn judge_anew(limit: &mut Value) -> bool {
    let Ok(terms) = serde_json::from_value::<Limit>(limit.clone()) else { return false };
    let used = limit.get("used").and_then(Value::as_u64);
    serde_json::to_value(limit_status(terms, used)).is_ok_and(|judged| {
        *limit = judged;
        true
    })
}

fn is<T: DeserializeOwned>(value: &Value) -> bool {
    serde_json::from_value::<T>(value.clone()).is_ok()
}

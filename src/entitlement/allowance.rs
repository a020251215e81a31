//! What a program is told that asks whether more of a limit may be taken. `usage` makes it.

use super::LimitState;
use crate::terms::Enforcement;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Whether so much more may be taken, as far as the limit goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub struct Allowance {
    /// The limit's name.
    pub name: String,
    /// How much was asked for.
    pub amount: u64,
    /// Whether it may be taken. `false` from a hard limit with fresh figures only; that the environment is entitled at all is
    /// another question (`entitled`).
    pub allowed: bool,
    /// Why, for programs: `within`, `over-hard-limit`, `over-soft-limit`, `unlimited`, `unknown-limit` or `figures-stale`.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// Whether the license names the limit.
    pub known: bool,
    /// The limit; `null` for unlimited, and where it is not known.
    pub limit: Option<u64>,
    /// What happens at the limit; `null` where it is not known.
    #[serde(default, deserialize_with = "known_or_nothing")]
    pub enforcement: Option<Enforcement>,
    /// What is used in the whole environment, as far as it is known here; `null` where nobody reports it.
    pub used: Option<u64>,
    /// How the two stand to each other; `null` where the limit is not known.
    #[serde(default, deserialize_with = "known_or_nothing")]
    pub state: Option<LimitState>,
    /// Whether the figures are those of the controller now. Where they are not, everything is allowed.
    pub fresh: bool,
    /// How old the figures are, seconds; `null` where there never were any.
    pub age_seconds: Option<u64>,
    /// By how much the limit may be exceeded at the most where every server goes by such answers.
    pub overshoot: Overshoot,
    /// Whether new work is covered at all.
    pub entitled: bool,
    /// The generation of the status that says so.
    pub generation: u64,
}

/// By how much a limit may be exceeded though each server asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Overshoot {
    /// At the most; `null` where nothing can be promised.
    pub at_most: Option<u64>,
    /// The same for people, with its conditions.
    pub message: String,
}

/// A word that a newer agent may use and this library does not know is nothing.
fn known_or_nothing<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_of_a_newer_agent_is_read() {
        let text = r#"{"allowed": true, "known": true, "limit": 5, "used": null, "enforcement": "harder",
            "state": "worse", "fresh": false, "entitled": true, "generation": 3, "more": [], "name": "users", "amount": 1,
            "reason": "moon-phase", "message": "", "overshoot": { "at_most": null, "message": "", "more": 1 }}"#;
        let read: Allowance = serde_json::from_str(text).unwrap();
        assert_eq!((read.allowed, read.limit, read.state), (true, Some(5), None));
        assert_eq!((read.enforcement, read.overshoot.at_most), (None, None));
    }
}

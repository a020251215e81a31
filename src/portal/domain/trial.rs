//! What a visitor may try before it buys.

use super::{Terms, TermsError};
use crate::license::{Limit, Purpose};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a trial is, however many are started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialTerms {
    /// How long it lasts, days.
    pub days: u32,
    /// The edition.
    pub edition: String,
    /// The support level.
    pub support_level: String,
    /// Feature by name.
    pub features: BTreeMap<String, serde_json::Value>,
    /// Limit by name.
    pub limits: BTreeMap<String, Limit>,
    /// Environments of each purpose.
    pub slots: BTreeMap<Purpose, u32>,
    /// Trials that are started in 24 hours at most, whoever asks.
    #[serde(default = "usual_a_day")]
    pub most_a_day: u32,
}

/// Trials a day unless the vendor says.
pub const TRIALS_A_DAY: u32 = 100;

const fn usual_a_day() -> u32 {
    TRIALS_A_DAY
}

impl TrialTerms {
    /// What a trial that starts at `now` is. It has no grace: a trial that is over is over.
    pub fn begun(&self, now: Timestamp) -> Terms {
        let term = SignedDuration::from_hours(24 * i64::from(self.days));
        let ends_at = now.checked_add(term).unwrap_or(Timestamp::MAX);
        Terms {
            trial: true,
            grace_days: 0,
            features: self.features.clone(),
            limits: self.limits.clone(),
            slots: self.slots.clone(),
            ..Terms::new(&self.edition, &self.support_level, now, ends_at)
        }
    }

    /// What is wrong with it, if anything.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), TermsError> {
        self.begun(Timestamp::UNIX_EPOCH).check()
    }
}

/// A company's name or an address in a form in which its ways of writing are one: letters and digits, small. What stands behind a `+`
/// in an address is its owner's to make up.
pub fn normalised(text: &str) -> String {
    let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
    let local = if domain.is_empty() { local } else { local.split('+').next().unwrap_or_default() };
    let kept = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    match domain {
        "" => kept(local),
        domain => format!("{}@{}", kept(local), domain.trim().to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn ways_of_writing_are_one() {
        for (one, other) in [
            ("ACME Ltd.", "acme  ltd"),
            ("Ärger & Söhne", "ärger söhne"),
            ("Jo.Doe+trial2@Example.com", "jodoe@example.COM"),
        ] {
            assert_eq!(normalised(one), normalised(other));
        }
        assert_ne!(normalised("jo@example.com"), normalised("jo@example.org"));
        assert_ne!(normalised("ACME"), normalised("ACMI"));
        assert_eq!(normalised(" - "), "");
    }
}

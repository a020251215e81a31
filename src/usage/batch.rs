//! What one server tells of its usage, as it goes to the controller.

use super::{UsageError, UserHash};
use serde::{Deserialize, Serialize};

/// Entries in one batch: some 250 KiB.
pub const MOST_IN_A_BATCH: usize = 5_000;

/// Entries that changed or would expire at the controller. Told again they change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Differs between runs of one member's agent.
    pub session: u64,
    /// Grows within a session: a batch that comes late is not taken for a newer one.
    pub number: u64,
    /// Gauges.
    #[serde(default)]
    pub gauges: Vec<GaugeEntry>,
    /// Users, those together that expire together.
    #[serde(default)]
    pub users: Vec<UserEntries>,
}

/// A gauge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaugeEntry {
    /// Of which limit.
    pub limit: String,
    /// Whose.
    pub reporter: String,
    /// How much.
    pub value: u64,
    /// For how long it counts from now on, seconds.
    pub seconds: u64,
}

/// Users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserEntries {
    /// Of which limit.
    pub limit: String,
    /// For how long they count from now on, seconds; 0: they left.
    pub seconds: u64,
    /// Their hashes, one after the other, base64url.
    pub hashes: String,
}

impl Batch {
    /// Whether it tells nothing.
    pub const fn is_empty(&self) -> bool {
        self.gauges.is_empty() && self.users.is_empty()
    }

    /// How many gauges and users it has.
    pub fn len(&self) -> usize {
        // 16 bytes are 22 symbols, or a third of one less where hashes follow one another.
        let users = self.users.iter().map(|users| users.hashes.len() * 3 / 4 / UserHash::LENGTH);
        self.gauges.len() + users.sum::<usize>()
    }
}

impl UserEntries {
    pub(super) fn read(&self) -> Result<Vec<UserHash>, UsageError> {
        UserHash::read_all(&self.hashes)
    }
}

//! What an environment used, as its controller tells the portal with a request, where its operator lets it.

use jiff::{Timestamp, fmt::serde::timestamp::second::required as numeric_date};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Figures of the license's limits. There are no users in it, not as hashes either, and no servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldUsage {
    /// When they were measured, by the controller's effective time.
    #[serde(with = "numeric_date")]
    pub measured_at: Timestamp,
    /// By the limit's name; one that nobody has reported since the last answer is left out.
    pub limits: BTreeMap<String, ToldLimit>,
}

/// The figures of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldLimit {
    /// What was used; `null` where the sum was not known, for a server was away or nobody reported.
    pub used: Option<u64>,
    /// The highest use since the day of the last answer.
    #[serde(default)]
    pub peak: Option<ToldPeak>,
}

/// A highest use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldPeak {
    /// How much.
    pub used: u64,
    /// When it was first reached.
    #[serde(with = "numeric_date")]
    pub at: Timestamp,
}

impl ToldUsage {
    /// Most limits that are told: so a request stays far below what a document may have.
    pub const MOST_LIMITS: usize = 100;
}

/// Reads figures; what can't be read is as if it was not told. A license is worth more than a figure, so that no figure, of
/// however strange an agent, keeps a request from its answer.
pub(super) fn readable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ToldUsage>, D::Error> {
    let told = Option::<Value>::deserialize(from)?;
    Ok(told.and_then(|told| serde_json::from_value(told).ok()))
}

//! Everything that the agent must know again after a restart.

use crate::{
    entitlement::{Condition, LicenseSource, State, TimeMark},
    identity::Enrolled,
    license::{Environment, RequestId, RequestKind, Sequence},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The agent's state. Each member is stored under its name; a member that an older agent did not store is its default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentState {
    /// Grows with every commit.
    pub revision: u64,
    /// The Serial Number and the hardware that it was made from.
    pub enrolled: Option<Enrolled>,
    /// Since when this is other hardware.
    pub hardware_changed_since: Option<Timestamp>,
    /// The license that is held.
    pub license: Option<HeldLicense>,
    /// The revocation document, where the license was revoked.
    pub revocation: Option<String>,
    /// Whether the license was given back.
    pub released: bool,
    /// The highest sequence of any document accepted here.
    pub floor: Option<Sequence>,
    /// The environment that was activated here.
    pub environment: Option<Environment>,
    /// The trust document.
    pub trust: Option<String>,
    /// The place in the chain of requests.
    pub chain: Chain,
    /// What is known of time.
    pub time: TimeMark,
    /// When the portal last answered, by effective time.
    pub last_contact: Option<Timestamp>,
    /// The last status, so that its generation and its times go on.
    pub status: StatusMark,
}

/// The license that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLicense {
    /// The document.
    pub text: String,
    /// By which road it came.
    pub source: LicenseSource,
    /// When, by effective time.
    pub installed_at: Timestamp,
}

/// The place in the chain of requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Chain {
    /// The last request whose answer was stored.
    pub previous: Option<RequestId>,
    /// Requests stored since, oldest first; the last of them is asked again until it is answered.
    pub unsettled: Vec<PendingRequest>,
}

/// A request that was stored before it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// Its id.
    pub id: RequestId,
    /// What it asks for.
    pub kind: RequestKind,
    /// The signed document; the very same bytes are sent again.
    pub text: String,
    /// Made at, by effective time.
    pub made_at: Timestamp,
}

/// The last status, as far as the next one depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusMark {
    /// Its generation.
    pub generation: u64,
    /// Its state.
    pub state: Option<State>,
    /// Since when the state is this one.
    pub since: Option<Timestamp>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// A digest of what a change of makes a new generation.
    pub digest: String,
}

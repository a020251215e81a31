//! What an operator should know beside the state, in the manner of Kubernetes' conditions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds of condition. One that a status does not list is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the messages say what each means")]
pub enum ConditionType {
    HardwareDrift,
    HardwareUnreadable,
    HardwareChanged,
    IdentityOverride,
    ClockSkewed,
    PortalUnreachable,
    LimitNear,
    LimitExceeded,
    LicensePending,
    CloneSuspected,
    LeaseAging,
    CheckInOverdue,
    StoreDegraded,
    ConfigInvalid,
}

impl ConditionType {
    /// All kinds, in the order in which a status lists them.
    pub const ALL: [Self; 14] = [
        Self::HardwareDrift,
        Self::HardwareUnreadable,
        Self::HardwareChanged,
        Self::IdentityOverride,
        Self::ClockSkewed,
        Self::PortalUnreachable,
        Self::LimitNear,
        Self::LimitExceeded,
        Self::LicensePending,
        Self::CloneSuspected,
        Self::LeaseAging,
        Self::CheckInOverdue,
        Self::StoreDegraded,
        Self::ConfigInvalid,
    ];

    /// The word in JSON, metrics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HardwareDrift => "HardwareDrift",
            Self::HardwareUnreadable => "HardwareUnreadable",
            Self::HardwareChanged => "HardwareChanged",
            Self::IdentityOverride => "IdentityOverride",
            Self::ClockSkewed => "ClockSkewed",
            Self::PortalUnreachable => "PortalUnreachable",
            Self::LimitNear => "LimitNear",
            Self::LimitExceeded => "LimitExceeded",
            Self::LicensePending => "LicensePending",
            Self::CloneSuspected => "CloneSuspected",
            Self::LeaseAging => "LeaseAging",
            Self::CheckInOverdue => "CheckInOverdue",
            Self::StoreDegraded => "StoreDegraded",
            Self::ConfigInvalid => "ConfigInvalid",
        }
    }

    /// Whether it is told for information: nothing needs mending.
    pub const fn informs(self) -> bool {
        matches!(self, Self::IdentityOverride)
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It can't be told.
    Unknown,
}

/// A condition that was found to hold, at no particular time yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: ConditionType,
    /// A stable word for programs, in camel case.
    pub reason: &'static str,
    /// A sentence for people, with the mend.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(kind: ConditionType, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, reason, message: message.into() }
    }
}

/// A condition as a status lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Condition {
    /// What kind.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// A stable word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// Since when it has held.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
}

/// The conditions that hold now: one that held before keeps its `since`.
pub fn merge(before: &[Condition], mut found: Vec<Finding>, now: Timestamp) -> Vec<Condition> {
    found.sort_by_key(|finding| finding.kind);
    found.dedup_by_key(|finding| finding.kind);
    let since = |kind| {
        let same = before.iter().find(|c| c.kind == kind && c.status == ConditionStatus::True);
        same.map_or(now, |c| c.since)
    };
    found
        .into_iter()
        .map(|Finding { kind, reason, message }| Condition {
            kind,
            status: ConditionStatus::True,
            reason: reason.to_owned(),
            message,
            since: since(kind),
        })
        .collect()
}

//! The status as JSON: the same on every server. Members may be added, never renamed.

use super::{Condition, LimitStatus, Reason, State};
use crate::{
    codes::SerialNumber,
    terms::{Purpose, Sequence, Verdict},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a server is in its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Holds the license.
    Controller,
    /// Hears of it from the controller.
    Member,
}

/// The entitlement status of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Status {
    /// The Serial Number; `null` where none could be minted.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, example = "0CD-MJA-298-PZ0-P7X-638-7DG-JFT"))]
    pub serial_number: Option<SerialNumber>,
    /// What this server is.
    pub role: Role,
    /// In one word.
    pub state: State,
    /// Whether new work is covered.
    pub entitled: bool,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people, with the mend.
    pub message: String,
    /// Grows with every change of this status.
    pub generation: u64,
    /// Since when the state is this one.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub since: Timestamp,
    /// The environment; `null` before the first license.
    pub environment: Option<EnvironmentStatus>,
    /// The license; `null` where there is none.
    pub license: Option<LicenseStatus>,
    /// Feature by name; one that is not here is `false`.
    pub features: BTreeMap<String, serde_json::Value>,
    /// Limit by name.
    pub limits: BTreeMap<String, LimitStatus>,
    /// What else an operator should know; a condition that is not listed is false.
    pub conditions: Vec<Condition>,
    /// Where the license comes from.
    pub upstream: UpstreamStatus,
    /// The hardware; `null` where it was never enrolled.
    pub hardware: Option<HardwareStatus>,
}

/// The environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EnvironmentStatus {
    /// Its id at the portal.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
}

/// By which road the license came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LicenseSource {
    /// On-line from the portal.
    Portal,
    /// Carried by hand.
    File,
    /// From the controller.
    Controller,
    /// From a member that had heard of it, to a controller that was restored from a snapshot.
    Member,
    /// By one that a newer agent tells and this program does not know.
    #[serde(other)]
    Other,
}

/// The license in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LicenseStatus {
    /// Its id.
    pub id: Uuid,
    /// Its place among the documents of the environment.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub sequence: Sequence,
    /// The subscription's id.
    pub subscription_id: Uuid,
    /// The edition.
    pub edition: String,
    /// The support level.
    pub support_level: String,
    /// Whether it is a trial.
    pub trial: bool,
    /// The Activation Code, masked; `null` where it is not known here.
    pub activation_code: Option<String>,
    /// Issued at.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub issued_at: Timestamp,
    /// The first second of the term.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub starts_at: Timestamp,
    /// The first second after the term.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub ends_at: Timestamp,
    /// The first second after grace.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub grace_ends_at: Timestamp,
    /// Days to `ends_at`, a part of a day counted as one; 0 after it.
    pub days_left: i64,
    /// By which road it came.
    pub source: LicenseSource,
}

/// The upstream side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct UpstreamStatus {
    /// `portal`, or `none` where no portal is set and licenses are carried by hand.
    pub kind: String,
    /// Its address.
    pub url: Option<String>,
    /// Whether the last try reached it; `null` before the first.
    pub reachable: Option<bool>,
    /// When it last answered, by effective time.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub last_contact: Option<Timestamp>,
    /// When it is asked next, by effective time.
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub next_refresh: Option<Timestamp>,
}

/// The hardware in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct HardwareStatus {
    /// The verdict of the last survey.
    #[cfg_attr(feature = "server", schema(value_type = String, example = "unchanged"))]
    pub verdict: Verdict,
    /// The agreeing share of what could be read, percent.
    pub score: u8,
}

//! The part of the contract with the agent that is about usage.

use crate::{entitlement::LimitState, license::Enforcement, usage::DayPeak};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A gauge of something that is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// The limit's name.
    pub limit: String,
    /// Who reports; each reporter has one gauge a limit, and their sum counts.
    pub reporter: String,
    /// How much.
    pub value: u64,
    /// How long it counts unless it is reported again.
    pub time_to_live: Duration,
}

/// Users of something that is limited.
#[derive(Debug)]
pub struct UsersReport {
    /// The limit's name.
    pub limit: String,
    /// Those that are there.
    pub users: UserNames,
    /// Those that are not there any more.
    pub left: UserNames,
    /// How long they count unless they are reported again.
    pub time_to_live: Duration,
}

/// Names of users, which are hashed and forgotten.
pub struct UserNames(pub Vec<Zeroizing<String>>);

impl UserNames {
    /// Each of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| name.as_str())
    }
}

impl fmt::Debug for UserNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.0.len())
    }
}

/// What is used in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UsageOverview {
    /// Whether the figures are those of the controller now.
    pub fresh: bool,
    /// How old they are, seconds; `null` where there never were any.
    pub age_seconds: Option<u64>,
    /// Servers of the environment, the controller among them; `null` where that is not known.
    pub servers: Option<u64>,
    /// Those that don't hear the controller now.
    pub away: Option<u64>,
    /// Whether the portal is told of it with each request (`usage.report_to_portal`); `null` on a member, which tells the portal nothing.
    #[serde(default)]
    pub told_to_portal: Option<bool>,
    /// Each limit of the license.
    pub limits: Vec<UsedLimit>,
}

/// A limit with its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UsedLimit {
    /// Its name.
    pub name: String,
    /// The limit; `null` for unlimited.
    pub limit: Option<u64>,
    /// What happens at the limit.
    pub enforcement: Enforcement,
    /// What is used; `null` where nobody reports it.
    pub used: Option<u64>,
    /// How the two stand to each other.
    pub state: LimitState,
    /// Distinct users in it; `null` on a member.
    pub distinct_users: Option<u64>,
    /// The highest use of today; `null` on a member, and before the first report.
    pub peak: Option<DayPeak>,
    /// By server; on a member, its own part.
    pub by_server: Vec<UsedBy>,
}

/// What one server's programs report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UsedBy {
    /// The member's id; `null` for the controller.
    pub member: Option<Uuid>,
    /// The server's name.
    pub name: String,
    /// The sum of the gauges.
    pub gauges: u64,
    /// How many reporters they are of.
    pub reporters: u64,
    /// Users; one that is on several servers is in each.
    pub users: u64,
}

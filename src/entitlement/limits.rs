//! Limits and what is used of them.

use crate::terms::{Enforcement, Limit};
use serde::{Deserialize, Serialize};

/// From these shares of a limit on it is warned of, in percent.
const NEAR_PERCENT: u128 = 80;
const CLOSE_PERCENT: u128 = 90;

/// How usage stands to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitState {
    /// Under 80 %.
    Within,
    /// 80 % or more.
    Near,
    /// All of it.
    Reached,
    /// More than it.
    Exceeded,
    /// There is no limit.
    Unlimited,
    /// Nobody reports usage.
    Unreported,
}

/// A limit with its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LimitStatus {
    /// The limit; `null` for unlimited.
    pub limit: Option<u64>,
    /// What happens at the limit.
    pub enforcement: Enforcement,
    /// What is used; `null` where nobody reports it.
    pub used: Option<u64>,
    /// How the two stand to each other.
    pub state: LimitState,
}

/// How `used` stands to `limit`.
pub fn limit_status(limit: Limit, used: Option<u64>) -> LimitStatus {
    let Limit { limit, enforcement } = limit;
    let state = match (limit, used) {
        (None, _) => LimitState::Unlimited,
        (Some(_), None) => LimitState::Unreported,
        (Some(limit), Some(used)) if used > limit => LimitState::Exceeded,
        (Some(limit), Some(used)) if used == limit => LimitState::Reached,
        (Some(limit), Some(used)) if u128::from(used) * 100 >= u128::from(limit) * NEAR_PERCENT => {
            LimitState::Near
        }
        _ => LimitState::Within,
    };
    LimitStatus { limit, enforcement, used, state }
}

/// What of a limit is used up, in the steps at which it is warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    /// 80 % or more.
    Near,
    /// 90 % or more.
    Close,
    /// All of it.
    Reached,
    /// More than it.
    Exceeded,
}

impl Threshold {
    /// The last one that a limit has crossed.
    pub fn of(status: &LimitStatus) -> Option<Self> {
        let (limit, used) = (status.limit?, status.used?);
        let (limit, used) = (u128::from(limit), u128::from(used));
        if used > limit {
            Some(Self::Exceeded)
        } else if used == limit {
            Some(Self::Reached)
        } else if used * 100 >= limit * CLOSE_PERCENT {
            Some(Self::Close)
        } else if used * 100 >= limit * NEAR_PERCENT {
            Some(Self::Near)
        } else {
            None
        }
    }

    /// The reason in a condition.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Near => "Over80Percent",
            Self::Close => "Over90Percent",
            Self::Reached => "Reached",
            Self::Exceeded => "Exceeded",
        }
    }

    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Near => "80 % or more",
            Self::Close => "90 % or more",
            Self::Reached => "all of it",
            Self::Exceeded => "more than it",
        }
    }
}

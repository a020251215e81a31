//! The verdict: what an environment is entitled to, at one moment.
//!
//! [`evaluate`] is a pure function of the license, the hardware, the time and what else is known; [`EffectiveTime`] decides
//! which time it is. No I/O, no clock, no `async`. `store`, `upstream`, `api`, `agent` and `cli` call this; this calls
//! `license`, `identity` and `codes`.

mod conditions;
mod evaluate;
mod lease;
mod limits;
mod state;
mod status;
mod time;

pub use conditions::{Condition, ConditionStatus, ConditionType, Finding, merge};
pub use evaluate::{Evaluation, HardwareStanding, Held, Inputs, evaluate};
pub use lease::{Lease, within_lease};
pub use limits::{LimitState, LimitStatus, Threshold, limit_status};
pub use state::{Reason, State};
pub use status::{
    EnvironmentStatus, HardwareStatus, LicenseSource, LicenseStatus, Role, Status, UpstreamStatus,
};
pub use time::{EffectiveTime, Reading, TimeMark};

#[cfg(test)]
mod tests;

//! The verdict: what an environment is entitled to, at one moment.
//!
//! [`evaluate`] is a pure function of the license, the hardware, the time and what else is known; [`EffectiveTime`] decides
//! which time it is. No I/O, no clock, no `async`. `store`, `upstream`, `api`, `agent` and `cli` call this; this calls
//! `license`, `identity`, `terms` and `codes`.
//!
//! Without the feature `server` there are only the words of a status, which programs read.

mod allowance;
mod conditions;
#[cfg(feature = "server")]
mod evaluate;
#[cfg(feature = "server")]
mod lease;
mod limits;
mod state;
mod status;
#[cfg(feature = "server")]
mod time;

pub use allowance::{Allowance, Overshoot};
pub use conditions::{Condition, ConditionStatus, ConditionType, Finding, merge};
#[cfg(feature = "server")]
pub use evaluate::{Evaluation, HardwareStanding, Held, Inputs, evaluate};
#[cfg(feature = "server")]
pub use lease::{Lease, within_lease};
pub use limits::{LimitState, LimitStatus, Threshold, limit_status};
pub use state::{Reason, State};
pub use status::{
    EnvironmentStatus, HardwareStatus, LicenseSource, LicenseStatus, Role, Status, UpstreamStatus,
};
#[cfg(feature = "server")]
pub use time::{EffectiveTime, Reading, TimeMark};

#[cfg(all(test, feature = "server"))]
mod tests;

//! What programs report as used of the license's limits, summed over the servers of an environment.
//!
//! A limit is used by gauges (a number a reporter) and by distinct users (a keyed hash a user): what is used is the sum of
//! the gauges and the size of the union of the users. Each server keeps what its own programs report ([`Reported`]) and
//! sends it on ([`Outbox`]); the controller adds the servers up ([`Environment`]) and tells the sums ([`Figures`]);
//! [`check`] is the answer to 'may I take so much more?', [`Peaks`] what is left of a day. Pure: time is an argument (uptime,
//! which nobody sets), nothing is read or written. `agent`, `members`, `api`, `store` and `cli` call this; this calls
//! `entitlement` and `license`.

mod batch;
mod check;
mod environment;
mod error;
mod figures;
mod outbox;
mod peaks;
mod reported;
mod users;

pub use batch::{Batch, GaugeEntry, MOST_IN_A_BATCH, UserEntries};
pub use check::{Knowledge, Stale, check};
pub use environment::{Environment, Server, Share};
pub use error::UsageError;
pub use figures::{Figure, Figures, LowWater};
pub use outbox::Outbox;
pub(crate) use peaks::day_of;
pub use peaks::{DAYS_KEPT, DayPeak, Peaks};
pub use reported::Reported;
pub use users::{UserHash, UserKey};

#[cfg(test)]
mod tests;

//! For programs: what this server's agent says, watched in the background and read in nanoseconds.
//!
//! [`Client`] watches the agent's socket from a thread of its own and keeps the last status in the process: [`Client::feature`]
//! takes no lock and asks nobody. [`Agent`] asks each time, and reports usage. Neither needs an asynchronous runtime; a
//! [`Watch`] is a [`Stream`](futures_core::Stream) for those that have one.
//!
//! ```no_run
//! use entitled::client::Client;
//!
//! # fn main() -> Result<(), entitled::client::ClientError> {
//! let client = Client::connect()?;
//! if client.feature("reports").granted() {
//!     println!("reports are licensed");
//! }
//! if let Some(users) = client.limit("users") {
//!     println!("{:?} of {:?} users", users.used, users.limit);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How old an answer is
//!
//! As long as the connection stands, an answer is what the agent says now: the agent sends each change as it happens, and a sign of
//! life every 15 seconds. When the connection breaks (at once where the agent ends, after [`SILENCE`] where it hangs), the client
//! keeps the last answer, says that it is stale and since when, and connects again, after pauses that grow from a twentieth of a
//! second to five. What to do with a stale answer is the program's to decide: [`Feature::is_stale`], [`Client::freshness`].
//! Nothing that the agent does or fails to do makes this client panic or lose what it knows.
//!
//! # A program that starts before its agent
//!
//! [`Client::connect`] fails where the agent does not answer, [`Client::open`] never asks: it goes on trying, and until the
//! first answer every feature is unknown, `false` and stale. [`Client::wait`] waits for the first one for as long as it is told.
//!
//! # Clones, drops and forks
//!
//! A clone shares the connection and the thread; both end with the last clone and the last [`Watch`], and dropping waits for
//! neither. A process made by `fork` has no thread: what it inherited turns stale after [`SILENCE`] and stays so, and it is to make a
//! client of its own. The socket is closed by `exec`.
//!
//! # Belief
//!
//! What comes over the socket is believed as far as the file system protects the socket's folder. A program that wants proof reads
//! `/v1/license` and verifies the vendor's signature.
//!
//! Needs the feature `client` and none of the server's crates. Programs call this; this calls `entitlement`, `terms`,
//! `problem` and `codes`.

mod agent;
mod answers;
mod error;
mod pauses;
mod reading;
mod snapshot;
mod watch;
mod watching;
mod wire;

pub use crate::{
    codes::SerialNumber,
    entitlement::{
        Allowance, Condition, ConditionStatus, ConditionType, EnvironmentStatus, HardwareStatus,
        LicenseSource, LicenseStatus, LimitState, LimitStatus, Overshoot, Reason, Role, State,
        Status, UpstreamStatus,
    },
    problem::Problem,
    terms::{Enforcement, Purpose, Sequence, Verdict},
};
pub use agent::Agent;
pub use answers::{Builder, Client};
pub use error::ClientError;
pub use snapshot::{Feature, Freshness, Snapshot};
pub use watch::{BlockingWatch, Watch};

use std::time::Duration;

/// Where the agent's socket is as packages install it; `usage.sock` lies beside it.
pub const DEFAULT_SOCKET: &str = "/run/entitled/entitled.sock";

/// An agent that says nothing for this long is not heard any more: three of its signs of life.
pub const SILENCE: Duration = Duration::from_secs(45);

/// How long one question may take unless the program says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;

/// The program in the documents compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/programs.md")]
struct Documents;

//! The bundle by which a controller moves to another machine: what it holds, and how it is sealed.
//!
//! The agent makes and takes [`Contents`]; `entitlectl` seals them before they touch a disk, and opens them again. Pure but for
//! the random numbers. `agent`, `api` and `cli` call this; this calls `store` (for the members' records), `license` and `codes`.

mod contents;
mod envelope;
mod error;

pub use contents::Contents;
pub use envelope::{Passphrase, open, seal};
pub use error::BundleError;

/// The largest bundle that is read, bytes: some hundred for each member.
pub const LARGEST: usize = 32 << 20;

#[cfg(test)]
mod tests;

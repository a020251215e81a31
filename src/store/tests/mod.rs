//! What both stores promise, what the one on the disk survives, and what the keeper makes of a store that fails.

mod accidents;
mod chain;
mod contract;
mod directory;
mod flaky;
mod keeper;
mod refusals;
mod roster;
mod sample;

pub(crate) use flaky::FlakyStore;

//! What the portal knows and how it decides: subscriptions, environments, the chain of requests, and the decision on
//! one request.
//!
//! Pure: stored state, a request and the time are arguments, a decision or a refusal comes back. `portal` calls this;
//! this calls `license`,
//! `identity` (for the vote on hardware) and `codes`.

mod chain;
mod decision;
mod environment;
mod evidence;
mod place;
mod refusal;
mod subscription;
mod succession;
mod trial;
mod usage;
pub mod written;

pub use chain::{Branch, Chain, Link, Step};
pub use decision::{Decision, Holds, decide};
pub use environment::{CurrentDocument, Environment, EnvironmentStanding};
pub use evidence::{fact, facts, same_machine};
pub use place::{Asked, Known, Likeness, Place, check_free_or_own, check_standing, place};
pub use refusal::Refusal;
pub use subscription::{RebindPolicy, Revision, Standing, Subscription, Terms, TermsError};
pub use succession::{
    CODE_ATTEMPTS, Ground, Heir, PendingRebind, Shown, SlotAfter, StoredCode, Warrant, YEAR,
    moving, rebind, slot_after,
};
pub use trial::{TrialTerms, normalised};
pub use usage::{ReportedUsage, UsageRoad};

#[cfg(test)]
mod tests;

//! What the portal knows and how it decides: subscriptions, environments, the chain of requests, and the decision on
//! one request.
//!
//! Pure: stored state, a request and the time are arguments, a decision or a refusal comes back. `portal` calls this;
//! this calls `license` and `codes`.

mod chain;
mod decision;
mod environment;
mod refusal;
mod subscription;

pub use chain::{Branch, Chain, Link, Step};
pub use decision::{Asked, Decision, Holds, Place, decide, place};
pub use environment::{CurrentDocument, Environment};
pub use refusal::Refusal;
pub use subscription::{Revision, Standing, Subscription, Terms, TermsError};

#[cfg(test)]
mod tests;

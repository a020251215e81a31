//! The ways out: requests to the Licensing Portal and their exchange for answers, and the operator's webhook.
//!
//! What is sent on-line and what a courier carries are the very same bytes. `agent` and `cli` call this; this calls
//! `store`, `entitlement`, `license`, `identity` and `codes`.

mod backoff;
mod draft;
mod error;
mod http;
mod probe;
mod webhook;

pub use backoff::{Backoff, splayed, spread};
pub use draft::{Draft, new_request_id};
pub use error::ExchangeError;
pub use http::{HttpPortal, PortalSettings};
pub use probe::{Probed, Way, certificate_ends};
pub use webhook::{Message, Undelivered, Webhook, WebhookError, WebhookSettings, new_secret};

use std::{future::Future, pin::Pin};

/// An exchange under way.
pub type Exchange = Pin<Box<dyn Future<Output = Result<String, ExchangeError>> + Send>>;

/// Whoever answers requests: the portal over HTTP, or a simulated one.
pub trait Portal: Send + Sync {
    /// Its address, for people.
    fn url(&self) -> &str;
    /// Exchanges a signed request for a signed answer. Dropping the future gives the exchange up.
    fn exchange(&self, request: String) -> Exchange;
}

#[cfg(test)]
mod tests;

//! The vendor's side: subscriptions, environment slots, and the one route by which licenses are asked for.
//!
//! [`Portal`] is the whole of it in one process; `entitle-portal` serves it, `entitled dev` and tests embed it.
//! [`domain`] decides, [`store`] keeps, `answering` brings the two together for one request, `operating` for the vendor's
//! commands, `http` is the way in, `web` the pages for people. The binary calls [`cli`]; this calls `api`, `health`, `members` (ranges of addresses, handshakes),
//! `license` and `codes`.

pub mod access;
mod answering;
mod attempts;
pub mod cli;
mod clock;
mod directory;
pub mod domain;
mod error;
mod export;
mod http;
mod issuing;
mod key_set;
mod keys;
mod metrics;
mod operating;
mod pace;
mod sample;
mod service;
pub mod store;
mod tls;
mod web;
mod webhooks;

pub use clock::{Clock, SystemClock};
pub use directory::{Directory, Vendor};
pub use domain::UsageRoad;
pub use error::PortalError;
pub use http::{ClientAddress, ForwardedBy, Transport, openapi};
pub use keys::{KeyRing, KeyStanding, TrustChange};
pub use operating::{
    Act, AskedRelease, BranchView, EnvironmentUsage, ForkView, LimitUsage, NewRebindCode,
    ReleaseAnswer, ReleaseState, SerialOnlyLicense, UsageView, UsedTogether,
};
pub use service::{Options, Portal};
pub use tls::TlsError;
pub use webhooks::{WebhookRefusal, WebhookStanding};

#[cfg(test)]
mod tests;

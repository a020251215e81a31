//! TLS that the portal ends itself: a certificate and its key from files, which may be replaced while it serves.
//!
//! `cli` calls this; it calls `api` (what a listener must do) and `members` (handshakes in flight).

mod certificate;
mod error;
mod listener;

pub(super) use certificate::{Certificate, CertificateFiles};
pub use error::TlsError;
pub(super) use listener::TlsListener;

#[cfg(test)]
mod tests;

//! How clients reach the portal: by TLS of its own, through a proxy, or in the clear on this machine.

use crate::members::AddressRange;
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{convert::Infallible, net::IpAddr, sync::Arc};

/// The header in which a proxy names who asked it. One alone is read: a proxy passes on what it does not know, so the other
/// may say whatever the client likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, which most proxies add to.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// How clients reach the portal; in the extensions of every request.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    /// Whether the portal ends TLS itself.
    pub tls: bool,
    /// Whether a proxy is in front, which ends TLS.
    pub behind_proxy: bool,
    /// The proxies that are believed about who asked them.
    pub proxies: Vec<AddressRange>,
    /// Where they say it.
    pub forwarded_by: ForwardedBy,
}

impl Transport {
    /// Whether browsers come by TLS, so that cookies are for TLS alone and HSTS is told.
    pub const fn is_secure(&self) -> bool {
        self.tls || self.behind_proxy
    }

    /// Whether what comes from `address` is believed about who asked.
    pub(in crate::portal) fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|range| range.contains(address))
    }

    /// That of a request; plain HTTP where nothing is said.
    pub(super) fn of(parts: &Parts) -> Arc<Self> {
        parts.extensions.get::<Arc<Self>>().cloned().unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for Transport {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Arc::unwrap_or_clone(Self::of(parts)))
    }
}

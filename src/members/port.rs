//! What the members' port shows and asks for: it may change while it serves.

use super::{
    Authority, MembersError,
    tls::{Former, server_config},
};
use crate::{license::Thumbprint, usage::UserKey};
use rustls::pki_types::CertificateDer;
use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::TlsAcceptor;

/// What a listener shows and asks for in a handshake. The authority changes where an environment arrives from another machine.
pub struct Port {
    acceptor: RwLock<TlsAcceptor>,
    named: Vec<IpAddr>,
    former: Former,
    usage_key: RwLock<UserKey>,
}

impl Port {
    pub(super) fn new(
        authority: &Authority,
        named: Vec<IpAddr>,
        usage_key: UserKey,
    ) -> Result<Self, MembersError> {
        let former = Former::default();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(authority, &former, &named)?));
        let (acceptor, usage_key) = (RwLock::new(acceptor), RwLock::new(usage_key));
        Ok(Self { acceptor, named, former, usage_key })
    }

    /// Is of that authority from the next handshake on.
    ///
    /// # Errors
    /// [`MembersError::Authority`]; then it stays as it is.
    pub fn belong_to(&self, authority: &Authority) -> Result<(), MembersError> {
        let acceptor =
            TlsAcceptor::from(Arc::new(server_config(authority, &self.former, &self.named)?));
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
        Ok(())
    }

    /// Lets the members of these authorities have themselves certified anew, and no others.
    pub fn believe_former(&self, former: &[Thumbprint]) {
        self.former.set(former);
    }

    /// Tells members that key of the environment's user hashes from now on.
    pub fn tell_usage_key(&self, key: UserKey) {
        *self.usage_key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// The key of the environment's user hashes.
    pub(super) fn usage_key(&self) -> UserKey {
        self.usage_key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a chain ends in an authority that the environment had before.
    pub(super) fn is_former(&self, chain: &[CertificateDer<'_>]) -> bool {
        self.former.find(chain).is_some()
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

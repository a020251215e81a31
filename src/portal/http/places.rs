//! Places for requests whose bodies are read, so that they fill no memory; and who has them, so that none keeps the others out.

use super::{ClientAddress, Transport};
use crate::api::{Full, Network, Share, Shares};
use axum::http::request::Parts;
use std::{future::Future, sync::Arc};

/// Requests at once.
const MOST_AT_ONCE: usize = 256;

/// All of them.
#[derive(Clone)]
pub(in crate::portal) struct Places(Arc<Shares>);

/// A request's place; given back when dropped.
pub(in crate::portal) struct Place(Share);

impl Default for Places {
    fn default() -> Self {
        Self(Shares::new(MOST_AT_ONCE))
    }
}

impl Places {
    /// A place for who sends this. Who is behind a trusted proxy has the share of its own address; a trusted proxy that does not
    /// say who asked stands for all.
    pub(in crate::portal) fn take(&self, parts: &Parts) -> Result<Place, Full> {
        let ClientAddress(address) = ClientAddress::of(parts);
        let network = (!Transport::of(parts).trusts(address)).then(|| Network::of(address));
        self.0.take(network).map(Place)
    }
}

impl Place {
    /// Waits for what the client has still to send, unless others need the place more: then there is none any more.
    pub(in crate::portal) async fn reading<T>(
        &self,
        body: impl Future<Output = T>,
    ) -> Result<T, Full> {
        tokio::select! {
            biased;
            read = body => Ok(read),
            () = self.0.left() => Err(Full::All),
        }
    }

    /// The same place once nothing more is waited for: nobody takes it away.
    pub(in crate::portal) fn at_work(&self) -> impl Drop + use<> {
        self.0.at_work()
    }
}

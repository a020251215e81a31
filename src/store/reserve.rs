//! Ids of requests, stored before they are needed: what is sent while nothing can be stored is known after a restart.

use crate::license::RequestId;
use serde::{Deserialize, Serialize};

/// As many as a month of daily refreshes takes.
const SIZE: usize = 32;

/// Ids that no request has while the disk works.
///
/// A request that can't be stored takes its id from here ([`Keeper::draw`](super::Keeper::draw)). When the process then
/// ends, its successor can't know which of them were sent, and the portal may have answered any: until one of its own
/// requests is answered, each of these names them all, so that the portal takes none for a copy's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reserve {
    ids: Vec<RequestId>,
    /// While an earlier process may have sent some of them: the requests that name them.
    #[serde(skip)]
    doubt: Option<Vec<RequestId>>,
}

/// Equal where the same is stored: the doubt is this process's alone.
impl PartialEq for Reserve {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids
    }
}

impl Eq for Reserve {}

impl Reserve {
    /// The ids.
    pub fn ids(&self) -> &[RequestId] {
        &self.ids
    }

    /// Those that an earlier process may have sent; the next request names them.
    pub fn doubted(&self) -> &[RequestId] {
        self.doubt.as_ref().map_or(&[], |_| &self.ids)
    }

    /// A process goes on from what another one stored.
    pub(super) fn inherit(&mut self) {
        self.doubt = (!self.ids.is_empty()).then(Vec::new);
    }

    /// It is stored: what this process knows of it is not.
    pub(super) fn leave(&mut self) {
        self.doubt = None;
    }

    /// Makes it whole again with what `make` gives. One that is in doubt stays as it is until the doubt is over.
    pub fn fill(&mut self, make: impl Fn() -> RequestId) {
        if self.doubt.is_none() {
            self.ids.resize_with(SIZE, make);
        }
    }

    /// A request of this process has that id.
    pub(super) fn used(&mut self, id: RequestId) {
        self.ids.retain(|reserved| *reserved != id);
        if let Some(naming) = &mut self.doubt {
            naming.push(id);
        }
    }

    /// That request was answered.
    pub(super) fn settled(&mut self, id: RequestId) {
        if self.doubt.as_ref().is_some_and(|naming| naming.contains(&id)) {
            // The portal goes on from this one. The ids may have been used all the same.
            *self = Self::default();
        }
        self.ids.retain(|reserved| *reserved != id);
    }
}

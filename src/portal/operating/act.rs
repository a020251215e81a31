//! A change under way.

use super::super::{
    Portal, PortalError,
    access::{Right, Rights},
    clock::whole_second,
    store::{Change, Event},
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// A change under way: who makes it, when, and what that may do. All that is done in one [`Portal::act`] is one transaction.
pub struct Act<'a> {
    pub(super) change: &'a Change<'a>,
    pub(super) actor: &'a str,
    pub(super) now: Timestamp,
    rights: Rights,
}

impl Portal {
    /// Does one change: all of it is durable when this returns `Ok`, none of it was done when it returns `Err`, unless that is
    /// [`StoreError::OutcomeUnknown`](super::super::store::StoreError::OutcomeUnknown).
    ///
    /// # Errors
    /// What `work` returns, [`AccessError::Ended`](super::super::access::AccessError::Ended) where the operator or the token
    /// that this handle was given to is not good any more, and what the store says.
    pub fn act<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Act<'_>) -> Result<T, PortalError> + Send + 'static,
    ) -> Result<T, PortalError> {
        let (now, rights, actor) =
            (whole_second(self.now()), self.rights(), self.actor().to_owned());
        let holder = self.holder();
        self.store().write(move |change| {
            holder.map_or(Ok(()), |holder| holder.check(change, now))?;
            work(&Act { change, actor: &actor, now, rights })
        })
    }
}

impl Act<'_> {
    /// Refuses who may not do that.
    pub(super) fn needs(&self, right: Right) -> Result<(), PortalError> {
        Ok(self.rights.check(right)?)
    }

    /// The store, for what is kept along with the change.
    pub(in crate::portal) const fn change(&self) -> &Change<'_> {
        self.change
    }

    /// When it is done.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Who does it.
    pub const fn actor(&self) -> &str {
        self.actor
    }

    /// Tells the audit.
    pub(in crate::portal) fn told(
        &self,
        event: &str,
        subscription_id: Option<Uuid>,
        environment_id: Option<Uuid>,
        detail: Value,
    ) -> Result<(), PortalError> {
        let (at, actor) = (self.now, self.actor);
        let event = Event { at, actor, event, subscription_id, environment_id, detail };
        Ok(self.change.audit_event(&event)?)
    }
}

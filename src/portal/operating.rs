//! What the vendor's operator does: each a change with its audit entry in one transaction. An [`Act`] is such a change under way; the calls
//! of [`Portal`] here are acts of one step. Subscriptions are here, the rest is in the folder.

mod act;
mod customers;
mod environments;
mod forks;
mod keys;
mod releases;
mod searching;
mod serial_only;
mod subscriptions;
mod trials;
mod usage;

pub use act::Act;
pub use environments::NewRebindCode;
pub use forks::{BranchView, ForkView};
pub use releases::{AskedRelease, ReleaseAnswer, ReleaseState};
pub use serial_only::SerialOnlyLicense;
pub use usage::{EnvironmentUsage, LimitUsage, UsageView, UsedTogether};

use super::{
    Portal, PortalError,
    access::Right,
    domain::{Subscription, Terms},
    store::{AuditCheck, AuditEntry, StoreError},
};
use jiff::Timestamp;
use uuid::Uuid;

impl Portal {
    /// Makes a subscription with a new Activation Code.
    ///
    /// # Errors
    /// [`PortalError::Terms`], and what the store says.
    pub fn create_subscription(
        &self,
        customer: &str,
        terms: Terms,
    ) -> Result<Subscription, PortalError> {
        let customer = customer.to_owned();
        self.act(move |act| act.create_subscription(&customer, terms))
    }

    /// Changes what was bought. The Activation Code stays; every environment gets a new license at its next refresh.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::Terms`], and what the store says.
    pub fn update_subscription(
        &self,
        id: Uuid,
        edit: impl FnOnce(&mut Terms) + Send + 'static,
    ) -> Result<Subscription, PortalError> {
        self.act(move |act| {
            act.update_subscription(id, |subscription| edit(&mut subscription.terms))
        })
    }

    /// Lengthens the term. The Activation Code stays; every environment gets a new license at its next refresh.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::NoLonger`], [`PortalError::Revoked`], and what the store says.
    pub fn renew_subscription(
        &self,
        id: Uuid,
        ends_at: Timestamp,
    ) -> Result<Subscription, PortalError> {
        self.act(move |act| act.renew_subscription(id, ends_at))
    }

    /// Stops issuing for now; what was issued stays as it is.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::AlreadyStanding`], [`PortalError::Revoked`], and what the store says.
    pub fn suspend_subscription(&self, id: Uuid) -> Result<Subscription, PortalError> {
        self.act(move |act| act.suspend_subscription(id))
    }

    /// Takes back what was issued: each environment gets a signed revocation at its next refresh.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::AlreadyStanding`], [`PortalError::Name`], and what the store says.
    pub fn revoke_subscription(&self, id: Uuid, reason: &str) -> Result<Subscription, PortalError> {
        let reason = reason.to_owned();
        self.act(move |act| act.revoke_subscription(id, &reason))
    }

    /// Takes a suspension or a revocation back: each environment gets a new license at its next refresh.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::AlreadyStanding`], and what the store says.
    pub fn resume_subscription(&self, id: Uuid) -> Result<Subscription, PortalError> {
        self.act(move |act| act.resume_subscription(id))
    }

    /// A subscription.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], and what the store says.
    pub fn subscription(&self, id: Uuid) -> Result<Subscription, PortalError> {
        self.needs(Right::SubscriptionsRead)?;
        self.store().read(|view| view.subscription(id))?.ok_or(PortalError::NoSubscription { id })
    }

    /// All subscriptions, the newest last.
    ///
    /// # Errors
    /// What the store says.
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, PortalError> {
        self.needs(Right::SubscriptionsRead)?;
        self.store().read(|view| Ok(view.subscriptions()?))
    }

    /// The newest `most` audit entries, of one subscription or all, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn audit(
        &self,
        subscription: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, PortalError> {
        self.needs(Right::AuditRead)?;
        Ok(self.store().read(|view| view.audit(subscription, most))?)
    }

    /// Walks along the chain of the audit, and looks for an entry of the digest `noted`.
    ///
    /// # Errors
    /// What the store says.
    pub fn check_audit(&self, noted: Option<&str>) -> Result<AuditCheck, PortalError> {
        self.needs(Right::AuditRead)?;
        Ok(self.store().check_audit(noted)?)
    }

    /// The same for pages: on a thread of its own, because a long audit takes minutes and threads that may wait are few, and one at a
    /// time.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another walk is under way, and what the store says.
    pub(in crate::portal) async fn check_audit_apart(&self) -> Result<AuditCheck, PortalError> {
        let busy = |_| StoreError::Busy { doing: "verify the audit" };
        let place = self.audit_walk().try_acquire_owned().map_err(busy)?;
        if self.store().is_inline() {
            return self.check_audit(None);
        }
        let (tell, told) = tokio::sync::oneshot::channel();
        let portal = self.clone();
        let walk = move || {
            let checked = portal.check_audit(None);
            drop(place);
            // Whoever asked may have gone.
            let _ = tell.send(checked);
        };
        let thread = std::thread::Builder::new().name("audit-walk".to_owned()).spawn(walk);
        thread.map_err(PortalError::Runtime)?;
        told.await.unwrap_or(Err(StoreError::Stopped.into()))
    }
}

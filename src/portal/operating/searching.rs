//! Lists of which a page is read at a time, and single things.

use super::super::{
    Portal, PortalError,
    access::Right,
    domain::{Environment, Subscription},
    store::{AuditEntry, AuditFilter, EnvironmentFilter, SubscriptionFilter},
};
use crate::codes::ActivationCode;
use serde_json::json;
use uuid::Uuid;

impl Portal {
    /// At most `most` subscriptions that were made before `before`, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn search_subscriptions(
        &self,
        filter: &SubscriptionFilter,
        before: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<Subscription>, PortalError> {
        self.needs(Right::SubscriptionsRead)?;
        Ok(self.store().read(|view| view.subscriptions_page(filter, before, most))?)
    }

    /// At most `most` environments that were made before `before`, the newest first, released ones among them.
    ///
    /// # Errors
    /// What the store says.
    pub fn search_environments(
        &self,
        filter: &EnvironmentFilter,
        before: Option<Uuid>,
        most: u32,
    ) -> Result<Vec<Environment>, PortalError> {
        self.needs(Right::EnvironmentsRead)?;
        Ok(self.store().read(|view| view.environments_page(filter, before, most))?)
    }

    /// At most `most` audit entries before `before`, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn search_audit(
        &self,
        filter: &AuditFilter,
        before: Option<u64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, PortalError> {
        self.needs(Right::AuditRead)?;
        Ok(self.store().read(|view| view.audit_page(filter, before, most))?)
    }

    /// That there is such a subscription, for who sees no more of it.
    pub(in crate::portal) fn has_subscription(&self, id: Uuid) -> Result<(), PortalError> {
        let found = self.store().read(|view| Ok::<_, PortalError>(view.subscription(id)?))?;
        found.map(drop).ok_or(PortalError::NoSubscription { id })
    }

    /// An environment.
    ///
    /// # Errors
    /// [`PortalError::NoEnvironment`], and what the store says.
    pub fn environment(&self, id: Uuid) -> Result<Environment, PortalError> {
        self.needs(Right::EnvironmentsRead)?;
        self.store().read(|view| view.environment(id))?.ok_or(PortalError::NoEnvironment { id })
    }

    /// The Activation Code of a subscription; that it was shown is in the audit.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], and what the store says.
    pub fn reveal_activation_code(&self, id: Uuid) -> Result<ActivationCode, PortalError> {
        self.needs(Right::ActivationCodesRead)?;
        self.act(move |act| {
            let found = act.change().subscription(id)?;
            let subscription = found.ok_or(PortalError::NoSubscription { id })?;
            act.told("activation-code-shown", Some(id), None, json!({}))?;
            Ok(subscription.activation_code)
        })
    }
}

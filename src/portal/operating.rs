//! What the vendor's operator does: each a change with its audit entry in one transaction. Subscriptions are here,
//! what is done to environments is in the folder.

mod customers;
mod environments;
mod forks;
mod serial_only;
mod trials;
mod usage;

pub use environments::NewRebindCode;
pub use forks::{BranchView, ForkView};
pub use serial_only::SerialOnlyLicense;

use super::{
    Portal, PortalError,
    clock::whole_second,
    domain::{Revision, Standing, Subscription, Terms},
    store::{AuditEntry, Change, Event},
};
use crate::codes::ActivationCode;
use jiff::Timestamp;
use serde_json::{Value, json};
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
        let now = whole_second(self.now());
        let terms = in_whole_seconds(terms);
        Subscription::check_customer(customer)?;
        terms.check()?;
        let new = Subscription {
            id: Self::new_id(now)?,
            activation_code: ActivationCode::random()?,
            customer: customer.to_owned(),
            terms,
            standing: Standing::Active,
            revision: Revision::FIRST,
            created_at: now,
        };
        let actor = self.actor().to_owned();
        self.store().write(move |change| {
            change.add_subscription(&new)?;
            let detail = json!({ "customer": new.customer, "terms": new.terms });
            told(change, &actor, "subscription-created", &new, detail, now)?;
            Ok(new)
        })
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
        self.change_subscription(id, "subscription-changed", move |subscription| {
            edit(&mut subscription.terms);
            subscription.terms = in_whole_seconds(subscription.terms.clone());
            Ok(subscription.terms.check()?)
        })
    }

    /// Stops issuing for now; what was issued stays as it is.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::AlreadyStanding`], [`PortalError::Revoked`], and what the store says.
    pub fn suspend_subscription(&self, id: Uuid) -> Result<Subscription, PortalError> {
        self.change_subscription(id, "subscription-suspended", |subscription| {
            match subscription.standing {
                Standing::Active => subscription.standing = Standing::Suspended,
                Standing::Suspended => {
                    return Err(PortalError::AlreadyStanding { found: "suspended" });
                }
                Standing::Revoked { .. } => return Err(PortalError::Revoked),
            }
            Ok(())
        })
    }

    /// Takes back what was issued: each environment gets a signed revocation at its next refresh.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::AlreadyStanding`], [`PortalError::Name`], and what the store says.
    pub fn revoke_subscription(&self, id: Uuid, reason: &str) -> Result<Subscription, PortalError> {
        super::directory::check_name("reason", reason)?;
        let standing =
            Standing::Revoked { at: whole_second(self.now()), reason: reason.to_owned() };
        self.change_subscription(id, "subscription-revoked", move |subscription| {
            if matches!(subscription.standing, Standing::Revoked { .. }) {
                return Err(PortalError::AlreadyStanding { found: "revoked" });
            }
            subscription.standing = standing;
            Ok(())
        })
    }

    /// Takes a suspension or a revocation back: each environment gets a new license at its next refresh.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], [`PortalError::AlreadyStanding`], and what the store says.
    pub fn resume_subscription(&self, id: Uuid) -> Result<Subscription, PortalError> {
        self.change_subscription(id, "subscription-resumed", |subscription| {
            if subscription.standing == Standing::Active {
                return Err(PortalError::AlreadyStanding { found: "active" });
            }
            subscription.standing = Standing::Active;
            Ok(())
        })
    }

    /// A subscription.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`], and what the store says.
    pub fn subscription(&self, id: Uuid) -> Result<Subscription, PortalError> {
        self.store().read(|view| view.subscription(id))?.ok_or(PortalError::NoSubscription { id })
    }

    /// All subscriptions, the newest last.
    ///
    /// # Errors
    /// What the store says.
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, PortalError> {
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
        Ok(self.store().read(|view| view.audit(subscription, most))?)
    }

    fn change_subscription(
        &self,
        id: Uuid,
        event: &'static str,
        edit: impl FnOnce(&mut Subscription) -> Result<(), PortalError> + Send + 'static,
    ) -> Result<Subscription, PortalError> {
        let now = whole_second(self.now());
        let actor = self.actor().to_owned();
        self.store().write(move |change| {
            let before = change.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
            let mut after = before.clone();
            edit(&mut after)?;
            // What changes nothing makes no environment fetch a new license.
            if after == before {
                return Ok(before);
            }
            after.revision = before.revision.next();
            change.update_subscription(&after)?;
            told(change, &actor, event, &after, difference(&before, &after), now)?;
            Ok(after)
        })
    }
}

fn told(
    change: &Change<'_>,
    actor: &str,
    event: &str,
    subscription: &Subscription,
    detail: Value,
    now: Timestamp,
) -> Result<(), PortalError> {
    Ok(change.audit_event(&Event {
        at: now,
        actor,
        event,
        subscription_id: Some(subscription.id),
        environment_id: None,
        detail,
    })?)
}

/// Each member that changed, with its old and its new value.
fn difference(before: &Subscription, after: &Subscription) -> Value {
    let members = |s: &Subscription| {
        let mut all = serde_json::to_value(&s.terms).unwrap_or_default();
        all["standing"] = serde_json::to_value(&s.standing).unwrap_or_default();
        all
    };
    let (old, new) = (members(before), members(after));
    let changed =
        new.as_object().into_iter().flatten().filter(|(name, value)| old[*name] != **value);
    let mut detail: serde_json::Map<String, Value> = changed
        .map(|(name, value)| (name.clone(), json!({ "from": old[name], "to": value })))
        .collect();
    detail.insert("revision".to_owned(), json!(after.revision));
    Value::Object(detail)
}

fn in_whole_seconds(mut terms: Terms) -> Terms {
    terms.starts_at = whole_second(terms.starts_at);
    terms.ends_at = whole_second(terms.ends_at);
    terms
}

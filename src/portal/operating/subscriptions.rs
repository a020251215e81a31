//! Subscriptions: selling, changing and ending them.

use super::{
    super::{
        Portal, PortalError,
        access::Right,
        clock::whole_second,
        directory::check_name,
        domain::{Revision, Standing, Subscription, Terms},
    },
    Act,
};
use crate::codes::ActivationCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

impl Act<'_> {
    /// As [`Portal::create_subscription`].
    ///
    /// # Errors
    /// As there.
    pub fn create_subscription(
        &self,
        customer: &str,
        terms: Terms,
    ) -> Result<Subscription, PortalError> {
        self.needs(Right::SubscriptionsWrite)?;
        let terms = in_whole_seconds(terms);
        Subscription::check_customer(customer)?;
        terms.check()?;
        let new = Subscription {
            id: Portal::new_id(self.now)?,
            activation_code: ActivationCode::random()?,
            customer: customer.to_owned(),
            terms,
            standing: Standing::Active,
            revision: Revision::FIRST,
            created_at: self.now,
        };
        self.change.add_subscription(&new)?;
        let detail = json!({ "customer": new.customer, "terms": new.terms });
        self.told("subscription-created", Some(new.id), None, detail)?;
        Ok(new)
    }

    /// As [`Portal::update_subscription`]; the customer's name may be changed too.
    ///
    /// # Errors
    /// As there.
    pub fn update_subscription(
        &self,
        id: Uuid,
        edit: impl FnOnce(&mut Subscription),
    ) -> Result<Subscription, PortalError> {
        self.change_subscription(id, "subscription-changed", |subscription| {
            let mut edited = subscription.clone();
            edit(&mut edited);
            Subscription::check_customer(&edited.customer)?;
            subscription.customer = edited.customer;
            subscription.terms = in_whole_seconds(edited.terms);
            Ok(subscription.terms.check()?)
        })
    }

    /// As [`Portal::renew_subscription`].
    ///
    /// # Errors
    /// As there.
    pub fn renew_subscription(
        &self,
        id: Uuid,
        ends_at: Timestamp,
    ) -> Result<Subscription, PortalError> {
        let asked = whole_second(ends_at);
        self.change_subscription(id, "subscription-renewed", |subscription| {
            if matches!(subscription.standing, Standing::Revoked { .. }) {
                return Err(PortalError::Revoked);
            }
            let ends_at = subscription.terms.ends_at;
            if asked <= ends_at {
                return Err(PortalError::NoLonger { ends_at, asked });
            }
            subscription.terms.ends_at = asked;
            Ok(subscription.terms.check()?)
        })
    }

    /// As [`Portal::suspend_subscription`].
    ///
    /// # Errors
    /// As there.
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

    /// As [`Portal::revoke_subscription`].
    ///
    /// # Errors
    /// As there.
    pub fn revoke_subscription(&self, id: Uuid, reason: &str) -> Result<Subscription, PortalError> {
        check_name("reason", reason)?;
        let standing = Standing::Revoked { at: self.now, reason: reason.to_owned() };
        self.change_subscription(id, "subscription-revoked", move |subscription| {
            if matches!(subscription.standing, Standing::Revoked { .. }) {
                return Err(PortalError::AlreadyStanding { found: "revoked" });
            }
            subscription.standing = standing;
            Ok(())
        })
    }

    /// As [`Portal::resume_subscription`].
    ///
    /// # Errors
    /// As there.
    pub fn resume_subscription(&self, id: Uuid) -> Result<Subscription, PortalError> {
        self.change_subscription(id, "subscription-resumed", |subscription| {
            if subscription.standing == Standing::Active {
                return Err(PortalError::AlreadyStanding { found: "active" });
            }
            subscription.standing = Standing::Active;
            Ok(())
        })
    }

    /// Refuses a change of another revision than the one that its asker has seen.
    ///
    /// # Errors
    /// [`PortalError::NoSubscription`] and [`PortalError::OtherRevision`].
    pub fn check_revision(&self, id: Uuid, seen: Revision) -> Result<(), PortalError> {
        let found = self.change.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
        if found.revision == seen {
            return Ok(());
        }
        Err(PortalError::OtherRevision { seen: seen.0, found: found.revision.0 })
    }

    fn change_subscription(
        &self,
        id: Uuid,
        event: &'static str,
        edit: impl FnOnce(&mut Subscription) -> Result<(), PortalError>,
    ) -> Result<Subscription, PortalError> {
        self.needs(Right::SubscriptionsWrite)?;
        let before = self.change.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
        let mut after = before.clone();
        edit(&mut after)?;
        // What changes nothing makes no environment fetch a new license.
        if after == before {
            return Ok(before);
        }
        after.revision = before.revision.next();
        self.change.update_subscription(&after)?;
        self.told(event, Some(id), None, difference(&before, &after))?;
        Ok(after)
    }
}

/// Each member that changed, with its old and its new value.
fn difference(before: &Subscription, after: &Subscription) -> Value {
    let members = |s: &Subscription| {
        let mut all = serde_json::to_value(&s.terms).unwrap_or_default();
        all["standing"] = serde_json::to_value(&s.standing).unwrap_or_default();
        all["customer"] = json!(s.customer);
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

//! Subscriptions and environments as a caller sees them.

use crate::{
    license::Purpose,
    portal::domain::{Environment, Standing, Subscription, Terms},
};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

// No `Debug`: it may hold its Activation Code.
/// A subscription
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SubscriptionShown {
    /// Its id, which stands in licenses.
    id: Uuid,
    /// Who bought it.
    customer: String,
    /// Masked, but in the answer to who has made it.
    activation_code: String,
    /// Of the Activation Code: by this it is searched for.
    activation_id: String,
    /// Whether the vendor stands by it.
    standing: Standing,
    /// Grows with every change; also `ETag`.
    revision: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When a license ends that is not renewed.
    #[schema(value_type = String, format = DateTime)]
    grace_ends_at: Timestamp,
    /// What was bought.
    terms: Terms,
}

impl From<Subscription> for SubscriptionShown {
    fn from(subscription: Subscription) -> Self {
        Self {
            id: subscription.id,
            customer: subscription.customer,
            activation_code: subscription.activation_code.masked(),
            activation_id: subscription.activation_code.id().to_string(),
            standing: subscription.standing,
            revision: subscription.revision.0,
            created_at: subscription.created_at,
            grace_ends_at: subscription.terms.grace_ends_at(),
            terms: subscription.terms,
        }
    }
}

impl SubscriptionShown {
    /// With its Activation Code.
    pub(super) fn revealed(subscription: Subscription) -> Self {
        let activation_code = subscription.activation_code.expose();
        Self { activation_code, ..Self::from(subscription) }
    }
}

/// An environment
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EnvironmentShown {
    /// Its id, which stands in its licenses.
    id: Uuid,
    subscription_id: Uuid,
    /// Chosen by the customer.
    name: String,
    purpose: Purpose,
    /// `activated`, `forked`, `released`, or `reserved` where a slot is kept for its Serial Number and nothing was issued.
    status: &'static str,
    serial_number: String,
    /// Thumbprint of the key that it is bound to; none: to its Serial Number alone.
    key: Option<String>,
    /// Of its newest document.
    sequence: u64,
    #[schema(value_type = String, format = DateTime)]
    activated_at: Timestamp,
    /// When the portal last answered it.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    released_at: Option<Timestamp>,
    /// Until when it keeps its slot after an off-line release, or is kept one.
    #[schema(value_type = Option<String>, format = DateTime)]
    slot_held_until: Option<Timestamp>,
}

impl EnvironmentShown {
    pub(super) fn of(environment: Environment, now: Timestamp) -> Self {
        Self {
            id: environment.id,
            subscription_id: environment.subscription_id,
            purpose: environment.purpose,
            status: environment.standing(now).as_str(),
            serial_number: environment.serial_number.to_string(),
            key: environment.key.map(|key| key.thumbprint().to_string()),
            sequence: environment.sequence.0,
            activated_at: environment.activated_at,
            seen_at: environment.seen_at,
            released_at: environment.released_at,
            slot_held_until: environment.slot_held_until,
            name: environment.name,
        }
    }
}

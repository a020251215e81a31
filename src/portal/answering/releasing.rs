//! Giving a slot back, and when it is free again.

use super::{AnswerError, Case, Context, Road};
use crate::{
    license::{LicenseClaims, Outcome, Unverified},
    portal::{
        domain::{CurrentDocument, Environment, SlotAfter, Subscription, YEAR, slot_after},
        store::{Change, Event, StoreError, View},
    },
};
use jiff::Timestamp;
use serde_json::json;

/// Releases an environment as its agent asks.
pub(super) fn release(
    change: &Change<'_>,
    case: &mut Case,
    actor: &str,
    context: &Context,
) -> Result<Outcome, AnswerError> {
    let Case { subscription, environment, .. } = case;
    let slot = slot_of(change, subscription, environment, context)?;
    end(change, environment, actor, context.now)?;
    match slot {
        SlotAfter::Free => {}
        SlotAfter::Counted => {
            change.add_offline_release(subscription.id, environment.id, context.now)?;
        }
        SlotAfter::HeldUntil(until) => environment.slot_held_until = Some(until),
    }
    Ok(told(environment, context.now))
}

/// That an environment was released, and when its slot is free.
pub(super) fn told(environment: &Environment, now: Timestamp) -> Outcome {
    let slot_free_at = environment.slot_held_until.filter(|until| now < *until);
    Outcome::Released { sequence: environment.sequence, slot_free_at }
}

/// Ends every license of an environment so far. Its slot is free. A release that waited for approval is not asked for any
/// more: approved later, it would end what the environment has become since.
pub(in crate::portal) fn end(
    change: &Change<'_>,
    environment: &mut Environment,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    for asked in change.waiting_releases(Some(environment.id))? {
        change.forget_release(asked.id)?;
        change.audit_event(&Event {
            at: now,
            actor,
            event: "release-overtaken",
            subscription_id: Some(asked.subscription_id),
            environment_id: Some(asked.environment_id),
            detail: json!({ "release": asked.id, "reason": asked.reason }),
        })?;
    }
    environment.sequence = environment.next_sequence();
    environment.current = None;
    environment.released_at = Some(now);
    environment.slot_held_until = None;
    Ok(())
}

/// What becomes of the slot when the environment leaves its machine by this request.
pub(super) fn slot_of(
    view: &View<'_>,
    subscription: &Subscription,
    environment: &Environment,
    context: &Context,
) -> Result<SlotAfter, AnswerError> {
    let by_courier = context.road == Road::Courier;
    Ok(slot_left(view, subscription, environment, by_courier, context.now)?)
}

/// The same; `by_courier` where nobody knows whether the machine is ever told.
pub(in crate::portal) fn slot_left(
    view: &View<'_>,
    subscription: &Subscription,
    environment: &Environment,
    by_courier: bool,
    now: Timestamp,
) -> Result<SlotAfter, StoreError> {
    let a_year_ago = now.checked_sub(YEAR).unwrap_or(Timestamp::MIN);
    let earlier = view.offline_releases(subscription.id, a_year_ago)?;
    Ok(slot_after(subscription, by_courier, &earlier, license_ends(environment), now))
}

/// When the license that was issued last ends.
fn license_ends(environment: &Environment) -> Option<Timestamp> {
    let Some(CurrentDocument::License(text)) = &environment.current else { return None };
    // The portal's own: it was verified when it was adopted, or signed here.
    let license = || Unverified::parse(text)?.peek::<LicenseClaims>();
    license().ok().map(|license| license.exp)
}

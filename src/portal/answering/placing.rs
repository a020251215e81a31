//! Where an activation gets its environment from.

use super::{AnswerError, Case, Context, Found, Request, adoption, recognition};
use crate::{
    license::{Retirement, Sequence},
    portal::{
        Portal,
        domain::{Asked, Chain, Environment, Place, Refusal, Revision, Subscription, place},
        store::{Change, View},
    },
};
use jiff::Timestamp;
use uuid::Uuid;

/// Finds the subscription by the proof, and the environment, which may be new, by machine and purpose.
pub(super) fn activate(
    change: &Change<'_>,
    request: &Request,
    context: &Context,
) -> Result<Found, AnswerError> {
    let (claims, now) = (&request.claims, context.now);
    let subscription = proven_subscription(change, request)?;
    if crate::portal::directory::check_name("name", &claims.environment.name).is_err() {
        return Err(Refusal::EnvironmentName.into());
    }
    let mut known = recognition::known(change, subscription.id, claims)?;
    let purpose = claims.environment.purpose;
    let used = change.slots_in_use(subscription.id, purpose, now)?;
    let asked = Asked {
        serial_number: claims.sub,
        key: request.key.thumbprint(),
        purpose,
        overridden: claims.machine.overridden,
    };
    let place = place(&subscription, &known, used, &asked, now)?;
    let mut take = |id: Uuid| {
        let at = known.iter().position(|k| k.environment.id == id);
        at.map(|at| known.swap_remove(at).environment).ok_or(Refusal::EnvironmentUnknown)
    };
    let filled =
        |id, earlier: Option<&Environment>| filled(id, earlier, &subscription, request, now);
    let (environment, event) = match place {
        Place::Held(id) => (take(id)?, None),
        Place::Reserved(id) => (bound(take(id)?, request), Some("environment-bound")),
        Place::Again(id) => {
            let earlier = take(id)?;
            if !earlier.is_bound_to(&asked.key) {
                super::retire(change, &earlier, Retirement::Rebind, now)?;
            }
            (filled(id, Some(&earlier)), Some("environment-activated"))
        }
        Place::New => (filled(Portal::new_id(now)?, None), Some("environment-activated")),
    };
    let mut case = Case::new(subscription, environment);
    (case.event, case.enrolls) = (event, event.is_some());
    if event.is_none() {
        adoption::adopt_held(change, &mut case, claims, Some(&request.key), context)?;
        case.environment = renamed(case.environment, request);
    }
    Ok(Found::Case(Box::new(case)))
}

/// The subscription whose Activation Code the asker has shown to hold.
pub(super) fn proven_subscription(
    view: &View<'_>,
    request: &Request,
) -> Result<Subscription, AnswerError> {
    let claims = &request.claims;
    let activation = claims.activation.as_ref().ok_or(Refusal::ActivationCodeUnknown)?;
    view.subscription_by_activation(activation.id)?
        .filter(|s| activation.proves(&s.activation_code, claims.jti, &request.key))
        .ok_or_else(|| Refusal::ActivationCodeUnknown.into())
}

/// A customer who activates again under another name means it; the license says the name, so it is made anew.
fn renamed(mut environment: Environment, request: &Request) -> Environment {
    if environment.name != request.claims.environment.name {
        environment.name.clone_from(&request.claims.environment.name);
        environment.made_from = Revision::NONE;
    }
    environment
}

/// A slot that was reserved for a Serial Number alone gets the key of the machine that has it.
fn bound(environment: Environment, request: &Request) -> Environment {
    let mut environment = renamed(environment, request);
    environment.key = Some(request.key);
    environment.chain = Chain::default();
    environment.made_from = Revision::NONE;
    environment
}

/// An environment in a slot that was free. One that was released before goes on counting, so that its new license is higher
/// than any that is still about.
fn filled(
    id: Uuid,
    earlier: Option<&Environment>,
    subscription: &Subscription,
    request: &Request,
    now: Timestamp,
) -> Environment {
    Environment {
        id,
        subscription_id: subscription.id,
        serial_number: request.claims.sub,
        name: request.claims.environment.name.clone(),
        purpose: request.claims.environment.purpose,
        key: Some(request.key),
        sequence: earlier.map_or(Sequence(0), |earlier| earlier.sequence),
        current: None,
        made_from: Revision::NONE,
        chain: earlier.map_or_else(Chain::default, |earlier| earlier.chain.begun_again()),
        activated_at: now,
        seen_at: now,
        released_at: None,
        slot_held_until: None,
    }
}

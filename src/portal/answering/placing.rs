//! Where an activation gets its environment from.

use super::{AnswerError, Case, Request};
use crate::{
    codes::SerialNumber,
    license::Sequence,
    portal::{
        Portal,
        domain::{Asked, Chain, Environment, Place, Refusal, Revision, Subscription, place},
        store::{Change, View},
    },
};
use jiff::Timestamp;
use uuid::Uuid;

/// Candidates that are looked at; hardware has a handful.
const MOST_CANDIDATES: usize = 16;

/// Finds the subscription by the proof, and the environment, which may be new, by Serial Number and purpose.
pub(super) fn activate(
    change: &Change<'_>,
    request: &Request,
    now: Timestamp,
) -> Result<Case, AnswerError> {
    let claims = &request.claims;
    let subscription = proven_subscription(change, request)?;
    if crate::portal::directory::check_name("name", &claims.environment.name).is_err() {
        return Err(Refusal::EnvironmentName.into());
    }
    let candidates = claims.candidates.iter().map(|c| c.serial_number);
    let serials: Vec<SerialNumber> =
        std::iter::once(claims.sub).chain(candidates.take(MOST_CANDIDATES)).collect();
    let mut known = change.environments_by_serial(subscription.id, &serials)?;
    let purpose = claims.environment.purpose;
    let used = change.slots_in_use(subscription.id, purpose)?;
    let asked = Asked {
        serial_number: claims.sub,
        key: request.key.thumbprint(),
        purpose,
        overridden: claims.machine.overridden,
    };
    let place = place(&subscription, &known, used, &asked, now)?;
    let mut take = |id: Uuid| known.iter().position(|e| e.id == id).map(|i| known.swap_remove(i));
    let (environment, event) = match place {
        Place::Held(id) => (take(id).map(|e| renamed(e, request)), None),
        Place::Again(id) => (
            take(id).map(|earlier| filled(earlier.id, Some(&earlier), &subscription, request, now)),
            Some("environment-activated"),
        ),
        Place::New => (
            Some(filled(Portal::new_id(now)?, None, &subscription, request, now)),
            Some("environment-activated"),
        ),
    };
    let environment = environment.ok_or(Refusal::EnvironmentUnknown)?;
    Ok(Case { subscription, environment, event })
}

fn proven_subscription(view: &View<'_>, request: &Request) -> Result<Subscription, AnswerError> {
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
        key: request.key,
        sequence: earlier.map_or(Sequence(0), |earlier| earlier.sequence),
        current: None,
        made_from: Revision::NONE,
        chain: Chain::default(),
        activated_at: now,
        seen_at: now,
        released_at: None,
    }
}

//! The decision on one request: a table that can be read against the words for it.

use super::{CurrentDocument, Environment, Refusal, Revision, Standing, Subscription};
use crate::{
    codes::SerialNumber,
    license::{Purpose, Thumbprint},
};
use jiff::Timestamp;
use uuid::Uuid;

/// What an activation asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The Serial Number that the machine has, or would mint.
    pub serial_number: SerialNumber,
    /// The key that signed the request.
    pub key: Thumbprint,
    /// Which slot.
    pub purpose: Purpose,
    /// Whether the Serial Number comes from the override.
    pub overridden: bool,
}

/// Where an activation finds its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The environment has it already.
    Held(Uuid),
    /// A free slot, for an environment that was released before.
    Again(Uuid),
    /// A free slot, for a new environment.
    New,
}

/// What the asker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// No license.
    Nothing,
    /// The environment's newest document.
    Current,
    /// Another document.
    Other,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A license with the next sequence.
    Issue,
    /// A revocation with the next sequence.
    Revoke,
    /// The newest document once more.
    SendCurrent,
    /// That what is held is the newest.
    NothingNew,
    /// That the slot was given back before.
    AlreadyReleased,
}

/// Finds the slot of an activation. `known` are the environments of the subscription that have the Serial Number asked for
/// or one of the candidates, `used` counts the slots of the purpose that are in use.
///
/// # Errors
/// Why there is none.
pub fn place(
    subscription: &Subscription,
    known: &[Environment],
    used: u32,
    asked: &Asked,
    now: Timestamp,
) -> Result<Place, Refusal> {
    // A machine that found a better source since is known by a candidate; under the same key it is the same machine.
    let same_key = |e: &&Environment| !e.is_released() && e.key.thumbprint() == asked.key;
    let same_serial = |e: &&Environment| e.serial_number == asked.serial_number;
    let held = known.iter().filter(same_serial).find(same_key);
    if let Some(held) = held.or_else(|| known.iter().find(same_key)) {
        return check_held(subscription, held, asked, now);
    }
    check_fillable(subscription, asked, now)?;
    let earlier = known.iter().find(same_serial);
    if let Some(other) = earlier.filter(|e| !e.is_released()) {
        let (environment, name) = (other.id, other.name.clone());
        return Err(Refusal::RebindRequired { environment, name });
    }
    let total = subscription.terms.slots_for(asked.purpose);
    if used >= total {
        return Err(Refusal::NoFreeSlot { purpose: asked.purpose, used, total });
    }
    Ok(earlier.map_or(Place::New, |earlier| Place::Again(earlier.id)))
}

fn check_held(
    subscription: &Subscription,
    held: &Environment,
    asked: &Asked,
    now: Timestamp,
) -> Result<Place, Refusal> {
    if held.purpose != asked.purpose {
        let (environment, found) = (held.id, held.purpose);
        return Err(Refusal::PurposeDiffers { environment, found, asked: asked.purpose });
    }
    // A revoked one is answered with the revocation.
    let revoked = matches!(subscription.standing, Standing::Revoked { .. });
    if !revoked && subscription.terms.ended(now) {
        return Err(Refusal::Ended { ended_at: subscription.terms.grace_ends_at() });
    }
    Ok(Place::Held(held.id))
}

/// Whether the subscription gives slots to new environments at all.
fn check_fillable(
    subscription: &Subscription,
    asked: &Asked,
    now: Timestamp,
) -> Result<(), Refusal> {
    let terms = &subscription.terms;
    match &subscription.standing {
        Standing::Revoked { reason, .. } => Err(Refusal::Revoked { reason: reason.clone() }),
        Standing::Suspended => Err(Refusal::Suspended),
        Standing::Active if terms.ended(now) => {
            Err(Refusal::Ended { ended_at: terms.grace_ends_at() })
        }
        Standing::Active if now < terms.starts_at => {
            Err(Refusal::NotStarted { starts_at: terms.starts_at })
        }
        Standing::Active if asked.overridden && !terms.allow_override => {
            Err(Refusal::OverrideNotAllowed)
        }
        Standing::Active => Ok(()),
    }
}

/// Decides what an environment that has, or had, a slot is answered.
///
/// # Errors
/// [`Refusal::Suspended`].
pub fn decide(
    subscription: &Subscription,
    environment: &Environment,
    holds: Holds,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let current = environment.current.as_ref();
    let again = match holds {
        Holds::Current => Decision::NothingNew,
        Holds::Nothing | Holds::Other => Decision::SendCurrent,
    };
    if environment.is_released() {
        return Ok(Decision::AlreadyReleased);
    }
    match (&subscription.standing, current) {
        (Standing::Revoked { .. }, Some(CurrentDocument::Revocation(_))) => Ok(again),
        (Standing::Revoked { .. }, _) => Ok(Decision::Revoke),
        (Standing::Suspended, _) => Err(Refusal::Suspended),
        // A license that is over helps nobody, and a library would call it expired.
        (Standing::Active, _) if subscription.terms.ended(now) => Ok(Decision::NothingNew),
        // Until it is known which branch is the machine, neither gets more than was issued.
        (Standing::Active, Some(CurrentDocument::License(_)))
            if environment.chain.is_forked() && holds == Holds::Nothing =>
        {
            Ok(Decision::SendCurrent)
        }
        (Standing::Active, _) if environment.chain.is_forked() => Ok(Decision::NothingNew),
        (Standing::Active, Some(CurrentDocument::License(_)))
            if made_from_newest(environment.made_from, subscription) =>
        {
            Ok(again)
        }
        (Standing::Active, _) => Ok(Decision::Issue),
    }
}

fn made_from_newest(made_from: Revision, subscription: &Subscription) -> bool {
    made_from >= subscription.revision
}

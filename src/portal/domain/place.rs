//! Where an activation finds its slot: a table of what the portal knows of the machine.

use super::{Environment, Refusal, Standing, Subscription};
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

/// An environment that may be the machine that asks.
#[derive(Debug, Clone)]
pub struct Known {
    /// The environment.
    pub environment: Environment,
    /// How it is like the machine.
    pub likeness: Likeness,
}

/// How an environment is like the machine that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// It has the Serial Number that the machine names.
    SerialNumber,
    /// It has a Serial Number that the machine could have minted, or the vote of the hardware says so.
    Machine,
    /// It has a Serial Number that the machine could have minted, and the vote calls it another machine: blades that share
    /// a chassis, a disk that went elsewhere.
    Unlike,
}

impl Likeness {
    /// How an environment whose Serial Number is `known` is like a machine that names `named`, and would mint
    /// `candidates`; `vote` is that of the hardware, where there is one.
    pub fn of(
        known: SerialNumber,
        named: SerialNumber,
        candidates: &[SerialNumber],
        vote: Option<bool>,
    ) -> Option<Self> {
        match (known == named, candidates.contains(&known), vote) {
            (true, _, _) => Some(Self::SerialNumber),
            (_, _, Some(true)) | (_, true, None) => Some(Self::Machine),
            (_, true, Some(false)) => Some(Self::Unlike),
            (_, false, _) => None,
        }
    }

    /// Whether it is the same hardware.
    pub const fn is_same(self) -> bool {
        matches!(self, Self::SerialNumber | Self::Machine)
    }
}

/// Where an activation finds its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The environment has it already.
    Held(Uuid),
    /// The environment has it, bound to its Serial Number alone, and is bound to the asker's key now.
    Reserved(Uuid),
    /// A free slot, for an environment that was released before.
    Again(Uuid),
    /// A free slot, for a new environment.
    New,
}

/// Finds the slot of an activation. `known` are the environments of the subscription that may be this machine, `used`
/// counts the slots of the purpose that are in use.
///
/// # Errors
/// Why there is none.
pub fn place(
    subscription: &Subscription,
    known: &[Known],
    used: u32,
    asked: &Asked,
    now: Timestamp,
) -> Result<Place, Refusal> {
    // A machine that found a better source since is known by a candidate; under the same key it is the same machine.
    let live = || known.iter().filter(|k| !k.environment.is_released());
    let same_serial = |k: &&Known| k.likeness == Likeness::SerialNumber;
    let same_key = |k: &&Known| k.environment.is_bound_to(&asked.key);
    let held = live().filter(same_serial).find(same_key).or_else(|| live().find(same_key));
    if let Some(held) = held {
        check_held(subscription, &held.environment, asked, now)?;
        return Ok(Place::Held(held.environment.id));
    }
    check_fillable(subscription, asked, now)?;
    let same_machine = |k: &&Known| k.likeness.is_same();
    let other = live().find(same_serial).or_else(|| live().find(same_machine));
    if let Some(Known { environment, .. }) = other {
        if environment.key.is_none() {
            check_held(subscription, environment, asked, now)?;
            return Ok(Place::Reserved(environment.id));
        }
        let (id, name) = (environment.id, environment.name.clone());
        let policy = subscription.terms.rebind;
        return Err(Refusal::RebindRequired { environment: id, name, policy });
    }
    let earlier = known.iter().find(same_serial).map(|k| &k.environment);
    check_free_or_own(subscription, earlier, asked.purpose, used, now)?;
    Ok(earlier.map_or(Place::New, |earlier| Place::Again(earlier.id)))
}

/// Whether there is a slot of that purpose for a machine that nothing has now: a free one, or the one that `earlier`, which
/// was released, has still.
///
/// # Errors
/// [`Refusal::NoFreeSlot`]; [`Refusal::SlotHeld`] where that is one of another purpose, which would be given up before its
/// license ends.
pub fn check_free_or_own(
    subscription: &Subscription,
    earlier: Option<&Environment>,
    purpose: Purpose,
    used: u32,
    now: Timestamp,
) -> Result<(), Refusal> {
    let other = earlier.filter(|earlier| earlier.purpose != purpose);
    if let Some((other, until)) = other.and_then(|other| Some((other, other.held_until(now)?))) {
        return Err(Refusal::SlotHeld { environment: other.id, found: other.purpose, until });
    }
    let own = earlier.is_some_and(|earlier| earlier.purpose == purpose && earlier.has_slot(now));
    check_free(subscription, purpose, used.saturating_sub(own.into()))
}

/// Whether a slot of that purpose is free.
///
/// # Errors
/// [`Refusal::NoFreeSlot`].
fn check_free(subscription: &Subscription, purpose: Purpose, used: u32) -> Result<(), Refusal> {
    let total = subscription.terms.slots_for(purpose);
    if used < total { Ok(()) } else { Err(Refusal::NoFreeSlot { purpose, used, total }) }
}

fn check_held(
    subscription: &Subscription,
    held: &Environment,
    asked: &Asked,
    now: Timestamp,
) -> Result<(), Refusal> {
    if held.purpose != asked.purpose {
        let (environment, found) = (held.id, held.purpose);
        return Err(Refusal::PurposeDiffers { environment, found, asked: asked.purpose });
    }
    // A revoked one is answered with the revocation.
    let revoked = matches!(subscription.standing, Standing::Revoked { .. });
    if !revoked && subscription.terms.ended(now) {
        return Err(Refusal::Ended { ended_at: subscription.terms.grace_ends_at() });
    }
    Ok(())
}

/// Whether the subscription gives slots to new environments at all.
fn check_fillable(
    subscription: &Subscription,
    asked: &Asked,
    now: Timestamp,
) -> Result<(), Refusal> {
    check_standing(subscription, now)?;
    if asked.overridden && !subscription.terms.allow_override {
        return Err(Refusal::OverrideNotAllowed);
    }
    Ok(())
}

/// Whether anything that a license is bound to may be put in a new place: the vendor stands by the subscription, and it is
/// in its term.
///
/// # Errors
/// Why not.
pub fn check_standing(subscription: &Subscription, now: Timestamp) -> Result<(), Refusal> {
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
        Standing::Active => Ok(()),
    }
}

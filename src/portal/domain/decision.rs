//! The decision on one request: a table that can be read against the words for it.

use super::{CurrentDocument, Environment, Refusal, Revision, Standing, Subscription};
use jiff::Timestamp;

/// What the asker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// No license, or one that a key signed which was revoked since.
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
        // The key that signed it was revoked: it is made anew, or both would lose what they have.
        (Standing::Active, None) if environment.chain.is_forked() && holds == Holds::Nothing => {
            Ok(Decision::Issue)
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

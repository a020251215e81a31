//! Who takes the place of an environment's key: rebind (the same hardware) and move (other hardware), as tables.

use super::{Environment, RebindPolicy, Refusal, Subscription, place::check_standing};
use crate::license::{PublicKey, Thumbprint};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Wrong proofs after which a one-time code is void.
pub const CODE_ATTEMPTS: u64 = 5;

/// The one-time code of an environment, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCode {
    /// The public half of the key that the code is the seed of.
    pub verifier: PublicKey,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Wrong proofs that are forgiven still.
    pub attempts_left: u64,
}

impl StoredCode {
    /// Whether it may be used.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.attempts_left > 0
    }
}

/// A rebind that waits for approval, or that was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRebind {
    /// The environment.
    pub environment_id: Uuid,
    /// The key that is to be bound.
    pub key: Thumbprint,
    /// When it was last asked for.
    pub asked_at: Timestamp,
    /// What kind of machine asks.
    pub machine: String,
    /// When somebody approved it.
    pub approved_at: Option<Timestamp>,
}

impl PendingRebind {
    /// Whether it may be done: an approval that nobody used is not left lying about.
    pub fn is_approved(&self, now: Timestamp) -> bool {
        self.approved_at.is_some_and(|at| now.duration_since(at) < APPROVED)
    }
}

/// For how long an approval is good.
const APPROVED: SignedDuration = SignedDuration::from_hours(14 * 24);

/// By what a rebind is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warrant {
    /// The bound key consents.
    Consent {
        /// Whether the request speaks for the environment ([`Chain::speaks`](super::Chain::speaks)) and follows what came
        /// before it.
        speaks: bool,
    },
    /// The Activation Code, and what came with it.
    ActivationCode(Shown),
}

/// What came with the Activation Code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing, and nobody has approved this key.
    Nothing,
    /// Somebody at the portal has approved this key.
    Approval,
    /// The right one-time code.
    RightCode,
    /// A one-time code that is wrong, or none is good; so many attempts are left.
    WrongCode {
        /// Attempts left.
        left: u64,
    },
}

/// A key that asks for an environment's place.
#[derive(Debug, Clone, Copy)]
pub struct Heir<'a> {
    /// The key.
    pub key: &'a PublicKey,
    /// Whether this environment was bound to it before.
    pub retired: bool,
    /// Whether its Serial Number comes from the override.
    pub overridden: bool,
}

/// Whether a rebind is done.
///
/// # Errors
/// Why not. [`Refusal::RebindPending`] is to be remembered for approval, [`Refusal::RebindCodeWrong`] to be counted.
pub fn rebind(
    subscription: &Subscription,
    environment: &Environment,
    heir: &Heir<'_>,
    same_hardware: bool,
    warrant: Warrant,
    now: Timestamp,
) -> Result<(), Refusal> {
    check_heir(subscription, environment, heir, now)?;
    let id = environment.id;
    if !same_hardware {
        let serial_number = environment.serial_number;
        return Err(Refusal::HardwareDiffers { environment: id, serial_number });
    }
    let forked = environment.chain.is_forked_at(now);
    match (warrant, subscription.terms.rebind) {
        (Warrant::Consent { speaks: true }, _) => Ok(()),
        (Warrant::Consent { speaks: false }, _) => Err(Refusal::Forked { environment: id }),
        (Warrant::ActivationCode(shown), policy) => match (shown, policy) {
            // Whoever gave the code or the approval has named the machine, even among two.
            (Shown::RightCode, _) | (Shown::Approval, RebindPolicy::Approval) => Ok(()),
            (Shown::WrongCode { left }, _) => {
                Err(Refusal::RebindCodeWrong { environment: id, left })
            }
            (_, RebindPolicy::Free) if forked => Err(Refusal::Forked { environment: id }),
            (_, RebindPolicy::Free) => Ok(()),
            (_, RebindPolicy::Code) => Err(Refusal::RebindCodeRequired { environment: id }),
            (Shown::Nothing, RebindPolicy::Approval) => {
                Err(Refusal::RebindPending { environment: id })
            }
        },
    }
}

/// What is known of the place that an environment is moved to, and of the one that it is moved from.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// Whether the request goes on from the branch that the customer named among several.
    pub named: bool,
    /// The environment that has the Serial Number of the new hardware.
    pub taken: Option<Uuid>,
    /// What an off-line release would do to the slot.
    pub slot: SlotAfter,
}

/// Whether a move, to which the bound key consents, is done.
///
/// A move follows no request: a machine that was lost is moved from its backup, however old. Nobody copies by it, because
/// the old key is retired for everyone who has it.
///
/// # Errors
/// Why not.
pub fn moving(
    subscription: &Subscription,
    environment: &Environment,
    heir: &Heir<'_>,
    ground: Ground,
    now: Timestamp,
) -> Result<(), Refusal> {
    check_heir(subscription, environment, heir, now)?;
    if environment.chain.is_forked_at(now) && !ground.named {
        return Err(Refusal::Forked { environment: environment.id });
    }
    if heir.overridden && !subscription.terms.allow_override {
        return Err(Refusal::OverrideNotAllowed);
    }
    if let Some(environment) = ground.taken.filter(|taken| *taken != environment.id) {
        return Err(Refusal::SerialNumberTaken { environment });
    }
    match ground.slot {
        // The license at the old place may run until then: until then there is no second one.
        SlotAfter::HeldUntil(until) => {
            let allowed = subscription.terms.offline_releases_a_year;
            Err(Refusal::OfflineMovesUsed { allowed, until })
        }
        SlotAfter::Free | SlotAfter::Counted => Ok(()),
    }
}

fn check_heir(
    subscription: &Subscription,
    environment: &Environment,
    heir: &Heir<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let id = environment.id;
    if let Some(at) = environment.released_at {
        return Err(Refusal::Released { environment: id, at });
    }
    // Bound to its Serial Number alone: activating binds it to a key.
    let Some(bound) = environment.key else { return Err(Refusal::EnvironmentUnknown) };
    // A key that was retired is in other hands, or nobody would have retired it.
    if bound == *heir.key || heir.retired {
        return Err(Refusal::KeyNotNew { environment: id });
    }
    check_standing(subscription, now)
}

/// What becomes of the slot of an environment that leaves its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotAfter {
    /// It is free at once: the machine was told so on-line, or it has no license that could run.
    Free,
    /// It is free at once, and counts as one of the year's off-line releases.
    Counted,
    /// It is free when the license ends.
    HeldUntil(Timestamp),
}

/// What becomes of the slot. `earlier` are the off-line releases that were free at once, in any time; `license_ends` is
/// when the license that may still run ends.
pub fn slot_after(
    subscription: &Subscription,
    by_courier: bool,
    earlier: &[Timestamp],
    license_ends: Option<Timestamp>,
    now: Timestamp,
) -> SlotAfter {
    let Some(ends) = license_ends.filter(|ends| by_courier && now < *ends) else {
        return SlotAfter::Free;
    };
    let this_year = earlier.iter().filter(|at| now.duration_since(**at) < YEAR).count();
    let allowed = subscription.terms.offline_releases_a_year;
    if u32::try_from(this_year).is_ok_and(|used| used < allowed) {
        SlotAfter::Counted
    } else {
        SlotAfter::HeldUntil(ends)
    }
}

/// For how long an off-line release counts.
pub const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

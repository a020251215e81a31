//! A group of servers licensed as one, as the portal knows it.

use super::{Chain, Revision};
use crate::{
    codes::SerialNumber,
    license::{PublicKey, Purpose, Sequence, Thumbprint},
};
use jiff::Timestamp;
use uuid::Uuid;

/// Documents that a backup may lack; an agent that claims to know of more is not believed.
const MOST_FORGOTTEN: u64 = 1_000_000;

/// An environment. Released ones are kept: the same hardware that comes back is the same environment, and its
/// documents go on counting.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its id, which stands in its licenses.
    pub id: Uuid,
    /// The subscription whose slot it fills.
    pub subscription_id: Uuid,
    /// Its Serial Number; one subscription knows it once.
    pub serial_number: SerialNumber,
    /// Its name, chosen by the customer.
    pub name: String,
    /// What it is for, and whose slot it fills.
    pub purpose: Purpose,
    /// The key that signs its requests and that its licenses are bound to; none: they are bound to the Serial Number
    /// alone.
    pub key: Option<PublicKey>,
    /// The sequence of the newest document made for it.
    pub sequence: Sequence,
    /// That document; none after a release.
    pub current: Option<CurrentDocument>,
    /// The revision of the subscription that it was made from.
    pub made_from: Revision,
    /// Its requests.
    pub chain: Chain,
    /// When it last got its slot.
    pub activated_at: Timestamp,
    /// When the portal last answered it.
    pub seen_at: Timestamp,
    /// When it gave its slot back.
    pub released_at: Option<Timestamp>,
    /// Until when it keeps its slot after an off-line release, because its license may still run somewhere.
    pub slot_held_until: Option<Timestamp>,
}

impl Environment {
    /// The sequence of its next document.
    #[must_use]
    pub const fn next_sequence(&self) -> Sequence {
        Sequence(self.sequence.0.saturating_add(1))
    }

    /// Counts on from the highest sequence that its agent knows, where the portal has forgotten some: restored from a backup, it
    /// would go on below a release or a revocation of its own, and its agent would take nothing of it ever again. False where
    /// there is nothing to catch up with.
    pub fn count_on_from(&mut self, known: Sequence) -> bool {
        let forgotten = known.0.saturating_sub(self.sequence.0);
        let is_behind = (1..=MOST_FORGOTTEN).contains(&forgotten);
        if is_behind {
            (self.sequence, self.current) = (known, None);
        }
        is_behind
    }

    /// Takes the document that was made for it, from that revision of the subscription.
    pub fn take_up(&mut self, made_from: Revision, document: CurrentDocument) {
        self.sequence = self.next_sequence();
        self.made_from = made_from;
        self.current = Some(document);
    }

    /// Whether it gave its slot back.
    pub const fn is_released(&self) -> bool {
        self.released_at.is_some()
    }

    /// Whether its slot is in use.
    pub fn has_slot(&self, now: Timestamp) -> bool {
        !self.is_released() || self.slot_held_until.is_some_and(|until| now < until)
    }

    /// Whether its slot is kept for a Serial Number that was typed in, and nothing was issued for it since: it was released
    /// the moment that it began.
    pub fn is_reserved(&self, now: Timestamp) -> bool {
        self.key.is_none()
            && self.made_from == Revision::NONE
            && self.released_at == Some(self.activated_at)
            && self.has_slot(now)
    }

    /// Until when its slot is held because a license that was issued for it may still run somewhere.
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        let held = self.is_released() && self.has_slot(now) && !self.is_reserved(now);
        self.slot_held_until.filter(|_| held)
    }

    /// Whether that is the key that it is bound to.
    pub fn is_bound_to(&self, key: &Thumbprint) -> bool {
        self.key.is_some_and(|bound| bound.thumbprint() == *key)
    }
}

/// How an environment stands: one word of it for everybody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentStanding {
    /// A slot is kept for its Serial Number, and nothing was issued.
    Reserved,
    /// It was released, and its slot is held because its license may still run.
    Held,
    /// It was released.
    Released,
    /// Two machines ask as it.
    Forked,
    /// It is bound to its Serial Number alone.
    SerialOnly,
    /// It is bound to a key.
    Activated,
}

impl EnvironmentStanding {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Held | Self::Released => "released",
            Self::Forked => "forked",
            Self::SerialOnly | Self::Activated => "activated",
        }
    }
}

impl Environment {
    /// How it stands.
    pub fn standing(&self, now: Timestamp) -> EnvironmentStanding {
        if self.is_reserved(now) {
            EnvironmentStanding::Reserved
        } else if self.held_until(now).is_some() {
            EnvironmentStanding::Held
        } else if self.is_released() {
            EnvironmentStanding::Released
        } else if self.chain.is_forked_at(now) {
            EnvironmentStanding::Forked
        } else if self.key.is_none() {
            EnvironmentStanding::SerialOnly
        } else {
            EnvironmentStanding::Activated
        }
    }
}

/// The newest document of an environment, as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CurrentDocument {
    /// A license.
    License(String),
    /// A revocation.
    Revocation(String),
}

impl CurrentDocument {
    /// The document.
    pub fn text(&self) -> &str {
        match self {
            Self::License(text) | Self::Revocation(text) => text,
        }
    }
}

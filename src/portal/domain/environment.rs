//! A group of servers licensed as one, as the portal knows it.

use super::{Chain, Revision};
use crate::{
    codes::SerialNumber,
    license::{PublicKey, Purpose, Sequence},
};
use jiff::Timestamp;
use uuid::Uuid;

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
    /// The key that signs its requests and that its licenses are bound to.
    pub key: PublicKey,
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
}

impl Environment {
    /// The sequence of its next document.
    #[must_use]
    pub const fn next_sequence(&self) -> Sequence {
        Sequence(self.sequence.0.saturating_add(1))
    }

    /// Whether it has no slot.
    pub const fn is_released(&self) -> bool {
        self.released_at.is_some()
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

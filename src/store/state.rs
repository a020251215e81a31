//! Everything that the agent must know again after a restart.

use super::{Arrival, Departure, Offer, PendingLicense, Reserve, Retired, Signpost};
use crate::{
    codes::SerialNumber,
    entitlement::{Condition, HardwareStanding, Lease, LicenseSource, State, TimeMark},
    identity::Enrolled,
    license::{Environment, Fork, PublicKey, RequestId, RequestKind, Sequence, Thumbprint},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The agent's state. Each member is stored under its name; a member that an older agent did not store is its default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentState {
    /// Grows with every commit.
    pub revision: u64,
    /// The Serial Number and the hardware that it was made from.
    pub enrolled: Option<Enrolled>,
    /// What the last survey said, so that a restart changes nothing before the next one.
    pub hardware: Option<HardwareStanding>,
    /// Serial Numbers of other hardware that was enrolled here before, with nothing licensed: what was asked for there may be
    /// answered yet, and is not for this hardware.
    pub left: BTreeSet<SerialNumber>,
    /// The license that is held.
    pub license: Option<HeldLicense>,
    /// The revocation document, where the license was revoked.
    pub revocation: Option<String>,
    /// Whether the license was given back.
    pub released: bool,
    /// The highest sequence of any document of the environment accepted here.
    pub floor: Option<Sequence>,
    /// The environment that was activated here.
    pub environment: Option<Environment>,
    /// Environments that ended here, each with the sequence up to which its documents are over.
    pub ended: BTreeMap<Uuid, Sequence>,
    /// That the last of them went on under another key.
    pub retired: Option<Retired>,
    /// That this machine was offered to an environment.
    pub offer: Option<Offer>,
    /// That a bundle was made here, by which the environment may go on at another machine.
    pub departure: Option<Departure>,
    /// What members are shown since it did.
    pub signpost: Option<Signpost>,
    /// That another machine's bundle was taken here, as long as the portal has not bound its environment to this one.
    pub arrival: Option<Arrival>,
    /// That the key here was carried in a bundle, which others may have read: one that is made here takes its place.
    pub carried_key: bool,
    /// As which member the controller before this one looks whether its environment has arrived here.
    pub predecessor: Option<Uuid>,
    /// Whether a rebind by the Activation Code waits for the vendor's approval, and is to be asked for again.
    pub rebind_waits: bool,
    /// That the portal has issued a license that is not installed here.
    pub pending_license: Option<PendingLicense>,
    /// The trust document.
    pub trust: Option<String>,
    /// The root key that signed it: it goes on verifying what is held where the vendor's key files are missing.
    pub root: Option<PublicKey>,
    /// The place in the chain of requests.
    pub chain: Chain,
    /// That the portal saw the chain of requests fork, as long as it says so.
    pub fork: Option<Fork>,
    /// What is known of time.
    pub time: TimeMark,
    /// When the portal last answered, by the highest time that it signed: what a check-in counts from.
    pub last_contact: Option<Timestamp>,
    /// The last status, so that its generation and its times go on.
    pub status: StatusMark,
    /// On a member: the environment that it has joined, and what it has heard from there.
    pub membership: Option<Membership>,
}

/// A member's place in its environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Its id, given by the controller.
    pub id: Uuid,
    /// Addresses of the controller, as `entitlectl join` was told them.
    pub controllers: Vec<String>,
    /// The thumbprint of the environment's certificate authority, which the join token pinned.
    pub ca: Thumbprint,
    /// The environment key, as the controller showed it when this member joined.
    pub environment_key: PublicKey,
    /// When the certificate was received, by effective time.
    pub certified_at: Timestamp,
    /// How long it is good for from then on, seconds.
    pub certificate_life: u64,
    /// The last statement that was accepted.
    #[serde(default)]
    pub statement: Option<String>,
    /// How long that may be gone on with.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Where the controller was found, or said to be, that no setting and no `entitlectl join` has named.
    #[serde(default)]
    pub moved_to: Vec<String>,
    /// Where it may be found next, as it stated.
    #[serde(default)]
    pub successors: Vec<String>,
    /// What was held before this server joined again, as long as nothing was stated since.
    #[serde(default)]
    pub former: Option<FormerMembership>,
}

/// By what a server that has joined again is entitled meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerMembership {
    /// The last statement that was accepted then.
    pub statement: String,
    /// The thumbprint of the certificate authority then.
    pub ca: Thumbprint,
    /// The environment key then.
    pub environment_key: PublicKey,
}

impl AgentState {
    /// The highest sequence of any document that was ever accepted here, of an environment that ended too.
    pub fn highest_sequence(&self) -> Option<Sequence> {
        self.floor.max(self.ended.values().max().copied())
    }
}

/// The license that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLicense {
    /// The document.
    pub text: String,
    /// By which road it came.
    pub source: LicenseSource,
    /// When, by effective time.
    pub installed_at: Timestamp,
}

/// The place in the chain of requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Chain {
    /// The last request whose answer was stored.
    pub previous: Option<RequestId>,
    /// Requests stored since, oldest first: one of them may have been answered without the answer coming through.
    pub unsettled: Vec<RequestId>,
    /// The newest of them, as long as it is to be sent.
    pub pending: Option<PendingRequest>,
    /// Ids for requests that can't be stored.
    pub reserve: Reserve,
}

impl Chain {
    /// Requests named at the most; a portal that answered an older one has answered a newer one as well.
    const MOST_UNSETTLED: usize = 64;

    /// Takes a new request in the place of the one that was to be sent.
    pub fn push(&mut self, request: PendingRequest) {
        // One that was refused may be made again under its id.
        self.unsettled.retain(|id| *id != request.id);
        let excess = (self.unsettled.len() + 1).saturating_sub(Self::MOST_UNSETTLED);
        self.unsettled.drain(..excess);
        self.unsettled.push(request.id);
        self.reserve.used(request.id);
        self.pending = Some(request);
    }

    /// The answer to one of the requests is being stored. Those after it stay open: a courier may be under way with one,
    /// and the portal that has answered it would take a request that does not name it for a copy's.
    pub fn settle(&mut self, answered: RequestId) {
        self.previous = Some(answered);
        let settled = self.unsettled.iter().position(|id| *id == answered).map_or(0, |at| at + 1);
        self.unsettled.drain(..settled);
        self.pending.take_if(|_| self.unsettled.is_empty());
        self.reserve.settled(answered);
    }

    /// A request that was consented to and must not be answered any more: the next one names it, and the portal takes it for
    /// overtaken from then on.
    pub fn void(&mut self, request: RequestId) {
        self.unsettled.retain(|id| *id != request);
        let excess = (self.unsettled.len() + 1).saturating_sub(Self::MOST_UNSETTLED);
        self.unsettled.drain(..excess);
        self.unsettled.push(request);
    }

    /// Whether an answer to that request may still come: also to one that an earlier process could not store.
    pub fn awaits(&self, request: RequestId) -> bool {
        self.unsettled.contains(&request) || self.reserve.doubted().contains(&request)
    }

    /// The answer to one of the requests was no answer of the environment's: it is no part of the line.
    pub fn withdraw(&mut self, answered: RequestId) {
        self.unsettled.retain(|id| *id != answered);
        self.pending.take_if(|pending| pending.id == answered);
    }

    /// The request that is to be sent from here.
    pub fn to_send(&self) -> Option<&PendingRequest> {
        self.pending.as_ref().filter(|pending| !pending.by_hand)
    }

    /// The request that was to be sent is not sent again.
    pub fn give_up(&mut self) {
        self.pending = None;
    }
}

/// A request that was stored before it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// Its id.
    pub id: RequestId,
    /// What it asks for.
    pub kind: RequestKind,
    /// The signed document; the very same bytes are sent again.
    pub text: String,
    /// Made at, by effective time.
    pub made_at: Timestamp,
    /// Whether it is carried by hand: then it is not sent from here.
    #[serde(default)]
    pub by_hand: bool,
}

/// The last status, as far as the next one depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusMark {
    /// Its generation.
    pub generation: u64,
    /// Its state.
    pub state: Option<State>,
    /// Since when the state is this one.
    pub since: Option<Timestamp>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// A digest of what a change of makes a new generation.
    pub digest: String,
}

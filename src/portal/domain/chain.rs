//! The chain of an environment's requests. Each names the last request whose answer was stored and those sent since, so
//! that a restored snapshot or a copy shows: it names one that the chain has left behind.
//!
//! ```text
//!   one branch ── a request that names one left behind ──► two branches ── the customer names one ──► survivor named
//!       ▲                                                      │                                          │
//!       └──────────── the other is silent for 14 days ◄────────┘          the survivor has a new key ◄────┘
//! ```

use crate::license::{Fork, ForkState, RequestId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A branch silent for so long is closed: its machine was restored, not copied.
const SILENCE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Branches that are remembered; a script that restores a snapshot every hour makes no row grow for ever.
const MOST_BRANCHES: usize = 8;
/// Overtaken requests that are remembered; an asker names as many at the most.
const MOST_OVERTAKEN: usize = 64;
/// The same of doubted ones: what a few starts name.
const MOST_DOUBTED: usize = 128;

/// Where the requests of an environment stand: one branch, or several after a fork.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    branches: Vec<Branch>,
    /// Requests that a later one named as sent and not answered: one of them that comes late was carried by a slow courier,
    /// and is no copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    overtaken: Vec<RequestId>,
    /// Requests that an asker may have sent before it was started again without knowing: no copies either, if they come late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubted: Vec<RequestId>,
}

/// One line of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Its last request that was answered.
    pub head: RequestId,
    /// When the branch began.
    pub since: Timestamp,
    /// When its head was answered.
    pub answered_at: Timestamp,
    /// Whether the customer named it: it is the environment, and gets a new key.
    #[serde(default)]
    pub survivor: bool,
}

/// What a request says about the ones before it.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The request.
    pub id: RequestId,
    /// The last request whose answer the asker stored.
    pub previous: Option<RequestId>,
    /// Whether the portal has that one in its store.
    pub previous_known: bool,
    /// Those sent since.
    pub unsettled: &'a [RequestId],
    /// Those that may have been sent as well: the asker could store nothing, and was started again.
    pub reserved: &'a [RequestId],
    /// Whether the asker has shown the Activation Code, as one does that lost its store.
    pub activates: bool,
}

/// How a request joins the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is the first.
    Begins,
    /// It follows a head.
    Continues,
    /// It follows nothing, honestly: the asker lost its store and activated again, or the portal lost the request that it
    /// names (restored from a backup).
    Restarts,
    /// It names a request that the chain has left behind: a restored snapshot or a copy.
    Forks,
    /// A later one of the same asker was answered before it came; it changes nothing.
    Overtaken,
}

impl Chain {
    /// Takes a request that is being answered.
    pub fn receive(&mut self, link: &Link<'_>, now: Timestamp) -> Step {
        if self.has_overtaken(link.id) {
            return Step::Overtaken;
        }
        let follows = |head: RequestId| {
            link.previous == Some(head)
                || link.unsettled.contains(&head)
                || link.reserved.contains(&head)
        };
        let next = Branch { head: link.id, since: now, answered_at: now, survivor: false };
        let step = if self.branches.is_empty() {
            self.branches.push(next);
            Step::Begins
        } else if let Some(branch) = self.branches.iter_mut().find(|b| follows(b.head)) {
            *branch = Branch { since: branch.since, survivor: branch.survivor, ..next };
            Step::Continues
        } else if !self.is_forked() && Self::lost(link) {
            let survivor = self.survivor().is_some();
            self.branches = vec![Branch { survivor, ..next }];
            Step::Restarts
        } else if self.doubted.contains(&link.id) {
            // An asker that goes on with one of them names the head: this one is of the process before it.
            return Step::Overtaken;
        } else {
            self.branches.push(next);
            Step::Forks
        };
        if step != Step::Forks {
            self.overtake(link);
        }
        self.close_silent(link.id, now);
        step
    }

    /// The chain of an environment that was released and is activated again. What the old one left behind stays so: a request of
    /// then that comes late was slow, and is no copy.
    #[must_use]
    pub fn begun_again(&self) -> Self {
        Self { branches: Vec::new(), ..self.clone() }
    }

    /// Closes the branch that has just sent the request `spoke`, if another one was named as the survivor. False where it is
    /// not so: then whoever asks speaks for all.
    pub fn close_superseded(&mut self, spoke: RequestId) -> bool {
        let superseded = self.survivor().is_some_and(|survivor| survivor.head != spoke);
        if superseded {
            self.branches.retain(|branch| branch.head != spoke);
        }
        superseded
    }

    /// Whether a later request named that one as sent and not answered.
    pub fn has_overtaken(&self, request: RequestId) -> bool {
        self.overtaken.contains(&request)
    }

    fn overtake(&mut self, link: &Link<'_>) {
        let named = link.unsettled.iter().filter(|id| **id != link.id);
        remember(&mut self.overtaken, named, MOST_OVERTAKEN);
        remember(&mut self.doubted, link.reserved.iter(), MOST_DOUBTED);
    }

    /// Whether more than one branch lives: nothing later is issued until one of them is closed.
    pub const fn is_forked(&self) -> bool {
        self.branches.len() > 1
    }

    /// The same, where nobody has asked since some of them fell silent.
    pub fn is_forked_at(&self, now: Timestamp) -> bool {
        self.branches.iter().filter(|branch| branch.is_heard(now)).count() > 1
    }

    /// Its branches, oldest first.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The branch that the customer named.
    pub fn survivor(&self) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.survivor)
    }

    /// Names the branch with that head as the one that survives, in the place of one that was named before. False where
    /// there is no such branch.
    pub fn name_survivor(&mut self, head: RequestId) -> bool {
        let found = self.branches.iter().any(|branch| branch.head == head);
        if found {
            self.branches.iter_mut().for_each(|branch| branch.survivor = branch.head == head);
        }
        found
    }

    /// What is to be told to whoever has just sent the request `spoke`; nothing where all is well.
    pub fn fork(&self, spoke: RequestId) -> Option<Fork> {
        let state = match (self.survivor(), self.is_forked()) {
            // Even where the others have fallen silent since: they still have the key.
            (Some(survivor), _) if survivor.head == spoke => ForkState::Survivor,
            (Some(_), _) => ForkState::Superseded,
            (None, true) => ForkState::Open,
            (None, false) => return None,
        };
        Some(Fork { since: self.forked_since()?, state })
    }

    /// Whether a request that was just received speaks for the environment: there is one branch, or it is the one that
    /// the customer named.
    pub fn speaks(&self, request: RequestId) -> bool {
        !self.is_forked() || self.survivor().is_some_and(|survivor| survivor.head == request)
    }

    /// Since when there are two; of a fork that is over, since when its last branch lives.
    pub fn forked_since(&self) -> Option<Timestamp> {
        let second = self.branches.iter().skip(1).map(|branch| branch.since).min();
        second.or_else(|| self.branches.first().map(|branch| branch.since))
    }

    /// A copy could claim the same. It gains nothing: its original then names a request that was left behind.
    const fn lost(link: &Link<'_>) -> bool {
        match link.previous {
            None => link.activates,
            Some(_) => !link.previous_known,
        }
    }

    fn close_silent(&mut self, spoke: RequestId, now: Timestamp) {
        self.branches.retain(|branch| branch.head == spoke || branch.is_heard(now));
        // The first branch is the original; the newest is the one that speaks; one that was named stays whatever comes.
        while self.branches.len() > MOST_BRANCHES {
            let middle = 1..self.branches.len() - 1;
            let Some(oldest) = middle.into_iter().find(|n| !self.branches[*n].survivor) else {
                break;
            };
            self.branches.remove(oldest);
        }
    }
}

/// Adds what is new, and forgets the oldest beyond `most`.
fn remember<'a>(
    known: &mut Vec<RequestId>,
    named: impl Iterator<Item = &'a RequestId>,
    most: usize,
) {
    let new: Vec<_> = named.filter(|id| !known.contains(id)).copied().collect();
    known.extend(new);
    let excess = known.len().saturating_sub(most);
    known.drain(..excess);
}

impl Branch {
    /// Whether it counts still, though it does not speak now.
    fn is_heard(&self, now: Timestamp) -> bool {
        now.duration_since(self.answered_at) < SILENCE
    }
}

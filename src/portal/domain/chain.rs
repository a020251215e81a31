//! The chain of an environment's requests. Each names the last request whose answer was stored and those sent since, so
//! that a restored snapshot or a copy shows: it names one that the chain has left behind.

use crate::license::RequestId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A branch silent for so long is closed: its machine was restored, not copied.
const SILENCE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Branches that are remembered; a script that restores a snapshot every hour makes no row grow for ever.
const MOST_BRANCHES: usize = 8;

/// Where the requests of an environment stand: one branch, or several after a fork.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    branches: Vec<Branch>,
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
}

impl Step {
    /// The word in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Continues => "continues",
            Self::Restarts => "restarts",
            Self::Forks => "forks",
        }
    }
}

impl Chain {
    /// Takes a request that is being answered.
    pub fn receive(&mut self, link: &Link<'_>, now: Timestamp) -> Step {
        let follows =
            |head: RequestId| link.previous == Some(head) || link.unsettled.contains(&head);
        let next = Branch { head: link.id, since: now, answered_at: now };
        let step = if self.branches.is_empty() {
            self.branches.push(next);
            Step::Begins
        } else if let Some(branch) = self.branches.iter_mut().find(|b| follows(b.head)) {
            *branch = Branch { since: branch.since, ..next };
            Step::Continues
        } else if !self.is_forked() && Self::lost(link) {
            self.branches = vec![next];
            Step::Restarts
        } else {
            self.branches.push(next);
            Step::Forks
        };
        self.close_silent(link.id, now);
        step
    }

    /// Whether more than one branch lives: nothing later is issued until one of them is closed.
    pub const fn is_forked(&self) -> bool {
        self.branches.len() > 1
    }

    /// Its branches, oldest first.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// A copy could claim the same. It gains nothing: its original then names a request that was left behind.
    const fn lost(link: &Link<'_>) -> bool {
        match link.previous {
            None => link.activates,
            Some(_) => !link.previous_known,
        }
    }

    fn close_silent(&mut self, spoke: RequestId, now: Timestamp) {
        self.branches.retain(|b| b.head == spoke || now.duration_since(b.answered_at) < SILENCE);
        let surplus = self.branches.len().saturating_sub(MOST_BRANCHES);
        // The first branch is the original; the newest is the one that speaks.
        self.branches.drain(1..=surplus);
    }
}

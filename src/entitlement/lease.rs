//! How long a member goes on with what it has heard from its controller.

use super::{ConditionType, Evaluation, Finding, Reason, State};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A member's lease. Both times are the member's own effective time: the controller's clock has no say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// When the controller was last heard of.
    pub received_at: Timestamp,
    /// The first second after it.
    pub ends_at: Timestamp,
}

impl Lease {
    /// From `now`, the receipt of a word from the controller, for so many days, at most to the license's end `exp`.
    pub fn from_receipt(now: Timestamp, days: u32, exp: Timestamp) -> Self {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let end = now.checked_add(DAY.saturating_mul(days)).unwrap_or(Timestamp::MAX);
        Self { received_at: now, ends_at: end.min(exp).max(now) }
    }

    /// The same where the clock that it was received by has turned out to run ahead: it is not longer for that.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        if now >= self.received_at {
            return self;
        }
        let length = self.ends_at.duration_since(self.received_at);
        let ends_at = now.checked_add(length).unwrap_or(Timestamp::MAX).min(self.ends_at);
        Self { received_at: now, ends_at }
    }

    /// From when on it is worth a warning.
    pub fn half(self) -> Timestamp {
        let half = self.ends_at.duration_since(self.received_at) / 2;
        self.received_at.checked_add(half).unwrap_or(self.ends_at)
    }
}

/// What the verdict on the license is worth to a member with that lease: the same while the lease lasts, with a warning
/// from its half on; `restricted` after it. What the license itself says against new work counts first.
pub fn within_lease(evaluation: Evaluation, lease: Lease, now: Timestamp) -> Evaluation {
    let mut evaluation = evaluation;
    let Lease { received_at, ends_at } = lease;
    let mend =
        "see that the controller runs and can be reached from here; `entitlectl doctor` tries it";
    if now >= lease.half() {
        let message = if now < ends_at {
            format!(
                "nothing was heard from the controller since {received_at}, the lease lasts until {ends_at}: {mend}"
            )
        } else {
            format!(
                "nothing was heard from the controller since {received_at}, the lease ended at {ends_at}: {mend}"
            )
        };
        if now >= ends_at && evaluation.state.entitled() {
            evaluation.state = State::Restricted;
            evaluation.reason = Reason::LeaseEnded;
            evaluation.message.clone_from(&message);
        }
        let kind = ConditionType::LeaseAging;
        evaluation.findings.push(Finding::new(kind, "ControllerSilent", message));
    }
    let coming = [evaluation.next_change, Some(lease.half()), Some(ends_at)];
    evaluation.next_change = coming.into_iter().flatten().filter(|at| *at > now).min();
    evaluation
}

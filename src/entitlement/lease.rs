//! How long a member goes on with what it has heard from its controller.

use super::{ConditionType, Evaluation, Finding, Reason, State};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A member's lease. Its times are the member's own effective time: the controller's clock has no say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// When the controller was last heard of.
    pub received_at: Timestamp,
    /// For how long that is good, days.
    pub days: u32,
    /// The end of the license, which no lease outlasts.
    pub exp: Timestamp,
}

impl Lease {
    /// The first second after it.
    pub fn ends_at(self) -> Timestamp {
        let days = DAY.saturating_mul(i32::try_from(self.days).unwrap_or(i32::MAX));
        self.received_at.checked_add(days).unwrap_or(Timestamp::MAX).min(self.exp)
    }

    /// The same where the clock that it was received by has turned out to run ahead: it begins now, and is not longer for
    /// that.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { received_at: self.received_at.min(now), ..self }
    }

    /// From when on it is worth a warning.
    pub fn half(self) -> Timestamp {
        let half = self.ends_at().duration_since(self.received_at) / 2;
        self.received_at.checked_add(half).unwrap_or(self.exp)
    }
}

/// What the verdict on the license is worth to a member with that lease: the same while the lease lasts, with a warning
/// from its half on; `restricted` after it. What the license itself says against new work counts first.
pub fn within_lease(evaluation: Evaluation, lease: Lease, now: Timestamp) -> Evaluation {
    let mut evaluation = evaluation;
    let (received_at, ends_at) = (lease.received_at, lease.ends_at());
    let mend = "see that the controller runs, is licensed, and can be reached from here (`entitlectl status` shows its address)";
    if now >= lease.half() {
        let message = if now < ends_at {
            format!(
                "the controller has stated no license since {received_at}, the lease lasts until {ends_at}: {mend}"
            )
        } else {
            format!(
                "the controller has stated no license since {received_at}, the lease ended at {ends_at}: {mend}"
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn lease() -> Lease {
        Lease { received_at: at("2026-03-01T00:00:00Z"), days: 14, exp: at("2027-01-31T00:00:00Z") }
    }

    #[test]
    fn a_lease_lasts_its_days_and_never_beyond_the_license() {
        assert_eq!(lease().ends_at(), at("2026-03-15T00:00:00Z"));
        assert_eq!(lease().half(), at("2026-03-08T00:00:00Z"));
        let short = Lease { exp: at("2026-03-03T00:00:00Z"), ..lease() };
        assert_eq!((short.ends_at(), short.half()), (short.exp, at("2026-03-02T00:00:00Z")));
        assert_eq!(Lease { days: u32::MAX, ..lease() }.ends_at(), lease().exp);
    }

    proptest! {
        /// Wherever the clock stood when a word was received, and wherever it is set: what is left of a lease is at most
        /// its days, and more is left of none for looking at it again.
        #[test]
        fn no_clock_makes_a_lease_longer(received in -4_000i64..4_000, looks in prop::collection::vec(-4_000i64..4_000, 1..8)) {
            let day = |day: i64| at("2026-03-01T00:00:00Z") + DAY * i32::try_from(day).unwrap();
            let mut lease = Lease { received_at: day(received), ..lease() };
            for look in looks {
                let before = lease.ends_at();
                let now = day(look);
                lease = lease.at(now);
                prop_assert!(lease.ends_at() <= before);
                prop_assert!(lease.ends_at().duration_since(now) <= DAY * 14);
                prop_assert_eq!(lease.at(now), lease);
            }
        }
    }
}

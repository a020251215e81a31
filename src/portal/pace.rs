//! How much is answered in an hour. Every answer is kept for good, so whoever holds an Activation Code, a trial's too, could fill the disk with sound
//! requests. Honest agents ask once an hour at most, and once more for each command; a repeated request is not counted.
//!
//! In memory, by each process for itself: a counter for each environment and each subscription that was answered in the present hour.

use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// Requests that are answered in an hour, of one environment; of a subscription, as many for each environment that it may have.
pub(super) const MOST: u32 = 120;
/// The hour.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// A request of so many bytes counts as one, a longer one as several. With a license of fifty features it is no longer.
pub(super) const ONE: usize = 8 << 10;

/// The counters.
#[derive(Default)]
pub(super) struct Pace(Mutex<Hour>);

#[derive(Default)]
struct Hour {
    since: Timestamp,
    counts: HashMap<Uuid, u32>,
}

impl Pace {
    /// Counts a request of so many bytes about `subject`, of which `most` are answered in an hour. Returns the seconds to wait where
    /// those were answered; it is not counted then.
    pub(super) fn count(
        &self,
        subject: Uuid,
        bytes: usize,
        most: u32,
        now: Timestamp,
    ) -> Option<u32> {
        let mut hour = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut passed = now.duration_since(hour.since);
        // A clock that was turned back begins anew as well.
        if passed.is_negative() || passed >= WINDOW {
            *hour = Hour { since: now, counts: HashMap::new() };
            passed = SignedDuration::ZERO;
        }
        let counted = hour.counts.entry(subject).or_default();
        let cost = u32::try_from(bytes.div_ceil(ONE)).unwrap_or(u32::MAX);
        if *counted >= most {
            let left = (WINDOW - passed).as_secs();
            return Some(u32::try_from(left).map_or(1, |seconds| seconds.max(1)));
        }
        *counted = counted.saturating_add(cost);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVIRONMENT: Uuid = Uuid::from_u128(1);

    fn after(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn as_many_are_answered_as_said_and_the_next_waits_for_the_next_hour() {
        let pace = Pace::default();
        for n in 0..3 {
            assert_eq!(pace.count(ENVIRONMENT, 1_000, 3, after(n)), None);
        }
        assert_eq!(pace.count(ENVIRONMENT, 1_000, 3, after(100)), Some(3_500));
        assert_eq!(pace.count(Uuid::from_u128(2), 1_000, 3, after(100)), None, "others don't wait");
        assert_eq!(pace.count(ENVIRONMENT, 1_000, 3, after(3_600)), None);
        // A clock that is turned back locks nobody out.
        for _ in 0..9 {
            pace.count(ENVIRONMENT, 1_000, 3, after(3_600));
        }
        assert_eq!(pace.count(ENVIRONMENT, 1_000, 3, after(0)), None);
    }

    #[test]
    fn a_long_request_counts_for_what_it_takes() {
        let pace = Pace::default();
        assert_eq!(pace.count(ENVIRONMENT, 16 * ONE, 32, after(0)), None);
        assert_eq!(pace.count(ENVIRONMENT, 15 * ONE + 1, 32, after(0)), None);
        assert!(pace.count(ENVIRONMENT, 1, 32, after(0)).is_some());
        // The longest is answered, however few are.
        assert_eq!(pace.count(Uuid::from_u128(2), 256 * ONE, 1, after(0)), None);
    }
}

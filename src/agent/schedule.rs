//! What is due when. Intervals are counted in uptime, which nobody sets.

use crate::upstream::{Backoff, splayed, spread};
use std::time::Duration;

/// The time between two surveys of the hardware.
const SURVEY_EVERY: Duration = Duration::from_hours(1);
/// The same where no Serial Number could be minted, or hardware was unreadable: drivers come up late.
const SURVEY_SOON: Duration = Duration::from_mins(1);
/// The longest that a restarted agent waits with a refresh that is overdue.
const LATE_START: Duration = Duration::from_mins(5);
/// How long a refused request is let rest.
const REFUSED: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Schedule {
    seed: u64,
    backoff: Backoff,
    turn: u64,
    /// When the portal is asked next, in uptime.
    pub(super) refresh_at: Option<Duration>,
    /// When the hardware is read next, in uptime.
    pub(super) survey_at: Duration,
}

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            backoff: Backoff::new(seed),
            turn: 0,
            refresh_at: None,
            survey_at: Duration::ZERO,
        }
    }

    /// The agent started, with so much of the refresh interval left.
    pub(super) fn started(&mut self, uptime: Duration, left: Duration) {
        let late = spread(LATE_START, self.next_seed());
        self.refresh_at = Some(uptime + left.max(late));
    }

    /// The portal answered.
    pub(super) fn answered(&mut self, uptime: Duration, interval: Duration) {
        let seed = self.next_seed();
        self.backoff = Backoff::new(seed);
        self.refresh_at = Some(uptime + splayed(interval, seed));
    }

    /// The portal could not be reached.
    pub(super) fn failed(&mut self, uptime: Duration, retry_after: Option<Duration>) {
        self.refresh_at = Some(uptime + self.backoff.next(retry_after));
    }

    /// The portal refused.
    pub(super) fn refused(&mut self, uptime: Duration) {
        let seed = self.next_seed();
        self.refresh_at = Some(uptime + splayed(REFUSED, seed));
    }

    /// The hardware was read, for good or so that it should be read again soon.
    pub(super) fn surveyed(&mut self, uptime: Duration, again_soon: bool) {
        self.survey_at = uptime + if again_soon { SURVEY_SOON } else { SURVEY_EVERY };
    }

    fn next_seed(&mut self) -> u64 {
        self.turn += 1;
        self.seed.wrapping_add(self.turn)
    }
}

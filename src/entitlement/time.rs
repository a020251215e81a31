//! Which time it is, where the clock may be wrong.
//!
//! `now = max(clock, proven, observed)`. `proven` is the highest time that the portal signed; it never falls. `observed` is
//! a time that the clock stayed at or above for a whole day of uptime, so a clock set wrong at boot and mended within
//! the day leaves no trace, and one turned back later gains nothing.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};

/// How long the clock must stay at or above a time before that time counts as observed.
const TRAIL: Duration = Duration::from_hours(24);
/// The time between two samples that are kept; the trail is exact to this.
const SAMPLE_EVERY: Duration = Duration::from_mins(15);
/// A clock further behind than this is worth a condition.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// One look at the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock; it may say anything.
    pub clock: Timestamp,
    /// Time since boot, suspended time included; it never falls while the agent runs.
    pub uptime: Duration,
}

/// What of time is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TimeMark {
    /// The highest time that the portal signed.
    #[serde(default)]
    pub proven: Option<Timestamp>,
    /// The highest time that the clock kept for a day.
    #[serde(default)]
    pub observed: Option<Timestamp>,
}

/// The time by which entitlement is judged.
#[derive(Debug, Clone)]
pub struct EffectiveTime {
    mark: TimeMark,
    /// Readings of the last day of uptime, oldest first, each the lowest clock of its quarter of an hour.
    samples: VecDeque<Reading>,
}

impl EffectiveTime {
    /// Goes on from what was stored.
    pub const fn new(mark: TimeMark) -> Self {
        Self { mark, samples: VecDeque::new() }
    }

    /// What is to be stored.
    pub const fn mark(&self) -> TimeMark {
        self.mark
    }

    /// Takes note of a reading and says which time it is.
    pub fn read(&mut self, reading: Reading) -> Timestamp {
        self.sample(reading);
        self.at(reading)
    }

    /// Which time it is, without taking note.
    pub fn at(&self, reading: Reading) -> Timestamp {
        self.floor().map_or(reading.clock, |floor| floor.max(reading.clock))
    }

    /// How far the clock is behind what is known, where that is more than an hour.
    pub fn behind(&self, reading: Reading) -> Option<SignedDuration> {
        let behind = self.floor()?.duration_since(reading.clock);
        (behind > SKEW).then_some(behind)
    }

    /// A time that the portal signed; true where it is news.
    pub fn prove(&mut self, signed: Timestamp) -> bool {
        let news = self.mark.proven.is_none_or(|proven| signed > proven);
        if news {
            self.mark.proven = Some(signed);
        }
        news
    }

    /// The signed time of the answer to a request that was pending: the portal's now. It is proven, and what was
    /// observed falls to it, for the observed time of a clock that ran ahead would hold an honest machine in the future.
    pub fn settle(&mut self, signed: Timestamp) {
        self.prove(signed);
        if let Some(observed) = self.mark.observed.filter(|observed| *observed > signed) {
            self.mark.observed = self.mark.proven.map(|proven| proven.min(observed));
            self.samples.clear();
        }
    }

    fn floor(&self) -> Option<Timestamp> {
        self.mark.proven.max(self.mark.observed)
    }

    fn sample(&mut self, reading: Reading) {
        match self.samples.back_mut() {
            // A reboot, or a machine whose uptime is not to be trusted: the day starts again.
            Some(last) if reading.uptime < last.uptime => {
                self.samples.clear();
                self.samples.push_back(reading);
            }
            Some(last) if reading.uptime.saturating_sub(last.uptime) < SAMPLE_EVERY => {
                last.clock = last.clock.min(reading.clock);
            }
            _ => self.samples.push_back(reading),
        }
        self.observe(reading.uptime);
    }

    /// Moves `observed` to the lowest clock of the last day, once a whole day was seen.
    fn observe(&mut self, uptime: Duration) {
        let Some(start) = uptime.checked_sub(TRAIL) else { return };
        // One sample at or before the start of the day stays: it shows that the whole day was seen.
        while self.samples.get(1).is_some_and(|second| second.uptime <= start) {
            self.samples.pop_front();
        }
        if self.samples.front().is_some_and(|first| first.uptime <= start) {
            let lowest = self.samples.iter().map(|s| s.clock).min();
            self.mark.observed = self.mark.observed.max(lowest);
        }
    }
}

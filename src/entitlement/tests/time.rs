//! Which time it is, whatever the clock says.

use super::sample::at;
use crate::entitlement::*;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

mod clocks;
mod properties;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A machine whose clock may be wrong, read as often as the agent reads it.
struct Machine {
    time: EffectiveTime,
    truth: Timestamp,
    /// What the clock says beyond the truth.
    error: SignedDuration,
    uptime: Duration,
    /// Every reading since the boot.
    readings: Vec<Reading>,
}

impl Machine {
    fn new(truth: Timestamp) -> Self {
        let time = EffectiveTime::new(TimeMark::default());
        let error = SignedDuration::ZERO;
        Self { time, truth, error, uptime: Duration::ZERO, readings: Vec::new() }
    }

    fn reading(&self) -> Reading {
        Reading { clock: self.truth + self.error, uptime: self.uptime }
    }

    fn now(&mut self) -> Timestamp {
        let reading = self.reading();
        self.readings.push(reading);
        self.time.read(reading)
    }

    /// Sets the clock to say what it wants now.
    fn set_clock(&mut self, clock: Timestamp) {
        self.error = clock.duration_since(self.truth);
        self.now();
    }

    fn mend_clock(&mut self) {
        self.error = SignedDuration::ZERO;
        self.now();
    }

    /// Runs on, reading the clock every five minutes.
    fn run(&mut self, duration: Duration) {
        let step = MINUTE * 5;
        let mut left = duration;
        while !left.is_zero() {
            let step = step.min(left);
            left -= step;
            self.truth += SignedDuration::try_from(step).unwrap();
            self.uptime += step;
            self.now();
        }
    }

    fn reboot(&mut self) {
        self.time = EffectiveTime::new(self.time.mark());
        self.uptime = Duration::ZERO;
        self.readings.clear();
    }
}

//! How long to wait before the agent is asked again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// The longest that an agent which refuses is obeyed.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// Pauses that double from a twentieth of a second to five seconds, each shortened by up to a half by chance: the programs of a
/// server do not come back together.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    chance: RandomState,
    count: u64,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Self { next: FIRST, chance: RandomState::new(), count: 0 }
    }

    /// The agent answered: the next pause is a short one again.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// The next pause, and no shorter than the agent asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        self.count = self.count.wrapping_add(1);
        let chance = u32::from(self.chance.hash_one(self.count).to_le_bytes()[0]);
        let pause = self.next * (256 + chance) / 512;
        self.next = (self.next * 2).min(LONGEST);
        asked.map_or(pause, |asked| pause.max(asked.min(LONGEST_ASKED)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_start_anew_and_obey_within_reason() {
        let mut pauses = Pauses::new();
        let all: Vec<_> = (0..20).map(|_| pauses.next(None)).collect();
        for (i, pause) in all.iter().enumerate() {
            let most = (FIRST * (1 << i)).min(LONGEST);
            assert!(*pause <= most && *pause >= most / 2, "{i}: {pause:?}");
        }
        let ask = |pauses: &mut Pauses, seconds| pauses.next(Some(Duration::from_secs(seconds)));
        assert_eq!(ask(&mut pauses, 20), Duration::from_secs(20));
        assert_eq!(ask(&mut pauses, u64::MAX), LONGEST_ASKED);
        pauses.reset();
        assert!(pauses.next(None) <= FIRST);
    }

    #[test]
    fn two_programs_pause_differently() {
        let pauses = || {
            let mut pauses = Pauses::new();
            (0..20).map(|_| pauses.next(None)).collect::<Vec<_>>()
        };
        assert_ne!(pauses(), pauses());
    }
}

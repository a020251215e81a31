//! When to try again, so that 10,000 agents that lost one portal do not return in one second.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(1);

/// Growing pauses between tries: 5 seconds, doubled up to an hour, each with up to as much again by chance.
#[derive(Debug)]
pub struct Backoff(ExponentialBackoff);

impl Backoff {
    /// From the start; the same `seed` gives the same pauses.
    pub fn new(seed: u64) -> Self {
        Self(
            ExponentialBuilder::new()
                .with_min_delay(FIRST)
                .with_max_delay(LONGEST)
                .with_factor(2.0)
                .without_max_times()
                .with_jitter()
                .with_jitter_seed(seed)
                .build(),
        )
    }

    /// The pause before the next try; never shorter than the portal asked for, and never longer than a day.
    pub fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let pause = self.0.next().unwrap_or(LONGEST);
        retry_after.map_or(pause, |asked| pause.max(asked.min(24 * LONGEST)))
    }
}

/// `interval` shortened by up to a tenth, by `seed`: agents that were installed together drift apart.
pub fn splayed(interval: Duration, seed: u64) -> Duration {
    interval.mul_f64(1.0 - 0.1 * fraction(seed))
}

/// A pause of up to `longest`, by `seed`: agents that were started together do not ask together.
pub fn spread(longest: Duration, seed: u64) -> Duration {
    longest.mul_f64(fraction(seed))
}

/// A number from 0 to 1 for a seed, by the finalizer of `SplitMix64`.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
fn fraction(seed: u64) -> f64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_differ_between_agents() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..30).map(|_| backoff.next(None)).collect::<Vec<_>>()
        };
        let (one, other) = (pauses(1), pauses(2));
        assert_ne!(one, other);
        assert_eq!(one, pauses(1));
        assert!(one[0] >= FIRST && one[0] <= 2 * FIRST, "{:?}", one[0]);
        assert!(one.iter().all(|pause| *pause <= 2 * LONGEST));
        assert!(one[29] >= LONGEST);
    }

    #[test]
    fn what_the_portal_asks_for_is_obeyed_within_reason() {
        let ask = |seconds| Backoff::new(1).next(Some(Duration::from_secs(seconds)));
        assert_eq!(ask(120), Duration::from_mins(2));
        assert_eq!(ask(u64::MAX), 24 * LONGEST);
        assert!(ask(0) >= FIRST);
    }

    #[test]
    fn a_splay_shortens_by_a_tenth_at_most() {
        let day = Duration::from_hours(24);
        for seed in 0..1_000 {
            let splayed = splayed(day, seed);
            assert!(splayed <= day && splayed >= day.mul_f64(0.9));
        }
    }
}

//! How long a member's certificate lasts, when it is renewed, and who may still renew one that is over. Pure.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long a certificate is good for.
pub const CERTIFICATE_LIFE: Duration = Duration::from_hours(30 * 24);
/// Days beyond the lease for which a certificate that is over may be renewed.
const RENEWABLE_DAYS: u32 = 30;
/// How much longer than its life a certificate may seem to last: effective time trails by a day after a start without a clock.
const FROM_THE_FUTURE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The lease where no license says how long it is, days.
pub const DEFAULT_LEASE_DAYS: u32 = 30;

/// What a certificate still opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Everything.
    Good,
    /// Its own renewal and nothing else.
    RenewOnly,
    /// Nothing.
    Over,
}

/// What a certificate that expires at `expires_at` opens, where it is `now` by the controller's effective time, and at least
/// `proven` by what the portal has signed. A clock alone excludes nobody: one far ahead makes members renew, and so does a
/// certificate that was signed under such a clock, once that is mended.
pub fn standing(
    expires_at: Timestamp,
    lease_days: u32,
    now: Timestamp,
    proven: Option<Timestamp>,
) -> Standing {
    let days = i32::try_from(lease_days.saturating_add(RENEWABLE_DAYS)).unwrap_or(i32::MAX);
    let end = expires_at.checked_add(DAY.saturating_mul(days)).unwrap_or(Timestamp::MAX);
    let left = expires_at.duration_since(now.max(Timestamp::UNIX_EPOCH));
    let longest = SignedDuration::try_from(CERTIFICATE_LIFE).unwrap_or(SignedDuration::MAX);
    if proven.is_some_and(|proven| proven >= end) {
        Standing::Over
    } else if left.is_positive() && left <= longest + FROM_THE_FUTURE {
        Standing::Good
    } else {
        Standing::RenewOnly
    }
}

/// When a member renews a certificate that it received at `received_at` for `life`: at half of that, and by chance up to a
/// tenth of it later, so that members that joined together renew apart. Both are the member's own effective time: a
/// controller whose clock is wrong changes nothing. `chance` is from 0 to 1.
pub fn renew_at(received_at: Timestamp, life: Duration, chance: f64) -> Timestamp {
    let wait = life.mul_f64(0.5 + 0.1 * chance.clamp(0.0, 1.0));
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    received_at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// How long a member waits before it tries again, after so many failed tries in a row since the connection was lost: at
/// first anywhere within the spread that the controller asked for, then longer and longer up to two minutes, each pause with
/// up to half of it more or less. `chance` is from 0 to 1.
pub fn pause(failures: u32, spread: Duration, chance: f64) -> Duration {
    let chance = chance.clamp(0.0, 1.0);
    if failures == 0 {
        return spread.mul_f64(chance);
    }
    let grown = spread.max(Duration::from_secs(1)).saturating_mul(1 << failures.min(10));
    grown.min(LONGEST_PAUSE).mul_f64(0.5 + chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_expired_certificate_may_renew_for_the_lease_and_thirty_days() {
        let expires = at("2026-06-01T00:00:00Z");
        for (now, expected) in [
            ("2026-04-25T00:00:00Z", Standing::Good),
            ("2026-05-31T23:59:59Z", Standing::Good),
            ("2026-06-01T00:00:00Z", Standing::RenewOnly),
            ("2026-07-14T23:59:59Z", Standing::RenewOnly),
            ("2026-07-15T00:00:00Z", Standing::Over),
            ("9000-01-01T00:00:00Z", Standing::Over),
        ] {
            assert_eq!(standing(expires, 14, at(now), Some(at(now))), expected, "{now}");
        }
        let late = at("9000-01-01T00:00:00Z");
        assert_eq!(standing(expires, u32::MAX, late, Some(late)), Standing::RenewOnly);
    }

    #[test]
    fn no_clock_excludes_a_member() {
        let proven = Some(at("2026-05-20T00:00:00Z"));
        let expires = at("2026-06-01T00:00:00Z");
        for now in ["2026-07-20T00:00:00Z", "2099-01-01T00:00:00Z", "9000-01-01T00:00:00Z"] {
            assert_eq!(standing(expires, 14, at(now), proven), Standing::RenewOnly, "{now}");
            assert_eq!(standing(expires, 14, at(now), None), Standing::RenewOnly, "{now}");
        }
        // What was renewed meanwhile is good there, and renewed again where the clock is right.
        let renewed = at("2099-01-31T00:00:00Z");
        assert_eq!(standing(renewed, 14, at("2099-01-01T00:00:00Z"), proven), Standing::Good);
        assert_eq!(standing(renewed, 14, at("2026-05-20T00:00:00Z"), proven), Standing::RenewOnly);
    }

    #[test]
    fn lost_members_return_over_the_spread_and_then_ever_more_seldom() {
        let spread = Duration::from_secs(25);
        assert_eq!(pause(0, spread, 0.0), Duration::ZERO);
        assert_eq!(pause(0, spread, 1.0), spread);
        assert_eq!(pause(1, Duration::ZERO, 0.5), Duration::from_secs(2));
        assert_eq!(pause(3, Duration::ZERO, 0.5), Duration::from_secs(8));
        assert_eq!(pause(99, spread, 0.0), LONGEST_PAUSE / 2);
    }

    proptest! {
        #[test]
        fn a_renewal_falls_between_half_and_six_tenths_of_the_life(chance in 0.0f64..=1.0) {
            let received = at("2026-06-01T00:00:00Z");
            let wait = renew_at(received, CERTIFICATE_LIFE, chance).duration_since(received);
            prop_assert!(wait >= DAY * 15 && wait <= DAY * 18, "{wait:?}");
        }
    }
}

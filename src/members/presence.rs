//! Which members there are, and what they told of themselves; shared by the listener and the agent's loop.

use super::{MemberReport, policy};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
};
use uuid::Uuid;

/// Longest name that a member may give itself, characters.
const LONGEST_NAME: usize = 100;

/// Which members there are.
#[derive(Debug)]
pub struct Presence {
    members: Mutex<HashMap<Uuid, Seen>>,
    /// How many of them were not removed, and how many of those watch: counting ten thousand takes too long for each report.
    there: AtomicU64,
    watching: AtomicU64,
    /// What the controller knows to have passed, seconds after 1970: no clock set back makes a certificate younger.
    floor: AtomicI64,
    /// What of that the portal signed, or `i64::MIN`.
    proven: AtomicI64,
    /// The lease that the license grants, days.
    lease_days: AtomicU32,
}

/// What is known of a member since the controller started.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Whether it was removed.
    pub removed: bool,
    /// How many connections it watches on.
    pub watching: u32,
    /// From where it came last.
    pub address: Option<IpAddr>,
    /// When, by the controller's clock.
    pub last_seen: Option<Timestamp>,
    /// What it told last.
    pub report: Option<MemberReport>,
    /// How far its clock was ahead of the controller's then.
    pub clock_offset: Option<SignedDuration>,
}

impl Default for Presence {
    fn default() -> Self {
        let lease_days = AtomicU32::new(policy::DEFAULT_LEASE_DAYS);
        Self {
            members: Mutex::default(),
            there: AtomicU64::new(0),
            watching: AtomicU64::new(0),
            floor: AtomicI64::new(i64::MIN),
            proven: AtomicI64::new(i64::MIN),
            lease_days,
        }
    }
}

impl Presence {
    /// Takes note of a member, or of its removal.
    pub fn know(&self, id: Uuid, removed: bool) {
        self.change(id, |seen| seen.removed = removed);
    }

    /// Forgets one that was removed long ago.
    pub fn forget(&self, id: Uuid) {
        self.know(id, true);
        self.members().remove(&id);
    }

    /// What is known of a member.
    pub fn seen(&self, id: Uuid) -> Option<Seen> {
        self.members().get(&id).cloned()
    }

    /// How many members there are, and how many of them hear of changes now.
    pub fn count(&self) -> (u64, u64) {
        (self.there.load(Ordering::Relaxed), self.watching.load(Ordering::Relaxed))
    }

    /// Takes over what certificates are judged by: effective time, what of it the portal signed, and the lease.
    pub fn judge_by(&self, now: Timestamp, proven: Option<Timestamp>, lease_days: u32) {
        self.floor.store(now.as_second(), Ordering::Relaxed);
        self.proven.store(proven.map_or(i64::MIN, Timestamp::as_second), Ordering::Relaxed);
        self.lease_days.store(lease_days, Ordering::Relaxed);
    }

    pub(super) fn standing(&self, expires_at: Timestamp, clock: Timestamp) -> policy::Standing {
        let known = |seconds: &AtomicI64| Timestamp::from_second(seconds.load(Ordering::Relaxed));
        let now = known(&self.floor).map_or(clock, |floor| floor.max(clock));
        let lease_days = self.lease_days.load(Ordering::Relaxed);
        policy::standing(expires_at, lease_days, now, known(&self.proven).ok())
    }

    /// Whether a member is known and, where it is, whether it was removed.
    pub(super) fn removed(&self, id: Uuid) -> Option<bool> {
        self.members().get(&id).map(|seen| seen.removed)
    }

    /// A member came.
    pub(super) fn came(&self, id: Uuid, address: IpAddr, clock: Timestamp) {
        self.change(id, |seen| {
            seen.address = Some(address);
            seen.last_seen = Some(clock);
        });
    }

    /// A member begins to watch, or does no more.
    pub(super) fn watches(&self, id: Uuid, watches: bool, clock: Timestamp) {
        self.change(id, |seen| {
            seen.watching =
                if watches { seen.watching + 1 } else { seen.watching.saturating_sub(1) };
            seen.last_seen = Some(clock);
        });
    }

    /// A member told of itself.
    pub(super) fn told(&self, id: Uuid, report: &MemberReport, clock: Timestamp) {
        let report = MemberReport {
            name: shown(&report.name, LONGEST_NAME),
            version: shown(&report.version, LONGEST_NAME),
            ..report.clone()
        };
        self.change(id, |seen| {
            seen.clock_offset = Some(report.clock.duration_since(clock));
            seen.last_seen = Some(clock);
            seen.report = Some(report);
        });
    }

    /// Changes what is known of a member, and the counts with it.
    fn change(&self, id: Uuid, change: impl FnOnce(&mut Seen)) {
        let counts =
            |seen: &Seen| (u64::from(!seen.removed), u64::from(!seen.removed && seen.watching > 0));
        let mut members = self.members();
        let before = members.get(&id).map_or((0, 0), counts);
        let seen = members.entry(id).or_default();
        change(seen);
        let after = counts(seen);
        // Under the lock: nobody else changes them meanwhile.
        for (count, after, before) in
            [(&self.there, after.0, before.0), (&self.watching, after.1, before.1)]
        {
            count.store(count.load(Ordering::Relaxed) + after - before, Ordering::Relaxed);
        }
    }

    fn members(&self) -> MutexGuard<'_, HashMap<Uuid, Seen>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A foreign name: of bounded length, without control characters.
pub fn shown_name(name: &str) -> String {
    let name = shown(name.trim(), LONGEST_NAME);
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

fn shown(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_there_and_those_that_watch_are_counted() {
        let (presence, clock) = (Presence::default(), Timestamp::UNIX_EPOCH);
        let member = Uuid::from_u128;
        for id in 0..3 {
            presence.know(member(id), false);
        }
        presence.know(member(1), false);
        assert_eq!(presence.count(), (3, 0));
        for id in [0, 0, 1, 2] {
            presence.watches(member(id), true, clock);
        }
        assert_eq!(presence.count(), (3, 3));
        presence.watches(member(0), false, clock);
        assert_eq!(presence.count(), (3, 3));
        presence.know(member(1), true);
        assert_eq!(presence.count(), (2, 2));
        // Its connection ends after it was removed.
        presence.watches(member(1), false, clock);
        presence.watches(member(0), false, clock);
        presence.watches(member(0), false, clock);
        assert_eq!(presence.count(), (2, 1));
        presence.forget(member(2));
        presence.forget(member(9));
        assert_eq!(presence.count(), (1, 0));
    }
}

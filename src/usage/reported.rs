//! What the programs of one server reported, each with the time at which it counts no more.

use super::{UsageError, UserHash};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Reporters of one limit on one server.
pub(super) const MOST_REPORTERS: usize = 10_000;
/// Users of one limit on one server.
pub(super) const MOST_USERS: usize = 100_000;
/// Longest name of a reporter or a user, bytes.
pub(super) const LONGEST_NAME: usize = 200;

/// What one server's programs reported. Times are uptime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    limits: BTreeMap<String, Limit>,
    /// No entry expires before this; nothing where there are none.
    earliest: Option<Duration>,
}

/// What was reported of one limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) gauges: HashMap<String, Gauge>,
    /// When each counts no more.
    pub(super) users: HashMap<UserHash, Duration>,
    /// 10,000 gauges of 64 bits fit.
    sum: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gauge {
    pub(super) value: u64,
    pub(super) expires: Duration,
}

/// What is counted of one limit: in numbers, so that sums over servers can be kept up to date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) sum: u128,
    pub(super) reporters: usize,
    pub(super) users: usize,
}

impl Reported {
    /// Takes a gauge: a reporter has one of each limit, and the last word counts.
    ///
    /// # Errors
    /// [`UsageError::Reporter`] and [`UsageError::TooManyReporters`].
    pub fn gauge(
        &mut self,
        limit: &str,
        reporter: &str,
        value: u64,
        expires: Duration,
    ) -> Result<(), UsageError> {
        if reporter.is_empty() || reporter.len() > LONGEST_NAME {
            return Err(UsageError::Reporter { found: reporter.len() });
        }
        let entry = self.limits.entry(limit.to_owned()).or_default();
        let before = entry.gauges.get(reporter).map_or(0, |gauge| gauge.value);
        if entry.gauges.len() >= MOST_REPORTERS && !entry.gauges.contains_key(reporter) {
            return Err(UsageError::TooManyReporters { limit: limit.to_owned() });
        }
        entry.sum = entry.sum - u128::from(before) + u128::from(value);
        entry.gauges.insert(reporter.to_owned(), Gauge { value, expires });
        self.expires_at(expires);
        Ok(())
    }

    /// Takes users, all or none; those that were not there before.
    ///
    /// # Errors
    /// [`UsageError::TooManyUsers`].
    pub fn users(
        &mut self,
        limit: &str,
        users: &[UserHash],
        expires: Duration,
    ) -> Result<Vec<UserHash>, UsageError> {
        let entry = self.limits.entry(limit.to_owned()).or_default();
        let mut new: Vec<_> =
            users.iter().filter(|user| !entry.users.contains_key(user)).copied().collect();
        new.sort_unstable();
        new.dedup();
        let found = entry.users.len() + new.len();
        if found > MOST_USERS {
            return Err(UsageError::TooManyUsers { limit: limit.to_owned(), found });
        }
        entry.users.extend(users.iter().map(|user| (*user, expires)));
        if !users.is_empty() {
            self.expires_at(expires);
        }
        Ok(new)
    }

    /// Users that left; those that were there.
    pub fn left(&mut self, limit: &str, users: &[UserHash]) -> Vec<UserHash> {
        let Some(entry) = self.limits.get_mut(limit) else { return Vec::new() };
        users.iter().filter(|user| entry.users.remove(user).is_some()).copied().collect()
    }

    /// Forgets what counts no more at `now`; the users among it, by limit.
    pub fn forget(&mut self, now: Duration) -> Vec<(String, UserHash)> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let mut gone = Vec::new();
        let mut earliest: Option<Duration> = None;
        let mut stays = |expires: Duration| {
            let stays = expires > now;
            if stays {
                earliest = Some(earliest.map_or(expires, |before| before.min(expires)));
            }
            stays
        };
        for (name, limit) in &mut self.limits {
            let sum = &mut limit.sum;
            limit.gauges.retain(|_, gauge| {
                let stays = stays(gauge.expires);
                if !stays {
                    *sum -= u128::from(gauge.value);
                }
                stays
            });
            limit.users.retain(|user, expires| {
                let stays = stays(*expires);
                if !stays {
                    gone.push((name.clone(), *user));
                }
                stays
            });
        }
        self.limits.retain(|_, limit| !limit.gauges.is_empty() || !limit.users.is_empty());
        self.earliest = earliest;
        gone
    }

    /// When the next entry expires; perhaps one that was repeated since.
    pub const fn earliest(&self) -> Option<Duration> {
        self.earliest
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.limits.values().all(|limit| limit.gauges.is_empty() && limit.users.is_empty())
    }

    /// The limits of which something was reported.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.limits.keys().map(String::as_str)
    }

    /// What of a limit is reported: the sum of the gauges, how many they are, and the users; nothing where nothing is.
    pub fn share(&self, limit: &str) -> Option<(u64, usize, usize)> {
        let Counted { sum, reporters, users } = self.counted(limit);
        let sum = u64::try_from(sum).unwrap_or(u64::MAX);
        (reporters + users > 0).then_some((sum, reporters, users))
    }

    pub(super) fn of(&self, limit: &str) -> Option<&Limit> {
        self.limits.get(limit)
    }

    pub(super) fn limits(&self) -> impl Iterator<Item = (&String, &Limit)> {
        self.limits.iter()
    }

    pub(super) fn counted(&self, limit: &str) -> Counted {
        self.limits.get(limit).map_or(Counted::default(), |limit| Counted {
            sum: limit.sum,
            reporters: limit.gauges.len(),
            users: limit.users.len(),
        })
    }

    fn expires_at(&mut self, expires: Duration) {
        self.earliest = Some(self.earliest.map_or(expires, |before| before.min(expires)));
    }
}

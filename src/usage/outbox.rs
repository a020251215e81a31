//! A member's own usage, and what of it the controller does not know yet.

use super::{Batch, GaugeEntry, MOST_IN_A_BATCH, Reported, UsageError, UserEntries, UserHash};
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

/// What this server's programs reported, beside what the controller was told of it.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    reported: Reported,
    told: Reported,
    /// What the last sums count, while all is told again: a lost connection makes nothing new.
    counted: Option<Reported>,
    /// Users that the last sums do not count. Kept up to date: comparing a hundred thousand takes too long for each report.
    new: BTreeMap<String, HashSet<UserHash>>,
    session: u64,
    number: u64,
}

/// What there is to tell, and when there is next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Due {
    now: bool,
    next: Option<Duration>,
}

impl Outbox {
    /// With nothing in it, for a run of the agent that `session` names.
    pub fn new(session: u64) -> Self {
        Self { session, ..Self::default() }
    }

    /// What this server's programs reported.
    pub const fn reported(&self) -> &Reported {
        &self.reported
    }

    /// Takes a gauge of a program on this server.
    ///
    /// # Errors
    /// As [`Reported::gauge`].
    pub fn gauge(
        &mut self,
        limit: &str,
        reporter: &str,
        value: u64,
        expires: Duration,
    ) -> Result<(), UsageError> {
        self.reported.gauge(limit, reporter, value, expires)
    }

    /// Takes users of a program on this server, all or none.
    ///
    /// # Errors
    /// As [`Reported::users`].
    pub fn users(
        &mut self,
        limit: &str,
        users: &[UserHash],
        expires: Duration,
    ) -> Result<(), UsageError> {
        let came = self.reported.users(limit, users, expires)?;
        let counted = self.counted.as_ref().unwrap_or(&self.told).of(limit);
        let is_new = |user: &UserHash| !counted.is_some_and(|c| c.users.contains_key(user));
        self.new.entry(limit.to_owned()).or_default().extend(came.into_iter().filter(is_new));
        Ok(())
    }

    /// Users left.
    pub fn left(&mut self, limit: &str, users: &[UserHash]) {
        for user in self.reported.left(limit, users) {
            self.known(limit, user);
        }
    }

    /// A user that is not new any more: the sums count it, or it left.
    fn known(&mut self, limit: &str, user: UserHash) {
        if let Some(new) = self.new.get_mut(limit) {
            new.remove(&user);
        }
    }

    /// The controller may have forgotten everything.
    pub fn tell_again(&mut self) {
        let told = std::mem::take(&mut self.told);
        self.counted.get_or_insert(told);
    }

    /// Forgets every user: their hashes were of another key.
    pub fn forget_users(&mut self) {
        let all: Vec<(String, Vec<UserHash>)> = (self.reported.limits())
            .map(|(name, limit)| (name.clone(), limit.users.keys().copied().collect()))
            .collect();
        for (name, users) in all {
            self.left(&name, &users);
        }
    }

    /// Drops what counts no more.
    pub fn forget(&mut self, now: Duration) {
        for (limit, user) in self.reported.forget(now) {
            self.known(&limit, user);
        }
        self.told.forget(now);
        if let Some(counted) = &mut self.counted {
            counted.forget(now);
        }
    }

    /// When there is something to tell: now, or at that time; nothing where all was told.
    pub fn due_at(&self, now: Duration) -> Option<Duration> {
        let due = self.due(now);
        if due.now { Some(now) } else { due.next }
    }

    /// As much as fits into one batch of what the controller does not know. Nothing where it knows all.
    pub fn batch(&mut self, now: Duration) -> Option<Batch> {
        let mut batch = Batch { session: self.session, ..Batch::default() };
        let mut users: BTreeMap<(&String, u64), Vec<UserHash>> = BTreeMap::new();
        let mut room = MOST_IN_A_BATCH;
        for (name, limit) in self.reported.limits() {
            let told = self.told.of(name);
            for (reporter, gauge) in &limit.gauges {
                let known = told.and_then(|told| told.gauges.get(reporter));
                let same = known.filter(|known| known.value == gauge.value);
                if room > 0 && is_due(same.map(|known| known.expires), gauge.expires, now).0 {
                    room -= 1;
                    batch.gauges.push(GaugeEntry {
                        limit: name.clone(),
                        reporter: reporter.clone(),
                        value: gauge.value,
                        seconds: left(gauge.expires, now),
                    });
                }
            }
            for (user, expires) in &limit.users {
                let known = told.and_then(|told| told.users.get(user)).copied();
                if room > 0 && is_due(known, *expires, now).0 {
                    room -= 1;
                    users.entry((name, left(*expires, now))).or_default().push(*user);
                }
            }
        }
        for (name, told) in self.told.limits() {
            let here = self.reported.of(name);
            let gone =
                told.users.keys().filter(|user| !here.is_some_and(|l| l.users.contains_key(user)));
            for user in gone.take(room) {
                users.entry((name, 0)).or_default().push(*user);
            }
        }
        batch.users = users
            .into_iter()
            .map(|((limit, seconds), hashes)| UserEntries {
                limit: limit.clone(),
                seconds,
                hashes: UserHash::write_all(&hashes),
            })
            .collect();
        if batch.is_empty() {
            self.counted = None;
            return None;
        }
        self.number += 1;
        batch.number = self.number;
        Some(batch)
    }

    /// The controller has taken a batch that was made at `made_at`.
    pub fn taken(&mut self, batch: &Batch, made_at: Duration) {
        note(&mut self.told, batch, made_at);
        if let Some(counted) = &mut self.counted {
            note(counted, batch, made_at);
        }
        for entry in batch.users.iter().filter(|entry| entry.seconds > 0) {
            for user in entry.read().unwrap_or_default() {
                self.known(&entry.limit, user);
            }
        }
    }

    /// By how much this server uses more than the controller was told, at the most: a user that is new here may be known from
    /// elsewhere.
    pub fn growth(&self) -> BTreeMap<String, u64> {
        let counted = self.counted.as_ref().unwrap_or(&self.told);
        let of = |name: &str| {
            let (sum, known) = (self.reported.counted(name).sum, counted.counted(name).sum);
            let users = self.new.get(name).map_or(0, HashSet::len);
            let growth = sum.saturating_sub(known) + users as u128;
            (growth > 0).then(|| (name.to_owned(), u64::try_from(growth).unwrap_or(u64::MAX)))
        };
        self.reported.names().filter_map(of).collect()
    }

    fn due(&self, now: Duration) -> Due {
        let mut due = Due::default();
        let mut look = |(is_due, at): (bool, Option<Duration>)| {
            due.now |= is_due;
            due.next = [due.next, at].into_iter().flatten().min();
        };
        for (name, limit) in self.reported.limits() {
            let told = self.told.of(name);
            for (reporter, gauge) in &limit.gauges {
                let known = told.and_then(|told| told.gauges.get(reporter));
                let same = known.filter(|known| known.value == gauge.value);
                look(is_due(same.map(|known| known.expires), gauge.expires, now));
            }
            for (user, expires) in &limit.users {
                let known = told.and_then(|told| told.users.get(user)).copied();
                look(is_due(known, *expires, now));
            }
        }
        for (name, told) in self.told.limits() {
            let here = self.reported.of(name);
            let is_gone = |user: &UserHash| !here.is_some_and(|l| l.users.contains_key(user));
            due.now |= told.users.keys().any(is_gone);
        }
        due
    }
}

/// Takes note of a batch, as the controller does.
fn note(told: &mut Reported, batch: &Batch, made_at: Duration) {
    let until = |seconds: u64| made_at.saturating_add(Duration::from_secs(seconds));
    for GaugeEntry { limit, reporter, value, seconds } in &batch.gauges {
        // It was within every bound when it was reported.
        let _ = told.gauge(limit, reporter, *value, until(*seconds));
    }
    for entry in &batch.users {
        let Ok(users) = entry.read() else { continue };
        if entry.seconds == 0 {
            told.left(&entry.limit, &users);
        } else {
            let _ = told.users(&entry.limit, &users, until(entry.seconds));
        }
    }
}

/// Whether an entry is to be told now, or else when. What is repeated each minute is not told each minute: only when the
/// controller would forget it in half of the time that it is good for here.
fn is_due(told: Option<Duration>, expires: Duration, now: Duration) -> (bool, Option<Duration>) {
    let Some(told) = told else { return (true, None) };
    let second = Duration::from_secs(1);
    if expires.saturating_add(second) < told {
        return (true, None);
    }
    if expires <= told {
        return (false, None);
    }
    let at = told.saturating_sub(expires.saturating_sub(told));
    if at <= now { (true, None) } else { (false, Some(at)) }
}

/// Whole seconds, a part of one counted as one.
fn left(expires: Duration, now: Duration) -> u64 {
    let left = expires.saturating_sub(now);
    left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0)).max(1)
}

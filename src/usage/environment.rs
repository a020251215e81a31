//! The controller's sum over all servers.

use super::{Batch, Reported, UsageError, UserHash, reported::Counted};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use uuid::Uuid;

/// Gauges and users of all limits on all servers: some 100 MB.
const MOST: usize = 1_000_000;
/// From so many entries on, those that expired are looked for once a second at the most.
const MANY: usize = 10_000;

/// A server of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// The controller itself.
    Here,
    /// The member with that id.
    Member(Uuid),
}

/// What one server adds to a limit. Users that are on several servers are added by each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which server.
    pub server: Server,
    /// The sum of its gauges.
    pub gauges: u64,
    /// How many reporters it has.
    pub reporters: usize,
    /// Its users.
    pub users: usize,
}

/// What is used on all servers. Times are the controller's uptime.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    servers: BTreeMap<Server, Told>,
    limits: BTreeMap<String, Sum>,
    entries: usize,
    looked_at: Duration,
}

#[derive(Debug, Clone, Default)]
struct Told {
    reported: Reported,
    /// The last batch.
    session: u64,
    number: u64,
}

/// Kept up to date with each entry: adding up a million of them takes too long to do it for each report.
#[derive(Debug, Clone, Default)]
struct Sum {
    /// A million gauges of 64 bits fit.
    gauges: u128,
    reporters: usize,
    /// On how many servers each user is.
    users: HashMap<UserHash, u32>,
}

impl Environment {
    /// Takes a gauge of a program on the controller.
    ///
    /// # Errors
    /// Where it can't be counted; nothing changed then.
    pub fn gauge(
        &mut self,
        limit: &str,
        reporter: &str,
        value: u64,
        expires: Duration,
    ) -> Result<(), UsageError> {
        self.has_room(1)?;
        self.change(Server::Here, limit, |reported| {
            reported.gauge(limit, reporter, value, expires)?;
            Ok(Vec::new())
        })
    }

    /// Takes users of a program on the controller, all or none.
    ///
    /// # Errors
    /// Where they can't be counted; nothing changed then.
    pub fn users(
        &mut self,
        limit: &str,
        users: &[UserHash],
        expires: Duration,
    ) -> Result<(), UsageError> {
        self.has_room(users.len())?;
        self.change(Server::Here, limit, |reported| reported.users(limit, users, expires))
    }

    /// Users left, as a program on the controller tells.
    pub fn left(&mut self, limit: &str, users: &[UserHash]) {
        self.leave(Server::Here, limit, users);
    }

    /// Takes what a member tells, as far as `is_limit` knows the limits: a member may go by another license for a moment. One
    /// that is older than the last, or the same again, changes nothing.
    ///
    /// # Errors
    /// Where an entry can't be counted; those before it are.
    pub fn take(
        &mut self,
        member: Uuid,
        batch: &Batch,
        is_limit: impl Fn(&str) -> bool,
        now: Duration,
    ) -> Result<(), UsageError> {
        let server = Server::Member(member);
        let told = self.servers.entry(server).or_default();
        if batch.session == told.session && batch.number <= told.number {
            return Ok(());
        }
        (told.session, told.number) = (batch.session, batch.number);
        self.has_room(batch.len())?;
        for entry in batch.gauges.iter().filter(|entry| is_limit(&entry.limit)) {
            let expires = now.saturating_add(Duration::from_secs(entry.seconds));
            self.change(server, &entry.limit, |reported| {
                reported.gauge(&entry.limit, &entry.reporter, entry.value, expires)?;
                Ok(Vec::new())
            })?;
        }
        for entry in batch.users.iter().filter(|entry| is_limit(&entry.limit)) {
            let users = entry.read()?;
            if entry.seconds == 0 {
                self.leave(server, &entry.limit, &users);
                continue;
            }
            let expires = now.saturating_add(Duration::from_secs(entry.seconds));
            self.change(server, &entry.limit, |reported| {
                reported.users(&entry.limit, &users, expires)
            })?;
        }
        Ok(())
    }

    /// Drops all that a member told: it was removed.
    pub fn remove(&mut self, member: Uuid) {
        let Some(told) = self.servers.remove(&Server::Member(member)) else { return };
        for (name, limit) in told.reported.limits() {
            self.count(name, told.reported.counted(name), Counted::default());
            for user in limit.users.keys() {
                self.release(name, *user);
            }
        }
        self.tidy();
    }

    /// Drops what counts no more.
    pub fn forget(&mut self, now: Duration) {
        let is_soon = now < self.looked_at.saturating_add(Duration::from_secs(1));
        if self.entries > MANY && is_soon && now >= self.looked_at {
            return;
        }
        self.looked_at = now;
        let due = |told: &Told| told.reported.earliest().is_some_and(|at| at <= now);
        let servers: Vec<Server> =
            self.servers.iter().filter(|(_, told)| due(told)).map(|(server, _)| *server).collect();
        for server in servers {
            let Some(told) = self.servers.get_mut(&server) else { continue };
            let names: Vec<String> = told.reported.names().map(ToOwned::to_owned).collect();
            let before: Vec<Counted> =
                names.iter().map(|name| told.reported.counted(name)).collect();
            let gone = told.reported.forget(now);
            let is_silent = told.reported.is_empty();
            let after: Vec<Counted> =
                names.iter().map(|name| told.reported.counted(name)).collect();
            for ((name, before), after) in names.iter().zip(before).zip(after) {
                self.count(name, before, after);
            }
            for (name, user) in gone {
                self.release(&name, user);
            }
            if is_silent {
                self.servers.remove(&server);
            }
        }
        self.tidy();
    }

    /// What is used of each limit of which something is reported.
    pub fn totals(&self) -> BTreeMap<String, u64> {
        let used =
            |sum: &Sum| u64::try_from(sum.gauges + sum.users.len() as u128).unwrap_or(u64::MAX);
        self.limits.iter().map(|(name, sum)| (name.clone(), used(sum))).collect()
    }

    /// The distinct users of a limit.
    pub fn distinct_users(&self, limit: &str) -> usize {
        self.limits.get(limit).map_or(0, |sum| sum.users.len())
    }

    /// What each server adds to a limit.
    pub fn shares(&self, limit: &str) -> Vec<Share> {
        let share = |(server, told): (&Server, &Told)| {
            let Counted { sum, reporters, users } = told.reported.counted(limit);
            let gauges = u64::try_from(sum).unwrap_or(u64::MAX);
            (reporters + users > 0).then_some(Share { server: *server, gauges, reporters, users })
        };
        self.servers.iter().filter_map(share).collect()
    }

    /// When the next entry expires.
    pub fn next_expiry(&self) -> Option<Duration> {
        let next = self.servers.values().filter_map(|told| told.reported.earliest()).min()?;
        if self.entries <= MANY {
            return Some(next);
        }
        Some(next.max(self.looked_at.saturating_add(Duration::from_secs(1))))
    }

    fn has_room(&self, more: usize) -> Result<(), UsageError> {
        if self.entries.saturating_add(more) > MOST {
            return Err(UsageError::TooMany { most: MOST });
        }
        Ok(())
    }

    fn change(
        &mut self,
        server: Server,
        limit: &str,
        change: impl FnOnce(&mut Reported) -> Result<Vec<UserHash>, UsageError>,
    ) -> Result<(), UsageError> {
        let told = self.servers.entry(server).or_default();
        let before = told.reported.counted(limit);
        let new = change(&mut told.reported)?;
        let after = told.reported.counted(limit);
        self.count(limit, before, after);
        if let Some(sum) = self.limits.get_mut(limit) {
            for user in new {
                *sum.users.entry(user).or_default() += 1;
            }
        }
        Ok(())
    }

    fn leave(&mut self, server: Server, limit: &str, users: &[UserHash]) {
        let Some(told) = self.servers.get_mut(&server) else { return };
        let before = told.reported.counted(limit);
        let gone = told.reported.left(limit, users);
        let after = told.reported.counted(limit);
        self.count(limit, before, after);
        for user in gone {
            self.release(limit, user);
        }
        self.tidy();
    }

    fn count(&mut self, limit: &str, before: Counted, after: Counted) {
        let entries = |counted: Counted| counted.reporters + counted.users;
        self.entries = self.entries + entries(after) - entries(before);
        if entries(before) + entries(after) == 0 {
            return;
        }
        let sum = self.limits.entry(limit.to_owned()).or_default();
        sum.gauges = sum.gauges + after.sum - before.sum;
        sum.reporters = sum.reporters + after.reporters - before.reporters;
    }

    /// A server has that user no more.
    fn release(&mut self, limit: &str, user: UserHash) {
        let Some(sum) = self.limits.get_mut(limit) else { return };
        if let Some(servers) = sum.users.get_mut(&user) {
            *servers = servers.saturating_sub(1);
            if *servers == 0 {
                sum.users.remove(&user);
            }
        }
    }

    fn tidy(&mut self) {
        self.limits.retain(|_, sum| sum.reporters > 0 || !sum.users.is_empty());
    }
}

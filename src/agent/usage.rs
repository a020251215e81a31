//! What is used in the environment: what the controller's loop keeps of it, in memory, and what of that it tells and stores.

use super::{Agent, members::Members};
use crate::{
    api::{
        KnownUsage, Problem, Reply, Source, UsageOverview, UsageReport, UsedBy, UsedLimit,
        UsersReport,
    },
    entitlement::{LimitStatus, Status, Threshold},
    license::VerifiedLicense,
    members::FiguresFrame,
    store::{Action, Event, Keeper},
    usage::{
        Batch, DAYS_KEPT, DayPeak, Environment, Figure, Figures, LowWater, Peaks, Server,
        UsageError, UserHash, UserKey,
    },
};
use axum::http::StatusCode;
use jiff::{Timestamp, civil::Date};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use uuid::Uuid;

/// The time between two writes of a day's peaks.
const STORE_EVERY: Duration = Duration::from_mins(5);
/// The shortest time between two words to members.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Members that are told in one second without haste.
const TOLD_A_SECOND: u64 = 2_000;
/// The longest that lost members take to come back.
const SETTLING: Duration = Duration::from_secs(150);
/// From when the last member is back until it has told its part.
const TELLING: Duration = Duration::from_secs(5);

/// What is used, and what was told of it. Times are uptime.
pub(super) struct Usage {
    environment: Environment,
    key: UserKey,
    peaks: Peaks,
    stored_at: Option<Duration>,
    low: LowWater,
    started_at: Option<Duration>,
    /// Since when every member is there.
    complete_since: Option<Duration>,
    settled: bool,
    told: Figures,
    told_at: Option<Duration>,
    crossed: BTreeMap<String, Threshold>,
}

impl Usage {
    pub(super) fn new(key: UserKey, keeper: &mut Keeper) -> Self {
        let stored = keeper.peaks(Date::MIN, Date::MAX).unwrap_or_else(|error| {
            tracing::error!(%error, "the peaks of usage can't be read");
            Vec::new()
        });
        Self {
            environment: Environment::default(),
            key,
            peaks: Peaks::restored(stored),
            stored_at: None,
            low: LowWater::default(),
            started_at: None,
            complete_since: None,
            settled: false,
            told: Figures::default(),
            told_at: None,
            crossed: BTreeMap::new(),
        }
    }

    /// Hashes users by that key from now on.
    pub(super) fn use_key(&mut self, key: UserKey) {
        self.key = key;
    }

    /// What is used, by limit; a limit without a live report is left out.
    pub(super) fn totals(&mut self, uptime: Duration) -> BTreeMap<String, u64> {
        self.environment.forget(uptime);
        self.environment.totals()
    }

    /// When something of it is due next.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let settles = (self.started_at.filter(|_| !self.settled)).map(|at| {
            self.complete_since.map_or(at + SETTLING, |since| (since + TELLING).min(at + SETTLING))
        });
        let store = self.stored_at.filter(|_| !self.peaks.is_stored()).map(|at| at + STORE_EVERY);
        [self.environment.next_expiry(), settles, store].into_iter().flatten().min()
    }

    /// A member was removed.
    pub(super) fn remove(&mut self, member: Uuid) {
        self.environment.remove(member);
    }

    pub(super) fn figures(&mut self, uptime: Duration, members: Option<&Members>) -> Figures {
        let (all, watching) = members.map_or((0, 0), |members| members.presence.count());
        let away = all.saturating_sub(watching);
        let started_at = *self.started_at.get_or_insert(uptime);
        self.complete_since = self.complete_since.or(Some(uptime)).filter(|_| away == 0);
        let has_heard = self.complete_since.is_some_and(|since| uptime >= since + TELLING);
        self.settled |= all == 0 || has_heard || uptime >= started_at + SETTLING;
        let limits = self.environment.totals().into_iter().map(|(name, used)| {
            let lowest = self.low.of(&name).min(used);
            (name, Figure { used, lowest })
        });
        Figures { limits: limits.collect(), servers: all + 1, away, settled: self.settled }
    }
}

impl Agent {
    fn licensed(&self, limit: &str) -> bool {
        names(self.holdings.license.as_ref(), limit)
    }

    /// Takes a gauge of a program on this server.
    pub(super) fn take_gauge(&mut self, report: &UsageReport) -> Result<Reply, Problem> {
        let UsageReport { limit, reporter, value, time_to_live } = report;
        self.need_limit(limit)?;
        let uptime = self.uptime();
        self.usage.environment.forget(uptime);
        let expires = uptime.saturating_add(*time_to_live);
        let taken = self.usage.environment.gauge(limit, reporter, *value, expires);
        taken.map_err(|error| uncounted(&error))?;
        self.noted()
    }

    /// Counts users of a program on this server. Their names are gone when this returns.
    pub(super) fn take_users(&mut self, report: &UsersReport) -> Result<Reply, Problem> {
        let UsersReport { limit, users, left, time_to_live } = report;
        self.need_limit(limit)?;
        let users = hashed(&self.usage.key, limit, users.names()).map_err(|e| uncounted(&e))?;
        let left = hashed(&self.usage.key, limit, left.names()).map_err(|e| uncounted(&e))?;
        let uptime = self.uptime();
        self.usage.environment.forget(uptime);
        let expires = uptime.saturating_add(*time_to_live);
        let taken = self.usage.environment.users(limit, &users, expires);
        taken.map_err(|error| uncounted(&error))?;
        self.usage.environment.left(limit, &left);
        self.noted()
    }

    fn noted(&mut self) -> Result<Reply, Problem> {
        let state = self.draft();
        self.conclude(state, Vec::new());
        self.done("the usage was taken note of".to_owned())
    }

    fn need_limit(&self, limit: &str) -> Result<(), Problem> {
        if self.licensed(limit) {
            return Ok(());
        }
        Err(uncounted(&UsageError::NoSuchLimit { limit: limit.to_owned() }))
    }

    /// Takes what a member tells. What follows from it the next turn of the loop concludes, for many members at once.
    pub(super) fn take_batch(&mut self, member: Uuid, batch: &Batch) -> Result<Figures, Problem> {
        let uptime = self.uptime();
        let record = self.parts.keeper.roster().member(member);
        if record.is_some_and(|record| record.removed_at.is_some()) {
            // On its way when it was removed: nobody reads the answer.
            return Ok(Figures::default());
        }
        self.usage.environment.forget(uptime);
        let license = self.holdings.license.as_ref();
        let is_limit = |limit: &str| names(license, limit);
        let taken = self.usage.environment.take(member, batch, is_limit, uptime);
        taken.map_err(|error| uncounted(&error))?;
        Ok(self.usage.figures(uptime, self.parts.members.as_ref()))
    }

    /// Warns of limits that are used up to a step above the last; each step once.
    pub(super) fn cross(&mut self, status: &Status, now: Timestamp, events: &mut Vec<Event>) {
        for (name, limit) in &status.limits {
            let (before, found) = (self.usage.crossed.get(name).copied(), Threshold::of(limit));
            match found {
                Some(threshold) => self.usage.crossed.insert(name.clone(), threshold),
                None => self.usage.crossed.remove(name),
            };
            let Some(threshold) = found.filter(|found| before.is_none_or(|before| *found > before))
            else {
                continue;
            };
            let LimitStatus { limit, used, enforcement, .. } = limit;
            let (limit, used) = (limit.unwrap_or_default(), used.unwrap_or_default());
            tracing::warn!(
                name,
                used,
                limit,
                ?enforcement,
                "a limit is used up: {}",
                threshold.as_str()
            );
            events.push(Event {
                at: now,
                actor: "agent".to_owned(),
                action: Action::LimitCrossed,
                detail: format!("{name}: {used} of {limit} used, {}", threshold.as_str()),
            });
        }
    }

    /// Shows programs and members what is used, and stores the peaks when it is time to.
    pub(super) fn tell_usage(&mut self, status: &Status, now: Timestamp) {
        self.usage.peaks.see(&status.limits, now);
        let uptime = self.uptime();
        let has_past = self.usage.peaks.has_past(now);
        if has_past || self.usage.stored_at.is_none_or(|at| uptime >= at + STORE_EVERY) {
            self.store_peaks();
        }
        let figures = self.usage.figures(uptime, self.parts.members.as_ref());
        self.known.send_if_modified(|known| {
            let is_news = known.source != Source::Here || known.figures != figures;
            if is_news {
                let figures = figures.clone();
                *known = KnownUsage { figures, source: Source::Here, growth: BTreeMap::new() };
            }
            is_news
        });
        self.tell_members_usage(figures, uptime);
    }

    /// At most once a second, and more seldom where there are many: each word goes to all of them.
    fn tell_members_usage(&mut self, figures: Figures, uptime: Duration) {
        let usage = &mut self.usage;
        let told: BTreeMap<_, _> =
            usage.told.limits.iter().map(|(name, figure)| (name.clone(), figure.used)).collect();
        usage.low.told(&told, uptime);
        let Some(members) = &self.parts.members else { return };
        let every = TELL_EVERY.max(Duration::from_secs(figures.servers / TOLD_A_SECOND));
        let is_early = usage.told_at.is_some_and(|at| uptime < at + every);
        if figures == usage.told || is_early {
            return;
        }
        let Some(frame) = FiguresFrame::new(&figures).map(Arc::new) else { return };
        members.latest.send_modify(|latest| latest.figures = Some(frame));
        (usage.told, usage.told_at) = (figures, Some(uptime));
    }

    /// When members are to be told what they were not told yet.
    pub(super) fn usage_due(&self) -> Option<Duration> {
        let usage = &self.usage;
        let known = self.known.borrow();
        let every = TELL_EVERY.max(Duration::from_secs(known.figures.servers / TOLD_A_SECOND));
        let waits = self.parts.members.is_some() && known.figures != usage.told;
        let tell = usage.told_at.filter(|_| waits).map(|at| at + every);
        [usage.next_due(), tell].into_iter().flatten().min()
    }

    /// Stores the peaks that are not stored yet; where the disk refuses, they are stored later.
    pub(super) fn store_peaks(&mut self) {
        let unstored = self.usage.peaks.unstored();
        if unstored.is_empty() {
            return;
        }
        self.usage.stored_at = Some(self.uptime());
        match self.parts.keeper.keep_peaks(&unstored) {
            Ok(()) => self.usage.peaks.stored(),
            Err(error) => tracing::warn!(%error, "the peaks of usage are stored later"),
        }
    }

    /// The peaks of some days, those among them that are not stored yet.
    pub(super) fn peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, Problem> {
        self.store_peaks();
        self.known_peaks(from, to)
    }

    /// The same, without storing any.
    pub(super) fn known_peaks(&mut self, from: Date, to: Date) -> Result<Vec<DayPeak>, Problem> {
        let stored = self.parts.keeper.peaks(from, to).map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let title = "The peaks of usage can't be read";
            Problem::new(status, error.code(), title, error.to_string())
        })?;
        let days = self.usage.peaks.unstored().into_iter();
        let unstored = days.filter(|peak| (from..=to).contains(&peak.day));
        let mut all = BTreeMap::new();
        for peak in stored.into_iter().chain(unstored) {
            all.insert((peak.day, peak.name.clone()), peak);
        }
        Ok(all.into_values().collect())
    }

    /// What is used, by limit and server.
    pub(super) fn usage_overview(&mut self) -> Result<Reply, Problem> {
        let Reply::Done(done) = self.done(String::new())? else { return self.noted() };
        let status = done.status;
        let now = self.now();
        let known = self.known.borrow().clone();
        let limits = status.limits.iter().map(|(name, limit)| UsedLimit {
            name: name.clone(),
            limit: limit.limit,
            enforcement: limit.enforcement,
            used: limit.used,
            state: limit.state,
            distinct_users: Some(self.usage.environment.distinct_users(name) as u64),
            peak: self.usage.peaks.of(name, now).cloned(),
            by_server: self.used_by(name),
        });
        Ok(Reply::Usage(UsageOverview {
            fresh: known.figures.settled,
            age_seconds: Some(0),
            servers: Some(known.figures.servers),
            away: Some(known.figures.away),
            told_to_portal: Some(self.parts.reports_usage),
            limits: limits.collect(),
        }))
    }

    fn used_by(&self, limit: &str) -> Vec<UsedBy> {
        let shares = self.usage.environment.shares(limit).into_iter();
        let used_by = shares.map(|share| {
            let (member, name) = match share.server {
                Server::Here => (None, "controller".to_owned()),
                Server::Member(id) => (Some(id), self.member_name(id)),
            };
            UsedBy {
                member,
                name,
                gauges: share.gauges,
                reporters: share.reporters as u64,
                users: share.users as u64,
            }
        });
        used_by.collect()
    }
}

/// The days of a report: 30 unless told, never more than are kept.
pub(super) fn days(
    from: Option<Date>,
    to: Option<Date>,
    today: Date,
) -> Result<(Date, Date), Problem> {
    let bad = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter is wrong", detail)
    };
    let to = to.unwrap_or(today);
    let before = |days: u32| to.checked_sub(jiff::Span::new().days(i64::from(days)));
    let from = from.map_or_else(|| before(29), Ok).map_err(|error| bad(error.to_string()))?;
    if from > to || before(DAYS_KEPT).is_ok_and(|first| from < first) {
        let detail = format!(
            "expected a first day at most {DAYS_KEPT} days before the last one, found {from} to {to}: choose others"
        );
        return Err(bad(detail));
    }
    Ok((from, to))
}

fn names(license: Option<&VerifiedLicense>, limit: &str) -> bool {
    license.is_some_and(|license| license.claims().limits.contains_key(limit))
}

/// The hashes of users by their names.
pub(super) fn hashed<'a>(
    key: &UserKey,
    limit: &str,
    users: impl Iterator<Item = &'a str>,
) -> Result<Vec<UserHash>, UsageError> {
    users.map(|user| key.hash_checked(limit, user)).collect()
}

/// Why a report is not counted, for who reports.
pub(super) fn uncounted(error: &UsageError) -> Problem {
    let status = match error {
        UsageError::NoSuchLimit { .. } => StatusCode::NOT_FOUND,
        UsageError::TooManyReporters { .. }
        | UsageError::TooManyUsers { .. }
        | UsageError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, error.code(), "The usage was not taken", error.to_string())
}

//! What programs on this member report as used: counted here, told to the controller, and the environment's sums from there.

use super::{MemberAgent, Order, random_chance};
use crate::{
    agent::usage::{hashed, uncounted},
    api::{
        KnownUsage, Problem, Reply, Source, UsageOverview, UsageReport, UsedBy, UsedLimit,
        UsersReport,
    },
    members::{Accepted, MembersError},
    usage::{Batch, Figures, MOST_IN_A_BATCH, Outbox, UsageError, UserKey},
};
use axum::http::StatusCode;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The shortest time between two words to the controller.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// The time until one is said again that the controller did not take.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// What this server's programs report, and what is known of the others. Times are uptime.
pub(super) struct MemberUsage {
    outbox: Outbox,
    /// Nothing until the controller has told it.
    key: Option<UserKey>,
    /// The last sums.
    figures: Option<Figures>,
    /// When the controller was last heard of on a connection on which it told sums.
    heard_at: Option<Instant>,
    /// Whether that connection is open.
    is_open: bool,
    /// What is on its way, since when.
    under_way: Option<(Batch, Duration)>,
    /// Not before.
    tell_at: Duration,
    /// Whether something changed since it was looked for what there is to tell, and when there is else.
    changed: bool,
    due_at: Option<Duration>,
    refused: bool,
}

impl MemberUsage {
    pub(super) fn new(key: Option<UserKey>, session: u64) -> Self {
        Self {
            outbox: Outbox::new(session),
            key,
            figures: None,
            heard_at: None,
            is_open: false,
            under_way: None,
            tell_at: Duration::ZERO,
            changed: false,
            due_at: None,
            refused: false,
        }
    }

    /// What is used, by limit; nothing as long as the controller told no sums.
    pub(super) fn used(&self) -> Option<BTreeMap<String, u64>> {
        let figures = self.figures.as_ref()?;
        Some(figures.limits.iter().map(|(name, figure)| (name.clone(), figure.used)).collect())
    }

    fn known(&self) -> KnownUsage {
        KnownUsage {
            figures: self.figures.clone().unwrap_or_default(),
            source: match self.heard_at {
                None => Source::Nowhere,
                Some(at) if self.is_open => Source::Controller(at),
                Some(at) => Source::Lost(at),
            },
            growth: self.outbox.growth(),
        }
    }
}

impl MemberAgent {
    pub(super) fn take_gauge(&mut self, report: &UsageReport) -> Result<Reply, Problem> {
        let UsageReport { limit, reporter, value, time_to_live } = report;
        self.need_limit(limit)?;
        let uptime = self.uptime();
        self.usage.outbox.forget(uptime);
        let expires = uptime.saturating_add(*time_to_live);
        let taken = self.usage.outbox.gauge(limit, reporter, *value, expires);
        taken.map_err(|error| uncounted(&error))?;
        self.noted()
    }

    /// Counts users. Their names are gone when this returns: without the key nothing of them is kept for later.
    pub(super) fn take_users(&mut self, report: &UsersReport) -> Result<Reply, Problem> {
        let UsersReport { limit, users, left, time_to_live } = report;
        self.need_limit(limit)?;
        let key = self.usage.key.as_ref().ok_or_else(|| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let detail = "users are counted by hashes, and the controller has not told this server the key of those yet: try again when it can be reached";
            let title = "Users can't be counted yet";
            Problem::new(status, "usage-key-missing", title, detail).retry_after(5)
        })?;
        let users = hashed(key, limit, users.names()).map_err(|error| uncounted(&error))?;
        let left = hashed(key, limit, left.names()).map_err(|error| uncounted(&error))?;
        let uptime = self.uptime();
        self.usage.outbox.forget(uptime);
        let expires = uptime.saturating_add(*time_to_live);
        let taken = self.usage.outbox.users(limit, &users, expires);
        taken.map_err(|error| uncounted(&error))?;
        self.usage.outbox.left(limit, &left);
        self.noted()
    }

    fn noted(&mut self) -> Result<Reply, Problem> {
        self.usage.changed = true;
        self.show_usage();
        self.done("the usage was taken note of, and goes to the controller".to_owned())
    }

    fn need_limit(&self, limit: &str) -> Result<(), Problem> {
        let license = self.held.as_ref().map(Accepted::license);
        if license.is_some_and(|license| license.claims().limits.contains_key(limit)) {
            return Ok(());
        }
        Err(uncounted(&UsageError::NoSuchLimit { limit: limit.to_owned() }))
    }

    pub(super) fn uptime(&self) -> Duration {
        self.parts.clock.read().uptime
    }

    /// Sends what the controller does not know, where there is a way to it; when to look again.
    pub(super) fn tell_usage(&mut self) -> Option<Duration> {
        let uptime = self.uptime();
        let expires = self.usage.outbox.reported().earliest();
        if expires.is_some_and(|expires| expires <= uptime) {
            self.usage.outbox.forget(uptime);
            self.usage.changed = true;
            self.show_usage();
        }
        let expires = self.usage.outbox.reported().earliest();
        if self.reachable != Some(true) || self.usage.under_way.is_some() {
            return expires;
        }
        if uptime < self.usage.tell_at && (self.usage.changed || self.usage.due_at.is_some()) {
            return [Some(self.usage.tell_at), expires].into_iter().flatten().min();
        }
        // Looking through all of it takes its time: once a second, and not for each report.
        if self.usage.changed {
            self.usage.changed = false;
            self.usage.due_at = self.usage.outbox.due_at(uptime);
        }
        if self.usage.due_at.is_some_and(|due| due <= uptime) {
            self.usage.due_at = None;
            if let Some(batch) = self.usage.outbox.batch(uptime) {
                self.order(Order::TellUsage { batch: batch.clone() });
                self.usage.under_way = Some((batch, uptime));
            }
        }
        [self.usage.due_at, expires].into_iter().flatten().min()
    }

    /// The controller has taken what was under way, or not.
    pub(super) fn usage_told(&mut self, told: Result<Figures, MembersError>) {
        let uptime = self.uptime();
        let under_way = self.usage.under_way.take();
        self.usage.changed = true;
        match (told, under_way) {
            (Ok(figures), Some((batch, made_at))) => {
                self.usage.outbox.taken(&batch, made_at);
                let is_full = batch.len() >= MOST_IN_A_BATCH;
                self.usage.tell_at = if is_full { uptime } else { uptime + TELL_EVERY };
                self.usage.refused = false;
                self.hear_usage(figures);
            }
            // The connection was another one by then: all is told again.
            (Ok(_), None) => {}
            (Err(error), _) => {
                if !self.usage.refused {
                    tracing::warn!(code = error.code(), "the controller takes no usage: {error}");
                }
                self.usage.refused = true;
                self.usage.tell_at = uptime + TELL_AGAIN.mul_f64(0.5 + random_chance());
            }
        }
    }

    /// The environment's sums.
    pub(super) fn hear_usage(&mut self, figures: Figures) {
        self.usage.figures = Some(figures);
        self.usage.heard_at = Some(Instant::now());
        self.usage.is_open = true;
        self.show_usage();
    }

    /// The key of user hashes. With another one than before, those that were counted are others' to count again.
    pub(super) fn hear_usage_key(&mut self, key: UserKey) {
        if self.usage.key.as_ref() == Some(&key) {
            return;
        }
        if let Err(error) = self.parts.directory.keep_usage_key(&key) {
            tracing::warn!("the key of user hashes could not be kept: {error}");
        }
        if self.usage.key.replace(key).is_some() {
            self.usage.outbox.forget_users();
            self.usage.changed = true;
        }
        self.show_usage();
    }

    /// The controller is there: what it said last still holds.
    pub(super) fn usage_holds(&mut self) {
        if self.usage.is_open {
            self.usage.heard_at = Some(Instant::now());
            self.show_usage();
        }
    }

    /// The way to the controller is another one, or none.
    pub(super) fn usage_parted(&mut self) {
        self.usage.is_open = false;
        self.usage.under_way = None;
        self.usage.tell_at = Duration::ZERO;
        self.usage.outbox.tell_again();
        self.usage.changed = true;
        self.show_usage();
    }

    fn show_usage(&self) {
        self.known.send_replace(self.usage.known());
    }

    /// What is used; of the servers, this one's part.
    pub(super) fn usage_overview(&self) -> Result<Reply, Problem> {
        let Reply::Done(done) = self.done(String::new())? else {
            return self.done(String::new());
        };
        let known = self.usage.known();
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let id = self.parts.keeper.state().membership.as_ref().map(|membership| membership.id);
        let reported = self.usage.outbox.reported();
        let limits = done.status.limits.iter().map(|(limit, status)| {
            let share = reported.share(limit);
            let by_server = share.map(|(gauges, reporters, users)| UsedBy {
                member: id,
                name: name.clone(),
                gauges,
                reporters: reporters as u64,
                users: users as u64,
            });
            UsedLimit {
                name: limit.clone(),
                limit: status.limit,
                enforcement: status.enforcement,
                used: status.used,
                state: status.state,
                distinct_users: None,
                peak: None,
                by_server: by_server.into_iter().collect(),
            }
        });
        let figures = self.usage.figures.as_ref();
        let known = known.of("", None);
        Ok(Reply::Usage(UsageOverview {
            fresh: known.stale.is_none(),
            age_seconds: known.age.map(|age| age.as_secs()),
            servers: figures.map(|figures| figures.servers),
            away: figures.map(|figures| figures.away),
            told_to_portal: None,
            limits: limits.collect(),
        }))
    }
}

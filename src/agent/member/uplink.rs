//! The way to the controller: a task that keeps a watch open, brings what it hears, and does what it is told.

mod attached;

use super::{Heard, Joining, Order, random_chance};
use attached::Attached;

use crate::{
    agent::Clock,
    members::{
        Connection, JoinToken, Joined, MemberIdentity, MemberReport, MembersError, Watch, Word,
        join, policy::pause,
    },
};
use jiff::Timestamp;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// The time between two reports where nothing changes: the lease moves on.
const REPORT_EVERY: Duration = Duration::from_hours(1);
/// Failed tries after which a controller is let rest that sends what is refused.
const RESTING: u32 = 6;

/// The way to the controller.
pub(in crate::agent) struct Uplink {
    orders: mpsc::UnboundedReceiver<Order>,
    heard: mpsc::Sender<Heard>,
    clock: Arc<dyn Clock>,
    name: String,
    member: Option<Attached>,
    link: Option<(Connection, Watch)>,
    /// Over which time the controller wants lost members to return.
    spread: Duration,
    failures: u32,
    try_at: Option<Instant>,
    report_at: Option<Instant>,
    present_at: Option<(Instant, String)>,
    renew_at: Option<Instant>,
    renew_failures: u32,
    generation: u64,
    lease_ends_at: Option<Timestamp>,
    /// How often in a row somebody was there who is no controller.
    astray: u32,
}

impl Uplink {
    /// A way that is not open yet.
    pub(in crate::agent) const fn new(
        orders: mpsc::UnboundedReceiver<Order>,
        heard: mpsc::Sender<Heard>,
        clock: Arc<dyn Clock>,
        name: String,
    ) -> Self {
        Self {
            orders,
            heard,
            clock,
            name,
            member: None,
            link: None,
            spread: Duration::ZERO,
            failures: 0,
            try_at: None,
            report_at: None,
            present_at: None,
            renew_at: None,
            renew_failures: 0,
            generation: 0,
            lease_ends_at: None,
            astray: 0,
        }
    }

    /// Runs until nobody gives orders or listens any more.
    pub(in crate::agent) async fn run(mut self) {
        loop {
            let report_at = self.report_at.filter(|_| self.link.is_some());
            let present_at = self.present_at.as_ref().map(|(at, _)| *at);
            let goes_on = tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                word = next_word(&mut self.link) => self.word(word).await,
                () = due(self.try_at) => self.connect().await,
                () = due(report_at) => self.report().await,
                () = due(present_at) => self.present().await,
                () = due(self.renew_at) => self.renew().await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Brings something; false where nobody listens any more.
    async fn bring(&self, heard: Heard) -> bool {
        self.heard.send(heard).await.is_ok()
    }

    async fn obey(&mut self, order: Order) -> bool {
        let now = Instant::now();
        match order {
            Order::Join { controllers, token, actor, reply } => {
                let result = self.join(&controllers, &token).await;
                let joining = Joining { result, controllers, token, actor, reply };
                return self.bring(Heard::Joined(Box::new(joining))).await;
            }
            Order::Attach { controllers, ca, identity } => {
                self.link = None;
                self.failures = 0;
                self.member = Some(Attached { controllers, ca, identity, next: 0 });
                // Servers that were started together do not come together.
                self.try_at = Some(now + Duration::from_secs(1).mul_f64(random_chance()));
            }
            Order::Know { controllers } => {
                if let Some(member) = &mut self.member {
                    member.know(controllers);
                }
            }
            Order::Follow { controllers } => {
                if let Some(member) = &mut self.member {
                    (member.next, member.controllers) = (0, controllers);
                }
                self.link = None;
                self.failures = 0;
                // Over the same time as after a loss: all members follow at once.
                self.try_again();
            }
            Order::Elsewhere => self.go_elsewhere(),
            Order::Identify { identity } => {
                if let Some(member) = &mut self.member {
                    member.identity = identity;
                }
                if self.link.is_none() && self.try_at.is_some() {
                    self.try_at = Some(now);
                }
            }
            Order::Hold { generation, lease_ends_at } => {
                self.lease_ends_at = lease_ends_at;
                self.astray = 0;
                self.present_at = None;
                if self.generation != generation {
                    self.generation = generation;
                    self.report_within(self.spread + Duration::from_secs(1));
                }
            }
            Order::Present { statement } => {
                // All members hold it: one of them is enough, and the others hear of it meanwhile.
                let wait = (self.spread + Duration::from_secs(1)).mul_f64(random_chance());
                self.present_at = Some((now + wait, statement));
            }
            Order::TellUsage { batch } => {
                let Some(connection) = self.open_connection() else {
                    let address = "the last address".to_owned();
                    let reason = "the connection was lost".to_owned();
                    let lost = MembersError::Unreachable { address, reason };
                    return self.bring(Heard::UsageTold(Err(lost))).await;
                };
                let Some(told) = self.meanwhile(connection.tell_usage(&batch)).await else {
                    return false;
                };
                return self.bring(Heard::UsageTold(told)).await;
            }
            Order::Renew => {
                self.renew_at.get_or_insert(now);
            }
            Order::TryLater => {
                self.link = None;
                self.failures = self.failures.max(RESTING);
                self.try_again();
            }
        }
        true
    }

    async fn join(
        &self,
        controllers: &[String],
        token: &JoinToken,
    ) -> Result<(Joined, MemberIdentity), MembersError> {
        let mut last = MembersError::Address { found: String::new() };
        for address in controllers {
            match join(address, token, &self.name).await {
                Ok(joined) => return Ok(joined),
                // It knows the token, or is the wrong one: the others will say the same.
                Err(error @ MembersError::Refused { .. }) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn word(&mut self, word: Result<Word, MembersError>) -> bool {
        if let Some((_, watch)) = &self.link {
            self.spread = watch.spread();
        }
        match word {
            Ok(Word::Statement(text)) => self.bring(Heard::Statement(text)).await,
            Ok(Word::Signpost(text)) => self.bring(Heard::Signpost(text)).await,
            Ok(Word::Usage(figures)) => self.bring(Heard::Usage(figures)).await,
            Ok(Word::Beat) => self.bring(Heard::Beat).await,
            // The lease runs, as it would without a controller.
            Ok(Word::Nothing) => {
                // A new controller states nothing before its license comes: the old one may still.
                if self.member.as_ref().is_some_and(|member| member.controllers.len() > 1) {
                    self.go_elsewhere();
                }
                true
            }
            Err(error) => {
                self.link = None;
                self.failures = 0;
                self.try_again();
                self.bring(Heard::Lost(error)).await
            }
        }
    }

    /// Leaves for the next address, ever more slowly: the right one may not be there yet.
    fn go_elsewhere(&mut self) {
        self.link = None;
        if let Some(member) = &mut self.member {
            member.next = member.next.wrapping_add(1);
        }
        self.astray = self.astray.saturating_add(1);
        self.failures = self.astray;
        self.try_again();
    }

    /// Waits for an answer, and hears on meanwhile: a question may hang where words still come. Nothing where nobody listens
    /// any more.
    async fn meanwhile<T>(&mut self, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = Box::pin(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return Some(answer),
                word = next_word(&mut self.link) => if !self.word(word).await { return None },
            }
        }
    }

    fn try_again(&mut self) {
        let wait = pause(self.failures, self.spread, random_chance());
        self.try_at = Some(Instant::now() + wait);
        self.failures = self.failures.saturating_add(1);
    }

    fn open_connection(&self) -> Option<Connection> {
        self.link.as_ref().map(|(connection, _)| connection.clone())
    }

    async fn connection(&self) -> Option<Result<Connection, MembersError>> {
        let member = self.member.as_ref()?;
        Some(Connection::to(member.address()?, &member.ca, &member.identity).await)
    }

    async fn connect(&mut self) -> bool {
        self.try_at = None;
        let Some(connection) = self.connection().await else { return true };
        let opened = match connection {
            Ok(connection) => connection.watch().await.map(|watch| (connection, watch)),
            Err(error) => Err(error),
        };
        match opened {
            Ok((connection, watch)) => {
                let address = connection.address().to_owned();
                self.link = Some((connection, watch));
                self.failures = 0;
                self.report_within(self.spread + Duration::from_secs(1));
                self.bring(Heard::Connected { address }).await
            }
            Err(error) => {
                if matches!(error, MembersError::Impostor { .. }) && !self.hear_claim().await {
                    return false;
                }
                if let Some(member) = &mut self.member {
                    member.next = member.next.wrapping_add(1);
                }
                self.failures = self.failures.max(1);
                self.try_again();
                self.bring(Heard::Lost(error)).await
            }
        }
    }

    /// Reads what somebody states who is not of the known authority: the environment may have another one now.
    async fn hear_claim(&self) -> bool {
        let Some(member) = &self.member else { return true };
        let Some(address) = member.address() else { return true };
        let claimed = match Connection::to_stranger(address, &member.identity).await {
            Ok(connection) => connection.statement().await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok(text) => self.bring(Heard::Claimed(text)).await,
            Err(error) => {
                tracing::debug!(%error, "who is at the controller's address states nothing");
                true
            }
        }
    }

    fn report_within(&mut self, longest: Duration) {
        let at = Instant::now() + longest.mul_f64(random_chance());
        self.report_at = Some(self.report_at.map_or(at, |before| before.min(at)));
    }

    async fn report(&mut self) -> bool {
        self.report_at = None;
        let Some(connection) = self.open_connection() else { return true };
        let report = MemberReport {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generation: self.generation,
            clock: self.clock.read().clock,
            lease_ends_at: self.lease_ends_at,
        };
        let Some(reported) = self.meanwhile(connection.report(&report)).await else { return false };
        let key = reported.unwrap_or_else(|error| {
            tracing::debug!(%error, "the controller took no report");
            None
        });
        self.report_within(REPORT_EVERY);
        match key {
            Some(key) => self.bring(Heard::UsageKey(key)).await,
            None => true,
        }
    }

    async fn present(&mut self) -> bool {
        let Some((_, statement)) = self.present_at.take() else { return true };
        let Some(connection) = self.open_connection() else { return true };
        let Some(presented) = self.meanwhile(connection.present(statement)).await else {
            return false;
        };
        if let Err(error) = presented {
            tracing::warn!(
                code = error.code(),
                "the controller follows no newer statement: {error}"
            );
        }
        true
    }

    async fn renew(&mut self) -> bool {
        self.renew_at = None;
        let Some(connection) = self.connection().await else { return true };
        let renewed = self.meanwhile(async { connection?.renew().await }).await;
        let Some(renewed) = renewed else { return false };
        match renewed {
            Ok((identity, life)) => {
                self.renew_failures = 0;
                self.bring(Heard::Renewed(identity, life)).await
            }
            Err(error) => {
                tracing::warn!(
                    code = error.code(),
                    "the certificate could not be renewed: {error}"
                );
                self.renew_failures = self.renew_failures.saturating_add(1);
                let wait = pause(self.renew_failures, self.spread, random_chance());
                self.renew_at = Some(Instant::now() + wait * 5);
                true
            }
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

async fn next_word(link: &mut Option<(Connection, Watch)>) -> Result<Word, MembersError> {
    match link {
        Some((_, watch)) => watch.next().await,
        None => pending().await,
    }
}

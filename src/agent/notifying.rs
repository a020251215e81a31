//! Tells the webhook's receiver of each change of the status, beside the loop: nothing waits for it.

use crate::{
    api::Published,
    entitlement::{State, Status},
    health::Metrics,
    store::StateDirectory,
    upstream::{Backoff, Message, Webhook},
};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{sync::watch, time::Instant};

/// Changes that wait for their receiver; of more, the oldest are given up.
const MOST_WAITING: usize = 256;
/// How long a change is worth telling.
const WORTH_TELLING: Duration = Duration::from_hours(24);
/// What the receiver distinguishes messages by.
const KIND: &str = "entitlement.status_changed";

/// Tells of changes.
pub(super) struct Notifier {
    webhook: Webhook,
    published: watch::Receiver<Option<Arc<Published>>>,
    directory: StateDirectory,
    metrics: Arc<Metrics>,
    /// The last change that was seen: its generation and its state.
    seen: Option<(u64, State)>,
    waiting: VecDeque<Waiting>,
    backoff: Backoff,
    seed: u64,
    /// When the next try is due.
    due: Instant,
    /// Whether the last try failed: told once, not at each.
    failing: bool,
}

struct Waiting {
    message: Message,
    generation: u64,
    since: Instant,
}

/// The body of a message, in the form that the specification "Standard Webhooks" proposes.
#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: Change<'a>,
}

#[derive(Serialize)]
struct Change<'a> {
    previous_state: Option<State>,
    status: &'a Status,
    /// The same, signed by the environment, with the license inside.
    statement: Option<&'a str>,
}

impl Notifier {
    pub(super) fn new(
        webhook: Webhook,
        published: watch::Receiver<Option<Arc<Published>>>,
        directory: StateDirectory,
        metrics: Arc<Metrics>,
        seed: u64,
    ) -> Self {
        Self {
            webhook,
            published,
            directory,
            metrics,
            seen: None,
            waiting: VecDeque::new(),
            backoff: Backoff::new(seed),
            seed,
            due: Instant::now(),
            failing: false,
        }
    }

    /// Runs until the agent has ended.
    pub(super) async fn run(mut self) {
        let told = self.directory.told_generation();
        self.published.mark_changed();
        loop {
            let first = self.waiting.front();
            let attempt = async {
                let Some(waiting) = first else { return std::future::pending().await };
                tokio::time::sleep_until(self.due).await;
                // Not the effective time: the receiver compares it with its own clock.
                let now = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
                self.webhook.deliver(&waiting.message, now).await
            };
            tokio::select! {
                changed = self.published.changed() => match changed {
                    Ok(()) => self.note(told),
                    Err(_) => return,
                },
                tried = attempt => self.tried(tried),
            }
        }
    }

    /// A change was published.
    fn note(&mut self, told: Option<u64>) {
        let published = self.published.borrow_and_update().clone();
        let Some(published) = published else { return };
        let status = &published.status;
        let before = self.seen.replace((status.generation, status.state));
        // At the start, what was told before the restart is not told again.
        let known = before.map_or(told, |(generation, _)| Some(generation));
        if known == Some(status.generation) {
            return;
        }
        let data = Change {
            previous_state: before.map(|(_, state)| state),
            status,
            statement: published.statement.as_deref(),
        };
        let payload = Payload { r#type: KIND, timestamp: status.since, data };
        let Ok(body) = serde_json::to_string(&payload) else { return };
        // Of what is in it: another agent's is another, a restarted one's the same.
        let digest = Sha256::digest(body.as_bytes());
        let id =
            digest.iter().take(16).fold("msg_".to_owned(), |id, byte| id + &format!("{byte:02x}"));
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.pop_front();
            self.metrics.webhook_tried("given-up");
        }
        let message = Message { id, body };
        let (generation, since) = (status.generation, Instant::now());
        self.waiting.push_back(Waiting { message, generation, since });
    }

    /// Notes what was told, so that a restart does not tell it again; beside the loop, for a disk may be slow.
    fn keep(&self, generation: u64) {
        let directory = self.directory.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = directory.keep_told_generation(generation) {
                tracing::warn!(%error, "a restart will tell the webhook's receiver once more");
            }
        });
    }

    /// The first of those that wait was tried.
    fn tried(&mut self, tried: Result<(), crate::upstream::Undelivered>) {
        let Some(first) = self.waiting.front() else { return };
        match tried {
            Ok(()) => {
                self.metrics.webhook_tried("delivered");
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the webhook's receiver takes messages again");
                }
                self.keep(first.generation);
                self.waiting.pop_front();
                self.backoff = Backoff::new(self.seed);
                self.due = Instant::now();
            }
            Err(error) => {
                self.metrics.webhook_tried("failed");
                let pause = self.backoff.next(error.retry_after);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(
                        reason = %error,
                        "the webhook's receiver has not taken a message; it is tried again for a day"
                    );
                }
                if first.since.elapsed() > WORTH_TELLING {
                    self.waiting.pop_front();
                    self.metrics.webhook_tried("given-up");
                }
                self.due = Instant::now() + pause;
            }
        }
    }
}

//! Delivering what waits, to each webhook apart: one whose receiver says nothing keeps no other waiting.

use super::{
    super::{
        Portal, PortalError,
        clock::whole_second,
        store::{DueWebhook, StoreError, StoredMessage, StoredWebhook, View},
    },
    WebhookRefusal,
};
use crate::upstream::{Backoff, Message, Undelivered, Webhook};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::{Id, JoinError, JoinSet};
use uuid::Uuid;

/// How often a process looks for what others have queued.
const LOOK: Duration = Duration::from_secs(1);
/// The same while the store can't be used.
const LOOK_BROKEN: Duration = Duration::from_secs(30);
/// Messages of a webhook that are taken at once.
const CLAIMED: u32 = 32;
/// Of these, on their way at once.
const AT_ONCE: usize = 4;
/// How long a claim holds: longer than all that is claimed takes, each ten seconds at most.
const CLAIM: SignedDuration = SignedDuration::from_mins(2);
/// How long a message is worth telling.
const WORTH_TELLING: SignedDuration = SignedDuration::from_hours(72);
/// How long one that was given up is kept, for whoever looks why.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What was claimed for one webhook.
struct Claimed {
    webhook: DueWebhook,
    messages: Vec<StoredMessage>,
}

/// Tells in the name of one process.
struct Teller {
    portal: Portal,
    by: String,
    /// Each holds the certificates that it believes, and these are read once.
    receivers: Mutex<HashMap<Uuid, Arc<Webhook>>>,
}

/// What became of a message: a webhook that was silent is not asked again by the rest of what was claimed.
enum Told {
    Taken,
    NotTaken,
    Silent,
    NotTried,
}

impl Portal {
    /// Delivers what waits for webhooks, until it is dropped. Several processes may do this on one database.
    pub async fn deliver_webhooks(&self) {
        let teller = Arc::new(Teller::new(self, &Uuid::new_v4().to_string()));
        let (mut under_way, mut told) = (JoinSet::new(), HashMap::new());
        loop {
            let pause = match teller.claim(told.values().copied().collect()).await {
                Ok(claimed) => {
                    for claimed in claimed {
                        let (teller, id) = (teller.clone(), claimed.webhook.id);
                        let task = under_way.spawn(async move { teller.deliver(claimed).await });
                        told.insert(task.id(), id);
                    }
                    LOOK
                }
                Err(error) => {
                    tracing::error!(%error, code = error.code(), "webhooks are not told");
                    LOOK_BROKEN
                }
            };
            // Whose messages were told may have more of them.
            tokio::select! {
                Some(ended) = under_way.join_next_with_id() => {
                    told.remove(&ended_well(ended));
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tries once what is due now, in the name of `by`: how many messages were tried.
    ///
    /// # Errors
    /// What the store says.
    pub async fn deliver_due(&self, by: &str) -> Result<usize, PortalError> {
        let teller = Teller::new(self, by);
        let claimed = teller.claim(Vec::new()).await?;
        let each = claimed.into_iter().map(|claimed| teller.deliver(claimed));
        Ok(futures_util::future::try_join_all(each).await?.into_iter().sum())
    }
}

/// Which task has ended; what it could not do is in the log. Its messages are anybody's when their claim ends.
fn ended_well(ended: Result<(Id, Result<usize, PortalError>), JoinError>) -> Id {
    match ended {
        Ok((id, Ok(_))) => id,
        Ok((id, Err(error))) => {
            tracing::error!(%error, code = error.code(), "a webhook is not told");
            id
        }
        Err(error) => {
            tracing::error!(%error, "telling a webhook has failed by a fault of the portal");
            error.id()
        }
    }
}

impl Teller {
    fn new(portal: &Portal, by: &str) -> Self {
        Self { portal: portal.clone(), by: by.to_owned(), receivers: Mutex::default() }
    }

    /// Takes what is due, but for webhooks that are being told, and forgets what was given up long ago.
    async fn claim(&self, being_told: Vec<Uuid>) -> Result<Vec<Claimed>, PortalError> {
        let (portal, by) = (self.portal.clone(), self.by.clone());
        let now = whole_second(portal.now());
        let (until, old) = (after(now, CLAIM), before(now, KEPT));
        let work = move || {
            let look = |view: &View<'_>| {
                Ok::<_, StoreError>((view.due_webhooks(now)?, view.has_given_up_before(old)?))
            };
            let (mut due, has_old) = portal.store().read(look)?;
            due.retain(|webhook| !being_told.contains(&webhook.id));
            if due.is_empty() && !has_old {
                return Ok(Vec::new());
            }
            Ok(portal.store().write(move |change| {
                if has_old {
                    change.forget_given_up(old)?;
                }
                let claim = |webhook: DueWebhook| {
                    // Where its receiver was silent, one message is enough to find out whether it still is.
                    let most = if webhook.silent_tries == 0 { CLAIMED } else { 1 };
                    let messages = change.claim_messages(webhook.id, &by, now, until, most)?;
                    Ok::<_, StoreError>(Claimed { webhook, messages })
                };
                due.into_iter().map(claim).collect::<Result<Vec<_>, _>>()
            })?)
        };
        self.portal.off_the_runtime(work).await
    }

    /// Tries what was claimed, and notes whether the receiver answers at all: how many messages were tried.
    async fn deliver(&self, claimed: Claimed) -> Result<usize, PortalError> {
        let Claimed { webhook, messages } = claimed;
        let is_silent = AtomicBool::new(false);
        let each = messages.into_iter().map(|message| self.tell(message, &is_silent));
        let told: Vec<Told> = stream::iter(each).buffer_unordered(AT_ONCE).try_collect().await?;
        let has_answered = told.iter().any(|told| matches!(told, Told::Taken | Told::NotTaken));
        if is_silent.into_inner() {
            let before = if has_answered { 0 } else { webhook.silent_tries };
            self.pause(webhook.id, before).await?;
        } else if has_answered && webhook.silent_tries > 0 {
            let id = webhook.id;
            self.portal.store().write_later(move |change| change.resume_webhook(id)).await?;
        }
        Ok(told.iter().filter(|told| !matches!(told, Told::NotTried)).count())
    }

    /// Leaves a silent receiver alone for a while, ever longer. Its messages grow old meanwhile without being tried.
    async fn pause(&self, id: Uuid, silent_tries: u32) -> Result<(), PortalError> {
        let now = whole_second(self.portal.now());
        let until = after(now, pause(&id.to_string(), silent_tries, None));
        let (by, old) = (self.by.clone(), before(now, WORTH_TELLING));
        tracing::warn!(webhook = %id, %until, "a webhook's receiver says nothing and is left alone");
        let paused = self.portal.store().write_later(move |change| {
            change.pause_webhook(id, &by, silent_tries.saturating_add(1), until)?;
            change.give_up_older(id, old, now, "no answer in time")
        });
        Ok(paused.await?)
    }

    async fn tell(
        &self,
        message: StoredMessage,
        is_silent: &AtomicBool,
    ) -> Result<Told, PortalError> {
        if is_silent.load(Ordering::Relaxed) {
            return Ok(Told::NotTried);
        }
        let id = message.webhook_id;
        // A webhook that was removed meanwhile has taken its messages along.
        let Some(receiver) = self.receiver(id).await? else { return Ok(Told::NotTried) };
        let sent = Message { id: message.id.clone(), body: message.body.clone() };
        let tried = match receiver {
            Ok(receiver) => receiver.deliver(&sent, self.portal.now()).await,
            Err(unusable) => Err(unusable),
        };
        let Err(undelivered) = tried else {
            let store = self.portal.store();
            store.write_later(move |change| change.message_delivered(&message.id)).await?;
            return Ok(Told::Taken);
        };
        tracing::warn!(
            webhook = %id, message = message.id, reason = %undelivered,
            "a webhook's receiver has not taken a message"
        );
        let told = if undelivered.is_silent { Told::Silent } else { Told::NotTaken };
        is_silent.fetch_or(undelivered.is_silent, Ordering::Relaxed);
        self.note(message, undelivered).await?;
        Ok(told)
    }

    /// Notes that a message was not taken, and when it is tried again.
    async fn note(
        &self,
        message: StoredMessage,
        undelivered: Undelivered,
    ) -> Result<(), PortalError> {
        let now = whole_second(self.portal.now());
        let due_at = after(now, pause(&message.id, message.tries, undelivered.retry_after));
        let is_dead = now.duration_since(message.created_at) >= WORTH_TELLING;
        let (by, dead_at) = (self.by.clone(), is_dead.then_some(now));
        let noted = self.portal.store().write_later(move |change| {
            change.message_failed(&message.id, &by, &undelivered.reason, due_at, dead_at)
        });
        Ok(noted.await?)
    }

    /// The receiver of a webhook that is still there, or why it can't be used.
    async fn receiver(
        &self,
        id: Uuid,
    ) -> Result<Option<Result<Arc<Webhook>, Undelivered>>, PortalError> {
        let kept = self.receivers().get(&id).cloned();
        let portal = self.portal.clone();
        let work = move || {
            let Some(webhook) = portal.store().read(|view| view.webhook(id))? else {
                return Ok(None);
            };
            Ok(Some(kept.map_or_else(|| receiver_of(&webhook), Ok)))
        };
        let found = self.portal.off_the_runtime(work).await?;
        let mut receivers = self.receivers();
        match &found {
            Some(Ok(receiver)) => drop(receivers.insert(id, receiver.clone())),
            Some(Err(_)) => {}
            None => drop(receivers.remove(&id)),
        }
        drop(receivers);
        Ok(found)
    }

    fn receivers(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<Webhook>>> {
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Address and secret of a webhook never change.
fn receiver_of(webhook: &StoredWebhook) -> Result<Arc<Webhook>, Undelivered> {
    let receiver = Webhook::with_secret(&webhook.url, &webhook.secret);
    receiver.map(Arc::new).map_err(|error| Undelivered {
        reason: error.to_string(),
        retry_after: None,
        is_silent: false,
    })
}

/// Growing pauses, other ones for each `id`, after so many tries before.
fn pause(id: &str, tries: u32, retry_after: Option<Duration>) -> SignedDuration {
    let seed = id.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut backoff = Backoff::new(seed);
    for _ in 0..tries.min(20) {
        backoff.next(None);
    }
    SignedDuration::try_from(backoff.next(retry_after)).unwrap_or(SignedDuration::from_hours(1))
}

fn after(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

fn before(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

/// Scheme, host and port of an address that messages may go to.
pub(super) fn receiver(url: &str) -> Result<String, WebhookRefusal> {
    // The parser takes them, PostgreSQL does not take each of them.
    if url.contains(char::is_control) {
        return Err(WebhookRefusal::Address);
    }
    let url = Url::parse(url).map_err(|_| WebhookRefusal::Address)?;
    let host = url.host_str().ok_or(WebhookRefusal::Address)?;
    let bare = host.trim_matches(['[', ']']);
    let is_here = bare == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let fits = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    // A password in the address would be in the logs of whatever is on the way.
    if !fits || !url.username().is_empty() || url.password().is_some() {
        return Err(WebhookRefusal::Address);
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{}://{host}{port}", url.scheme()))
}

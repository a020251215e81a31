//! Delivering what waits.

use super::{
    super::{Portal, PortalError, clock::whole_second, store::StoredMessage},
    WebhookRefusal,
};
use crate::upstream::{Backoff, Message, Undelivered, Webhook};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use std::time::Duration;
use uuid::Uuid;

/// How often a process looks for what others have queued.
const LOOK: Duration = Duration::from_secs(1);
/// The same while the store can't be used.
const LOOK_BROKEN: Duration = Duration::from_secs(30);
/// Messages that are taken at once.
const CLAIMED: u32 = 32;
/// That are on their way at once.
const AT_ONCE: usize = 8;
/// How long a claim holds: longer than all that is claimed takes, each ten seconds at most.
const CLAIM: SignedDuration = SignedDuration::from_mins(2);
/// How long a message is worth telling.
const WORTH_TELLING: SignedDuration = SignedDuration::from_hours(72);

impl Portal {
    /// Delivers what waits for webhooks, until it is dropped. Several processes may do this on one database.
    pub async fn deliver_webhooks(&self) {
        let by = Uuid::new_v4().to_string();
        loop {
            let pause = match self.deliver_due(&by).await {
                Ok(0) => LOOK,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::error!(%error, code = error.code(), "webhooks are not told");
                    LOOK_BROKEN
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Tries once what is due now, in the name of `by`: how many messages were tried.
    ///
    /// # Errors
    /// What the store says.
    pub async fn deliver_due(&self, by: &str) -> Result<usize, PortalError> {
        let (own, name) = (self.clone(), by.to_owned());
        let claimed = self.off_the_runtime(move || own.claim_due(&name)).await?;
        let tried = claimed.len();
        let each = stream::iter(claimed).map(|message| self.deliver(message, by));
        let results: Vec<Result<(), PortalError>> = each.buffer_unordered(AT_ONCE).collect().await;
        results.into_iter().collect::<Result<(), PortalError>>()?;
        Ok(tried)
    }

    fn claim_due(&self, by: &str) -> Result<Vec<StoredMessage>, PortalError> {
        let now = whole_second(self.now());
        if !self.store().read(|view| view.has_due_message(now))? {
            return Ok(Vec::new());
        }
        let (by, until) = (by.to_owned(), now.checked_add(CLAIM).unwrap_or(Timestamp::MAX));
        Ok(self.store().write(move |change| change.claim_messages(&by, now, until, CLAIMED))?)
    }

    async fn deliver(&self, message: StoredMessage, by: &str) -> Result<(), PortalError> {
        let (own, id) = (self.clone(), message.webhook_id);
        let read = move || Ok(own.store().read(|view| view.webhook(id))?);
        // A webhook that was removed meanwhile has taken its messages along.
        let Some(webhook) = self.off_the_runtime(read).await? else { return Ok(()) };
        let sent = Message { id: message.id.clone(), body: message.body.clone() };
        let tried = match Webhook::with_secret(&webhook.url, &webhook.secret) {
            Ok(receiver) => receiver.deliver(&sent, self.now()).await,
            Err(error) => Err(Undelivered { reason: error.to_string(), retry_after: None }),
        };
        let now = whole_second(self.now());
        let Err(undelivered) = tried else {
            let delivered =
                self.store().write_later(move |change| change.message_delivered(&message.id));
            return Ok(delivered.await?);
        };
        tracing::warn!(
            webhook = %id, message = message.id, reason = %undelivered,
            "a webhook's receiver has not taken a message"
        );
        let due_at = now.checked_add(pause(&message, &undelivered)).unwrap_or(Timestamp::MAX);
        let is_dead = now.duration_since(message.created_at) >= WORTH_TELLING;
        let (by, dead_at) = (by.to_owned(), is_dead.then_some(now));
        let noted = self.store().write_later(move |change| {
            change.message_failed(&message.id, &by, &undelivered.reason, due_at, dead_at)
        });
        Ok(noted.await?)
    }
}

/// Growing pauses, other ones for each message.
fn pause(message: &StoredMessage, undelivered: &Undelivered) -> SignedDuration {
    let seed = message
        .id
        .bytes()
        .fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut backoff = Backoff::new(seed);
    for _ in 0..message.tries.min(20) {
        backoff.next(None);
    }
    let pause = backoff.next(undelivered.retry_after);
    SignedDuration::try_from(pause).unwrap_or(SignedDuration::from_hours(1))
}

/// Scheme, host and port of an address that messages may go to.
pub(super) fn receiver(url: &str) -> Result<String, WebhookRefusal> {
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

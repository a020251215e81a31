//! The tables of webhooks and of what waits to be delivered to them.

use super::{
    Change, Event, Fault, StoreError, View,
    session::{Row, to_json, values},
};
use jiff::Timestamp;
use serde_json::json;
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Why the last message that was tried in vain was not taken: of those that wait and those that were given up, the one that was due last.
const LAST_ERROR: &str = "SELECT last_error FROM (\
     SELECT last_error, due_at FROM (SELECT last_error, due_at FROM webhook_messages \
       WHERE webhook_id = ?1 AND dead_at IS NULL AND last_error IS NOT NULL ORDER BY due_at DESC LIMIT 1) AS waiting \
     UNION ALL \
     SELECT last_error, due_at FROM (SELECT last_error, due_at FROM webhook_messages \
       WHERE webhook_id = ?1 AND dead_at IS NOT NULL AND last_error IS NOT NULL ORDER BY dead_at DESC LIMIT 1) AS dead\
     ) AS tried ORDER BY due_at DESC LIMIT 1";

/// A receiver of the vendor's.
#[derive(Clone)]
pub struct StoredWebhook {
    /// Its id.
    pub id: Uuid,
    /// Its address; a secret may be in it.
    pub url: Zeroizing<String>,
    /// By which messages are signed, as the receiver has it.
    pub secret: Zeroizing<String>,
    /// Which events it is told of: names, or beginnings with `*` after them; an empty list: all.
    pub events: Vec<String>,
    /// When it was added.
    pub created_at: Timestamp,
}

impl fmt::Debug for StoredWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredWebhook").field("id", &self.id).finish_non_exhaustive()
    }
}

impl StoredWebhook {
    fn wants(&self, event: &str) -> bool {
        let fits = |wanted: &String| match wanted.strip_suffix('*') {
            Some(beginning) => event.starts_with(beginning),
            None => event == wanted,
        };
        self.events.is_empty() || self.events.iter().any(fits)
    }
}

/// A message that waits.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// By which the receiver knows one that it has had already.
    pub id: String,
    /// Whose it is.
    pub webhook_id: Uuid,
    /// JSON.
    pub body: String,
    /// Since when it waits.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}

/// A webhook that has something to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueWebhook {
    /// Its id.
    pub id: Uuid,
    /// How many tries in a row its receiver has let run into their time limit.
    pub silent_tries: u32,
}

/// How the messages of a webhook stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// That wait.
    pub waiting: u32,
    /// That were given up.
    pub dead: u32,
    /// Why the last one that was tried in vain was not taken.
    pub last_error: Option<String>,
}

impl View<'_> {
    /// All webhooks, the oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn webhooks(&self) -> Result<Vec<StoredWebhook>, StoreError> {
        let sql =
            "SELECT id, url, secret, events, created_at FROM webhooks ORDER BY created_at, id";
        self.all("list webhooks", sql, &[], webhook)
    }

    /// The webhook of that id.
    ///
    /// # Errors
    /// What the database says.
    pub fn webhook(&self, id: Uuid) -> Result<Option<StoredWebhook>, StoreError> {
        let sql = "SELECT id, url, secret, events, created_at FROM webhooks WHERE id = ?1";
        self.first("read a webhook", sql, values![id], webhook)
    }

    /// How the messages of a webhook stand.
    ///
    /// # Errors
    /// What the database says.
    pub fn message_counts(&self, webhook: Uuid) -> Result<MessageCounts, StoreError> {
        let doing = "count messages";
        let sql = |what: &str| {
            format!(
                "SELECT count(*) AS found FROM webhook_messages WHERE webhook_id = ?1 AND dead_at IS {what}"
            )
        };
        let count =
            |what: &str| self.first(doing, &sql(what), values![webhook], |row| row.count("found"));
        let last_error = self
            .first(doing, LAST_ERROR, values![webhook], |row| row.optional_string("last_error"))?;
        Ok(MessageCounts {
            waiting: count("NULL")?.unwrap_or(0),
            dead: count("NOT NULL")?.unwrap_or(0),
            last_error: last_error.flatten(),
        })
    }

    /// The webhooks with a message that is due and that nobody is delivering, but for those that are paused.
    ///
    /// # Errors
    /// What the database says.
    pub fn due_webhooks(&self, now: Timestamp) -> Result<Vec<DueWebhook>, StoreError> {
        let sql = "SELECT id, silent_tries FROM webhooks WHERE (paused_until IS NULL OR paused_until <= ?1) \
                   AND EXISTS (SELECT 1 FROM webhook_messages WHERE webhook_id = webhooks.id AND dead_at IS NULL \
                   AND due_at <= ?1 AND (claimed_until IS NULL OR claimed_until <= ?1)) ORDER BY created_at, id";
        self.all("look for messages", sql, values![now], |row| {
            Ok(DueWebhook { id: row.parsed("id")?, silent_tries: row.count("silent_tries")? })
        })
    }

    /// Whether there is a message that was given up before `then`.
    ///
    /// # Errors
    /// What the database says.
    pub fn has_given_up_before(&self, then: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM webhooks WHERE EXISTS (SELECT 1 FROM webhook_messages \
                   WHERE webhook_id = webhooks.id AND dead_at < ?1) LIMIT 1";
        Ok(self.first("look for messages", sql, values![then], |_| Ok(()))?.is_some())
    }
}

impl Change<'_> {
    /// Adds a webhook.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_webhook(&self, new: &StoredWebhook) -> Result<(), StoreError> {
        let sql = "INSERT INTO webhooks (id, url, secret, events, created_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let (url, secret) = (new.url.as_str(), new.secret.as_str());
        let values = values![new.id, url, secret, to_json(&new.events)?, new.created_at];
        self.execute("add a webhook", sql, values).map(drop)
    }

    /// Removes a webhook, and what waits for it.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_webhook(&self, id: Uuid) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM webhook_messages WHERE webhook_id = ?1 AND dead_at IS NULL",
            "DELETE FROM webhook_messages WHERE webhook_id = ?1 AND dead_at IS NOT NULL",
            "DELETE FROM webhooks WHERE id = ?1",
        ] {
            self.execute("remove a webhook", sql, values![id])?;
        }
        Ok(())
    }

    /// Lets each webhook that wants it wait for a message on what happened.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn queue_messages(&self, event: &Event<'_>) -> Result<(), StoreError> {
        for webhook in self.webhooks()? {
            if webhook.wants(event.event) {
                self.queue_message(webhook.id, event)?;
            }
        }
        Ok(())
    }

    /// Lets a message wait to be delivered.
    ///
    /// # Errors
    /// What the database says.
    pub fn queue_message(&self, webhook: Uuid, event: &Event<'_>) -> Result<(), StoreError> {
        let body = json!({
            "type": event.event,
            "timestamp": event.at,
            "data": {
                "actor": event.actor,
                "subscription_id": event.subscription_id,
                "environment_id": event.environment_id,
                "detail": event.detail,
            },
        });
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| StoreError::Failed)?;
        let id = format!("msg_{:032x}", u128::from_be_bytes(random));
        let sql = "INSERT INTO webhook_messages (id, webhook_id, event, body, created_at, due_at, tries) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?5, 0)";
        let values = values![id, webhook, event.event, to_json(&body)?, event.at];
        self.execute("queue a message", sql, values).map(drop)
    }

    /// Takes messages of a webhook that are due, the oldest first, for `by` to deliver until `until`; then they are anybody's again.
    ///
    /// # Errors
    /// What the database says.
    pub fn claim_messages(
        &self,
        webhook: Uuid,
        by: &str,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let doing = "claim messages";
        let sql = "SELECT id, webhook_id, body, created_at, tries FROM webhook_messages \
                   WHERE webhook_id = ?1 AND dead_at IS NULL AND due_at <= ?2 \
                   AND (claimed_until IS NULL OR claimed_until <= ?2) ORDER BY due_at, created_at, id LIMIT ?3";
        let found = self.all(doing, sql, values![webhook, now, most], message)?;
        let sql = "UPDATE webhook_messages SET claimed_by = ?2, claimed_until = ?3 WHERE id = ?1";
        for message in &found {
            self.execute(doing, sql, values![&message.id, by, until])?;
        }
        Ok(found)
    }

    /// Forgets a message that was delivered.
    ///
    /// # Errors
    /// What the database says.
    pub fn message_delivered(&self, id: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM webhook_messages WHERE id = ?1";
        self.execute("forget a message", sql, values![id]).map(drop)
    }

    /// Notes that a message was not taken: it is due again at `due_at`, or given up at `dead_at`. Who has lost its claim meanwhile notes
    /// nothing.
    ///
    /// # Errors
    /// What the database says.
    pub fn message_failed(
        &self,
        id: &str,
        by: &str,
        reason: &str,
        due_at: Timestamp,
        dead_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE webhook_messages SET tries = tries + 1, last_error = ?3, due_at = ?4, dead_at = ?5, \
                   claimed_by = NULL, claimed_until = NULL WHERE id = ?1 AND claimed_by = ?2";
        let values = values![id, by, reason, due_at, dead_at];
        self.execute("note a message", sql, values).map(drop)
    }

    /// Leaves a webhook alone until `until`, after so many tries in a row that its receiver let run into their time limit. What `by` has claimed and
    /// not tried is anybody's then.
    ///
    /// # Errors
    /// What the database says.
    pub fn pause_webhook(
        &self,
        id: Uuid,
        by: &str,
        silent_tries: u32,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "pause a webhook";
        let sql = "UPDATE webhooks SET paused_until = ?2, silent_tries = ?3 WHERE id = ?1";
        self.execute(doing, sql, values![id, until, silent_tries])?;
        let sql = "UPDATE webhook_messages SET claimed_by = NULL, claimed_until = NULL \
                   WHERE webhook_id = ?1 AND dead_at IS NULL AND claimed_by = ?2";
        self.execute(doing, sql, values![id, by]).map(drop)
    }

    /// Goes on with a webhook that was paused.
    ///
    /// # Errors
    /// What the database says.
    pub fn resume_webhook(&self, id: Uuid) -> Result<(), StoreError> {
        let sql = "UPDATE webhooks SET paused_until = NULL, silent_tries = 0 WHERE id = ?1";
        self.execute("go on with a webhook", sql, values![id]).map(drop)
    }

    /// Gives up what has waited for a webhook since before `then`, whether or not it was tried.
    ///
    /// # Errors
    /// What the database says.
    pub fn give_up_older(
        &self,
        webhook: Uuid,
        then: Timestamp,
        now: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE webhook_messages SET dead_at = ?3, last_error = COALESCE(last_error, ?4), \
                   claimed_by = NULL, claimed_until = NULL \
                   WHERE webhook_id = ?1 AND dead_at IS NULL AND created_at <= ?2";
        self.execute("give up messages", sql, values![webhook, then, now, reason]).map(drop)
    }

    /// Forgets the messages that were given up before `then`: how many.
    ///
    /// # Errors
    /// What the database says.
    pub fn forget_given_up(&self, then: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM webhook_messages WHERE webhook_id = ?1 AND dead_at < ?2";
        let mut forgotten = 0;
        for webhook in self.webhooks()? {
            forgotten += self.execute("forget messages", sql, values![webhook.id, then])?;
        }
        Ok(forgotten)
    }
}

fn webhook(row: &Row<'_>) -> Result<StoredWebhook, Fault> {
    Ok(StoredWebhook {
        id: row.parsed("id")?,
        url: Zeroizing::new(row.string("url")?),
        secret: Zeroizing::new(row.string("secret")?),
        events: row.json("events")?,
        created_at: row.time("created_at")?,
    })
}

fn message(row: &Row<'_>) -> Result<StoredMessage, Fault> {
    Ok(StoredMessage {
        id: row.string("id")?,
        webhook_id: row.parsed("webhook_id")?,
        body: row.string("body")?,
        created_at: row.time("created_at")?,
        tries: row.count("tries")?,
    })
}

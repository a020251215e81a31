//! Webhooks out: receivers of the vendor's are told of what the audit is told of.
//!
//! A message is written with the audit entry that it tells of, in one transaction, and delivered by whichever process that serves claims it: at
//! least once, signed as the specification "Standard Webhooks" says. `portal` calls this; this calls `portal::store` and `upstream`.

mod delivery;
mod error;

pub use error::WebhookRefusal;

use super::{
    Portal, PortalError,
    access::Right,
    clock::whole_second,
    store::{Event, MessageCounts, StoredWebhook},
};
use crate::upstream::new_secret;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Events that one webhook may name.
const MOST_EVENTS: usize = 50;

/// A webhook, and how its messages stand.
#[derive(Debug, Clone)]
pub struct WebhookStanding {
    /// Its id.
    pub id: Uuid,
    /// Scheme and host of its address: a secret may be in the rest.
    pub receiver: String,
    /// Which events it is told of; an empty list: all.
    pub events: Vec<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// How its messages stand.
    pub messages: MessageCounts,
}

impl Portal {
    /// Adds a webhook; the secret by which its receiver verifies messages is in the answer alone. The database has it too, because messages are
    /// signed by it.
    ///
    /// # Errors
    /// [`WebhookRefusal`], and what the store says.
    pub fn add_webhook(
        &self,
        url: &str,
        events: &[String],
    ) -> Result<(WebhookStanding, Zeroizing<String>), PortalError> {
        self.needs(Right::Administer)?;
        let receiver = delivery::receiver(url)?;
        check_events(events)?;
        let secret = new_secret()?;
        let new = StoredWebhook {
            id: Self::new_id(self.now())?,
            url: Zeroizing::new(url.to_owned()),
            secret: secret.clone(),
            events: events.to_vec(),
            created_at: whole_second(self.now()),
        };
        let added = WebhookStanding {
            id: new.id,
            receiver,
            events: new.events.clone(),
            created_at: new.created_at,
            messages: MessageCounts::default(),
        };
        let detail = json!({ "webhook": new.id, "receiver": added.receiver, "events": new.events });
        self.act(move |act| {
            // First the audit: what tells of the webhook itself is not its own.
            act.told("webhook-added", None, None, detail)?;
            Ok(act.change().add_webhook(&new)?)
        })?;
        Ok((added, secret))
    }

    /// All webhooks, the oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn webhooks(&self) -> Result<Vec<WebhookStanding>, PortalError> {
        self.needs(Right::Administer)?;
        self.store().read(|view| {
            let standing = |webhook: StoredWebhook| {
                Ok(WebhookStanding {
                    id: webhook.id,
                    receiver: delivery::receiver(&webhook.url)?,
                    events: webhook.events,
                    created_at: webhook.created_at,
                    messages: view.message_counts(webhook.id)?,
                })
            };
            view.webhooks()?.into_iter().map(standing).collect()
        })
    }

    /// Removes a webhook, and what waits for it.
    ///
    /// # Errors
    /// [`WebhookRefusal::Unknown`], and what the store says.
    pub fn remove_webhook(&self, id: Uuid) -> Result<(), PortalError> {
        self.needs(Right::Administer)?;
        self.act(move |act| {
            act.change().webhook(id)?.ok_or(WebhookRefusal::Unknown { id })?;
            act.change().remove_webhook(id)?;
            act.told("webhook-removed", None, None, json!({ "webhook": id }))
        })
    }

    /// Lets a message of the type `webhook-test` wait for a webhook, whatever events it wants.
    ///
    /// # Errors
    /// [`WebhookRefusal::Unknown`], and what the store says.
    pub fn test_webhook(&self, id: Uuid) -> Result<(), PortalError> {
        self.needs(Right::Administer)?;
        self.act(move |act| {
            act.change().webhook(id)?.ok_or(WebhookRefusal::Unknown { id })?;
            let event = Event {
                at: act.now(),
                actor: act.actor(),
                event: "webhook-test",
                subscription_id: None,
                environment_id: None,
                detail: json!({ "webhook": id }),
            };
            Ok(act.change().queue_message(id, &event)?)
        })
    }
}

fn check_events(events: &[String]) -> Result<(), WebhookRefusal> {
    let fits = |event: &String| {
        let name = event.strip_suffix('*').unwrap_or(event);
        (1..=64).contains(&event.len()) && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    match events.iter().find(|event| !fits(event)) {
        Some(found) => Err(WebhookRefusal::Event { found: found.chars().take(80).collect() }),
        None if events.len() > MOST_EVENTS => Err(WebhookRefusal::Events),
        None => Ok(()),
    }
}

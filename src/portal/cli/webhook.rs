//! `entitle-portal webhook`: who is told of what is changed.

use super::output::{Output, pairs, table};
use crate::portal::{Portal, PortalError, WebhookStanding};
use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a receiver; the secret that verifies its messages is printed once
    Add {
        /// Its address: https, or http on this machine
        url: String,
        /// An event of the audit, or the beginning of one with * after it; may be repeated; all unless given
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
    },
    /// List receivers, what waits for each, and what was given up
    List,
    /// Remove a receiver, and what waits for it
    Remove {
        /// Its id
        id: Uuid,
    },
    /// Send a receiver a message of the type webhook-test; a portal that serves delivers it
    Test {
        /// Its id
        id: Uuid,
    },
}

impl Command {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        match self {
            Self::Add { url, events } => {
                let (added, secret) = portal.add_webhook(&url, &events)?;
                let mut value = shown(&added);
                value["secret"] = json!(*secret);
                out.show(&value, || {
                    let lines = pairs(&[
                        ("Webhook", added.id.to_string()),
                        ("Receiver", added.receiver.clone()),
                        ("Events", events_of(&added)),
                        ("Secret", secret.to_string()),
                    ]);
                    format!("{lines}\n\nThe secret is shown this once: the receiver verifies `webhook-signature` by it.")
                })
            }
            Self::List => list(&portal.webhooks()?, out),
            Self::Remove { id } => {
                portal.remove_webhook(id)?;
                out.show(&json!({ "id": id }), || format!("Webhook {id} is removed."))
            }
            Self::Test { id } => {
                portal.test_webhook(id)?;
                out.show(&json!({ "id": id }), || {
                    "The message waits; a portal that serves delivers it, and `webhook list` shows why it could not."
                        .to_owned()
                })
            }
        }
    }
}

fn events_of(webhook: &WebhookStanding) -> String {
    if webhook.events.is_empty() { "all".to_owned() } else { webhook.events.join(", ") }
}

fn shown(webhook: &WebhookStanding) -> Value {
    json!({
        "id": webhook.id,
        "receiver": webhook.receiver,
        "events": webhook.events,
        "created_at": webhook.created_at,
        "waiting": webhook.messages.waiting,
        "given_up": webhook.messages.dead,
        "last_error": webhook.messages.last_error,
    })
}

fn list(all: &[WebhookStanding], out: &mut Output) -> Result<(), PortalError> {
    let value: Vec<Value> = all.iter().map(shown).collect();
    out.show(&value, || {
        if all.is_empty() {
            return "There are no webhooks; `entitle-portal webhook add URL` adds one.".to_owned();
        }
        let rows = all.iter().map(|webhook| {
            vec![
                webhook.id.to_string(),
                webhook.receiver.clone(),
                events_of(webhook),
                webhook.messages.waiting.to_string(),
                webhook.messages.dead.to_string(),
                webhook.messages.last_error.clone().unwrap_or_default(),
            ]
        });
        table(&["ID", "RECEIVER", "EVENTS", "WAIT", "GIVEN UP", "LAST ERROR"], rows)
    })
}

//! Why a webhook is refused.

use uuid::Uuid;

/// What was found, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum WebhookRefusal {
    #[error(
        "expected an https address of the receiver, or an http one on this machine, such as http://127.0.0.1:8000/hook"
    )]
    Address,
    #[error(
        "expected an event of the audit such as subscription-renewed, or the beginning of one such as subscription-*, found {found:?}"
    )]
    Event { found: String },
    #[error("expected at most 50 events: name beginnings, such as subscription-*, or none for all")]
    Events,
    #[error("no webhook has the id {id}: `entitle-portal webhook list` shows them")]
    Unknown { id: Uuid },
    #[error("messages can't be signed or sent ({reason}): remove the webhook, and add it anew")]
    Unusable { reason: String },
}

impl WebhookRefusal {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address => "webhook-address",
            Self::Event { .. } => "webhook-event",
            Self::Events => "webhook-events",
            Self::Unknown { .. } => "no-webhook",
            Self::Unusable { .. } => "webhook-unusable",
        }
    }
}

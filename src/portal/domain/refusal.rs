//! Why a request is refused. Nothing changes then, and the agent keeps what it holds.

use crate::license::Purpose;
use jiff::Timestamp;
use uuid::Uuid;

/// Why a request is refused: what was found, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Refusal {
    // One refusal for an unknown subscription and a wrong proof: it does not tell which subscriptions there are.
    #[error(
        "no subscription here fits the Activation Code of the request: compare it with the one that the vendor gave, and the portal's address with the vendor's"
    )]
    ActivationCodeUnknown,
    #[error(
        "no environment here is bound to the key that signed the request: `entitlectl activate` asks for a license"
    )]
    EnvironmentUnknown,
    #[error("request {id} was answered before with other contents: make a new request")]
    RequestIdReused { id: Uuid },
    #[error(
        "this machine is known as environment {environment} ({name:?}) under another key, which the Activation Code alone does not replace: if its key is lost for good, release it at the portal with `entitle-portal environment release {environment}`, then `entitlectl activate`"
    )]
    RebindRequired { environment: Uuid, name: String },
    #[error(
        "this machine is environment {environment} with purpose {found}, asked for was {asked}: activate it as {found}, or `entitlectl release` first"
    )]
    PurposeDiffers { environment: Uuid, found: Purpose, asked: Purpose },
    #[error(
        "all {purpose} environments of the subscription are in use ({used} of {total}): release one that is not needed (`entitlectl release` there, or `entitle-portal environment release ID`), or ask the vendor for more"
    )]
    NoFreeSlot { purpose: Purpose, used: u32, total: u32 },
    #[error(
        "the Serial Number comes from the override instead of hardware, which the vendor does not allow for this subscription: activate on a machine with hardware evidence (`entitlectl hardware` shows it), or ask the vendor to allow it"
    )]
    OverrideNotAllowed,
    #[error("the subscription starts at {starts_at}: activate it then")]
    NotStarted { starts_at: Timestamp },
    #[error(
        "the subscription and its grace ended at {ended_at}: renew it at the vendor, then activate again; the Activation Code stays the same"
    )]
    Ended { ended_at: Timestamp },
    #[error(
        "the vendor has suspended the subscription, so nothing new is issued; a license that is held stays as it is: ask the vendor"
    )]
    Suspended,
    #[error("the vendor has revoked the subscription ({reason}): ask the vendor")]
    Revoked { reason: String },
    #[error(
        "the environment's name is refused: give one of 1 to 200 bytes without control characters"
    )]
    EnvironmentName,
}

impl Refusal {
    /// A stable code for programs, the end of the problem's `type`.
    pub const fn code(&self) -> &'static str {
        self.facts().0
    }

    /// What is the same for every refusal of this kind.
    pub const fn title(&self) -> &'static str {
        self.facts().1
    }

    /// The HTTP status that fits.
    pub const fn status(&self) -> u16 {
        self.facts().2
    }

    const fn facts(&self) -> (&'static str, &'static str, u16) {
        match self {
            Self::ActivationCodeUnknown => {
                ("activation-code-unknown", "The Activation Code is not known here", 403)
            }
            Self::EnvironmentUnknown => {
                ("environment-unknown", "The environment is not known here", 403)
            }
            Self::RequestIdReused { .. } => {
                ("request-id-reused", "Another request had this id", 409)
            }
            Self::RebindRequired { .. } => {
                ("rebind-required", "This machine is known under another key", 409)
            }
            Self::PurposeDiffers { .. } => {
                ("purpose-differs", "This machine is activated for another purpose", 409)
            }
            Self::NoFreeSlot { .. } => {
                ("no-free-slot", "No environment of this purpose is free", 409)
            }
            Self::OverrideNotAllowed => {
                ("override-not-allowed", "The Serial Number must come from hardware", 403)
            }
            Self::NotStarted { .. } => {
                ("subscription-not-started", "The subscription has not started", 403)
            }
            Self::Ended { .. } => ("subscription-ended", "The subscription has ended", 403),
            Self::Suspended => ("subscription-suspended", "The subscription is suspended", 403),
            Self::Revoked { .. } => ("subscription-revoked", "The subscription is revoked", 403),
            Self::EnvironmentName => ("environment-name", "The environment's name is refused", 400),
        }
    }
}

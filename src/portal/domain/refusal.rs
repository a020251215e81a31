//! Why a request is refused. Nothing changes then, and the agent keeps what it holds.

use super::RebindPolicy;
use crate::{codes::SerialNumber, license::Purpose};
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
        "a later request of the same environment was answered before request {id} came: nothing is lost, make a new one with `entitlectl request` where one is needed"
    )]
    RequestOvertaken { id: Uuid },
    #[error(
        "this machine is known as environment {environment} ({name:?}) under another key: if that key is lost, {}; or free the slot with `entitle-portal environment release {environment}`, then `entitlectl activate`", how(*policy, *environment)
    )]
    RebindRequired { environment: Uuid, name: String, policy: RebindPolicy },
    #[error(
        "no environment of the subscription is this machine (by its Serial Number and its hardware): `entitlectl activate` fills a free slot"
    )]
    MachineUnknown,
    #[error(
        "the environment {environment} is bound to other hardware (Serial Number {serial_number}): `entitlectl release` there or, if that machine is lost, `entitle-portal environment release {environment}`, then `entitlectl activate` here"
    )]
    HardwareDiffers { environment: Uuid, serial_number: SerialNumber },
    #[error(
        "a rebind of environment {environment} needs a one-time code: get one with `entitle-portal environment rebind-code {environment}` and give it to `entitlectl rebind --rebind-code CODE`"
    )]
    RebindCodeRequired { environment: Uuid },
    #[error(
        "the one-time code does not fit environment {environment}, was used, or has expired ({left} attempts are left): compare it, or get a new one with `entitle-portal environment rebind-code {environment}`"
    )]
    RebindCodeWrong { environment: Uuid, left: u64 },
    #[error(
        "the rebind of environment {environment} waits for approval: after `entitle-portal environment approve {environment}` ask again with `entitlectl rebind`"
    )]
    RebindPending { environment: Uuid },
    #[error(
        "two machines ask as environment {environment}, and it is not known yet which is the one: `entitle-portal environment forks {environment}` shows them, `entitle-portal environment survivor {environment} --branch REQUEST` names one"
    )]
    Forked { environment: Uuid },
    #[error(
        "the environment {environment} was released at {at}: `entitlectl activate` fills a slot again"
    )]
    Released { environment: Uuid, at: Timestamp },
    #[error(
        "the key is bound to environment {environment} or was so before: make a new key for a rebind or a move"
    )]
    KeyNotNew { environment: Uuid },
    #[error(
        "the old controller's word for the move of environment {environment} was good until {ended_at}: make another there, `entitlectl controller export` (with a longer --ttl if need be)"
    )]
    ConsentExpired { environment: Uuid, ended_at: Timestamp },
    #[error(
        "this machine is another environment of the subscription already ({environment}): `entitlectl release` here first, then move"
    )]
    SerialNumberTaken { environment: Uuid },
    #[error(
        "the off-line releases and moves of a year are used up ({allowed}), and the license at the old place may run until {until}: send the request on-line, or ask the vendor"
    )]
    OfflineMovesUsed { allowed: u32, until: Timestamp },
    #[error("too many wrong proofs were sent: try again in {seconds} seconds with the right code")]
    TooManyAttempts { seconds: u32 },
    #[error(
        "the environment or its subscription has asked too often: try again in {seconds} seconds; a license that is held stays as it is"
    )]
    TooManyRequests { seconds: u32 },
    #[error(
        "this machine is environment {environment} with purpose {found}, asked for was {asked}: activate it as {found}, or `entitlectl release` first"
    )]
    PurposeDiffers { environment: Uuid, found: Purpose, asked: Purpose },
    #[error(
        "environment {environment} was released, and its {found} slot is held until {until}, because its license may run until then: activate it as {found}, or ask the vendor to free the slot"
    )]
    SlotHeld { environment: Uuid, found: Purpose, until: Timestamp },
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

/// Seconds after which a rebind may have been approved.
const APPROVAL: u32 = 3_600;

/// How a rebind is done.
fn how(policy: RebindPolicy, environment: Uuid) -> String {
    match policy {
        RebindPolicy::Free => "`entitlectl rebind`".to_owned(),
        RebindPolicy::Code => format!(
            "get a one-time code with `entitle-portal environment rebind-code {environment}` and give it to `entitlectl rebind --rebind-code CODE`"
        ),
        RebindPolicy::Approval => format!(
            "`entitlectl rebind`, which is done after `entitle-portal environment approve {environment}`"
        ),
    }
}

impl Refusal {
    /// A stable code for programs, the end of the problem's `type`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ActivationCodeUnknown => "activation-code-unknown",
            Self::EnvironmentUnknown => "environment-unknown",
            Self::RequestIdReused { .. } => "request-id-reused",
            Self::RequestOvertaken { .. } => "request-overtaken",
            Self::RebindRequired { .. } => "rebind-required",
            Self::MachineUnknown => "machine-unknown",
            Self::HardwareDiffers { .. } => "hardware-differs",
            Self::RebindCodeRequired { .. } => "rebind-code-required",
            Self::RebindCodeWrong { .. } => "rebind-code-wrong",
            Self::RebindPending { .. } => "rebind-pending",
            Self::Forked { .. } => "environment-forked",
            Self::Released { .. } => "environment-released",
            Self::KeyNotNew { .. } => "key-not-new",
            Self::ConsentExpired { .. } => "consent-expired",
            Self::SerialNumberTaken { .. } => "serial-number-taken",
            Self::OfflineMovesUsed { .. } => "offline-moves-used",
            Self::TooManyAttempts { .. } => "too-many-attempts",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::PurposeDiffers { .. } => "purpose-differs",
            Self::SlotHeld { .. } => "slot-held",
            Self::NoFreeSlot { .. } => "no-free-slot",
            Self::OverrideNotAllowed => "override-not-allowed",
            Self::NotStarted { .. } => "subscription-not-started",
            Self::Ended { .. } => "subscription-ended",
            Self::Suspended => "subscription-suspended",
            Self::Revoked { .. } => "subscription-revoked",
            Self::EnvironmentName => "environment-name",
        }
    }

    /// What is the same for every refusal of this kind.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::ActivationCodeUnknown => "The Activation Code is not known here",
            Self::EnvironmentUnknown => "The environment is not known here",
            Self::RequestIdReused { .. } => "Another request had this id",
            Self::RequestOvertaken { .. } => "A later request was answered before",
            Self::RebindRequired { .. } => "This machine is known under another key",
            Self::MachineUnknown => "This machine is not known here",
            Self::HardwareDiffers { .. } => "The environment is bound to other hardware",
            Self::RebindCodeRequired { .. } => "A one-time code is needed",
            Self::RebindCodeWrong { .. } => "The one-time code does not fit",
            Self::RebindPending { .. } => "The rebind waits for approval",
            Self::Forked { .. } => "Two machines ask as this environment",
            Self::Released { .. } => "The environment was released",
            Self::KeyNotNew { .. } => "The key is not a new one",
            Self::ConsentExpired { .. } => "The consent to the move has expired",
            Self::SerialNumberTaken { .. } => "This machine is another environment",
            Self::OfflineMovesUsed { .. } => "The year's off-line moves are used up",
            Self::TooManyAttempts { .. } => "Too many wrong proofs were sent",
            Self::TooManyRequests { .. } => "Too many requests were sent",
            Self::PurposeDiffers { .. } => "This machine is activated for another purpose",
            Self::SlotHeld { .. } => "Its slot of another purpose is held",
            Self::NoFreeSlot { .. } => "No environment of this purpose is free",
            Self::OverrideNotAllowed => "The Serial Number must come from hardware",
            Self::NotStarted { .. } => "The subscription has not started",
            Self::Ended { .. } => "The subscription has ended",
            Self::Suspended => "The subscription is suspended",
            Self::Revoked { .. } => "The subscription is revoked",
            Self::EnvironmentName => "The environment's name is refused",
        }
    }

    /// The HTTP status that fits: 403 where something is missing that another may give, 409 where things stand otherwise
    /// than the asker takes them to.
    pub const fn status(&self) -> u16 {
        match self {
            Self::EnvironmentName => 400,
            Self::ActivationCodeUnknown
            | Self::EnvironmentUnknown
            | Self::RebindCodeRequired { .. }
            | Self::RebindCodeWrong { .. }
            | Self::RebindPending { .. }
            | Self::OverrideNotAllowed
            | Self::NotStarted { .. }
            | Self::Ended { .. }
            | Self::Suspended
            | Self::Revoked { .. } => 403,
            Self::RequestIdReused { .. }
            | Self::RequestOvertaken { .. }
            | Self::RebindRequired { .. }
            | Self::MachineUnknown
            | Self::HardwareDiffers { .. }
            | Self::Forked { .. }
            | Self::Released { .. }
            | Self::KeyNotNew { .. }
            | Self::ConsentExpired { .. }
            | Self::SerialNumberTaken { .. }
            | Self::OfflineMovesUsed { .. }
            | Self::PurposeDiffers { .. }
            | Self::SlotHeld { .. }
            | Self::NoFreeSlot { .. } => 409,
            Self::TooManyAttempts { .. } | Self::TooManyRequests { .. } => 429,
        }
    }

    /// Seconds after which asking again makes sense, where waiting helps.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::RebindPending { .. } => Some(APPROVAL),
            Self::TooManyAttempts { seconds } | Self::TooManyRequests { seconds } => Some(*seconds),
            _ => None,
        }
    }
}

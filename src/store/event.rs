//! The audit: who did what, when, and what came of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The Serial Number was minted and the hardware enrolled.
    Enrolled,
    /// The hardware was enrolled again after a part of it changed.
    Reenrolled,
    /// The verdict on the hardware changed.
    HardwareJudged,
    /// A request was stored, to be sent.
    Requested,
    /// The portal's answer was stored.
    Answered,
    /// The portal refused a request.
    Refused,
    /// A license was installed.
    LicenseInstalled,
    /// A document was refused; nothing changed. Of an answer it is told once a request, however often that is sent again.
    DocumentRefused,
    /// The vendor revoked the license.
    Revoked,
    /// The license was released.
    Released,
    /// The environment went on under another key.
    Retired,
    /// A new environment key took the place of the old one.
    KeyReplaced,
    /// This machine was offered to an environment, to be its controller.
    MoveOffered,
    /// The environment key consented to a move to another machine.
    MoveConsented,
    /// A bundle was made, by which the environment may go on at another machine.
    ControllerExported,
    /// That bundle is good no more.
    ExportCancelled,
    /// The bundle of another machine was taken.
    ControllerImported,
    /// The portal refused for good what a bundle was taken for: nothing of it is left here.
    ImportAbandoned,
    /// A member was shown where its controller went, and goes there.
    SignpostFollowed,
    /// A member believes another certificate authority of its environment, as the portal's license says; or a controller made
    /// one, because the one before went on with its environment.
    AuthorityReplaced,
    /// A newer trust document was taken.
    TrustUpdated,
    /// The entitlement status changed.
    StatusChanged,
    /// The use of a limit crossed 80, 90 or 100 % of it.
    LimitCrossed,
    /// A usage report was signed.
    UsageReported,
    /// The store was mended or set aside.
    StoreRecovered,
    /// New settings were taken.
    SettingsTaken,
    /// A token for members to join with was made.
    TokenMade,
    /// A server joined the environment: told on the controller and on the member.
    MemberJoined,
    /// A member was taken in by its certificate: no record was kept of it.
    MemberAdopted,
    /// A member was removed.
    MemberRemoved,
    /// A member's certificate was renewed.
    CertificateRenewed,
    /// A member's statement was newer than what the controller held, and was followed.
    StatementFollowed,
}

impl Action {
    /// The word in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Reenrolled => "reenrolled",
            Self::HardwareJudged => "hardware-judged",
            Self::Requested => "requested",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::LicenseInstalled => "license-installed",
            Self::DocumentRefused => "document-refused",
            Self::Revoked => "revoked",
            Self::Released => "released",
            Self::Retired => "retired",
            Self::KeyReplaced => "key-replaced",
            Self::MoveOffered => "move-offered",
            Self::MoveConsented => "move-consented",
            Self::ControllerExported => "controller-exported",
            Self::ExportCancelled => "export-cancelled",
            Self::ControllerImported => "controller-imported",
            Self::ImportAbandoned => "import-abandoned",
            Self::SignpostFollowed => "signpost-followed",
            Self::AuthorityReplaced => "authority-replaced",
            Self::TrustUpdated => "trust-updated",
            Self::StatusChanged => "status-changed",
            Self::LimitCrossed => "limit-crossed",
            Self::UsageReported => "usage-reported",
            Self::StoreRecovered => "store-recovered",
            Self::SettingsTaken => "settings-taken",
            Self::TokenMade => "token-made",
            Self::MemberJoined => "member-joined",
            Self::MemberAdopted => "member-adopted",
            Self::MemberRemoved => "member-removed",
            Self::CertificateRenewed => "certificate-renewed",
            Self::StatementFollowed => "statement-followed",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One audit entry, to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, by effective time.
    pub at: Timestamp,
    /// By whom: `agent`, or the user at the other end of the admin socket.
    pub actor: String,
    /// What.
    pub action: Action,
    /// A sentence; never a secret.
    pub detail: String,
}

impl Event {
    pub(super) fn stored(self, id: i64) -> StoredEvent {
        let Self { at, actor, action, detail } = self;
        StoredEvent { id, at, actor, action: action.as_str().to_owned(), detail }
    }
}

/// One audit entry as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoredEvent {
    /// Its number, growing.
    pub id: i64,
    /// When, by effective time.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What.
    pub action: String,
    /// A sentence.
    pub detail: String,
}

//! Why the portal could not be set up, opened or changed. Refused requests are `domain::Refusal`s.

use super::{
    access::AccessError,
    domain::{Refusal, TermsError},
    store::StoreError,
    tls::TlsError,
    webhooks::WebhookRefusal,
};
use crate::{codes::SerialNumber, license::DocumentError};
use std::{io, net::SocketAddr, path::PathBuf};
use uuid::Uuid;

/// Why the portal could not do what its operator asked for: what was found, and what mends it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum PortalError {
    #[error("{} could not be {doing} ({source}): check that it is there and belongs to the user of the portal", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} holds a portal already: use it as it is, or give another directory", path.display()
    )]
    AlreadyInitialized { path: PathBuf },
    #[error(
        "{} holds no portal ({missing} is not there): `entitle-portal init --dir DIR --product NAME --issuer NAME` makes one", path.display()
    )]
    NotInitialized { path: PathBuf, missing: &'static str },
    #[error("{} is refused: {source}", path.display())]
    Document { path: PathBuf, source: DocumentError },
    #[error(
        "the trust document names no active key whose private half is in {} or handed over as the credential `signing.key`: put the key file there, or sign a trust document that names one that is (`entitle-portal trust sign`)", path.display()
    )]
    NoSigningKey { path: PathBuf },
    #[error("a document could not be signed: {0}")]
    Signing(DocumentError),
    #[error("expected a key of the trust document, found {found}: it names {known}")]
    KeyNotNamed { found: String, known: String },
    #[error("the trust document would name no active key: keep one active, or add one")]
    NoActiveKey,
    #[error(
        "a trust document of version {held} is in use, and {found} is not higher: sign a higher one"
    )]
    TrustVersion { held: u64, found: u64 },
    #[error("the {what} is refused: it is empty, longer than 200 bytes or has control characters")]
    Name { what: &'static str },
    #[error("no subscription has the id {id}: `entitle-portal subscription list` shows them")]
    NoSubscription { id: Uuid },
    #[error("no environment has the id {id}: `entitle-portal environment list` shows them")]
    NoEnvironment { id: Uuid },
    #[error(
        "no release with the id {id} waits for approval: `entitle-portal environment releases` lists those that do"
    )]
    NoAskedRelease { id: Uuid },
    #[error(
        "the subscription ends at {ends_at} already, and {asked} is not later: give a later end, or change the terms"
    )]
    NoLonger { ends_at: jiff::Timestamp, asked: jiff::Timestamp },
    #[error(
        "the subscription has revision {found}, the change was made for {seen}: read it again, then decide anew"
    )]
    OtherRevision { seen: u64, found: u64 },
    #[error(
        "the Idempotency-Key was used for another request within 24 hours: give each request a key of its own"
    )]
    KeyReused,
    #[error(
        "the request with this Idempotency-Key was done, and its answer held a secret that is kept nowhere: ask again with a new key"
    )]
    AnswerNotKept,
    #[error("environment {id} was released at {at} already: there is nothing to do")]
    AlreadyReleased { id: Uuid, at: jiff::Timestamp },
    #[error(
        "environment {id} is bound to its Serial Number alone: `entitlectl activate` on the machine binds it to a key"
    )]
    WithoutKey { id: Uuid },
    #[error("no rebind of environment {id} waits: `entitlectl rebind` on the machine asks for one")]
    NoPendingRebind { id: Uuid },
    #[error(
        "several rebinds of environment {id} wait ({keys}): compare them with the key that `entitlectl rebind` names on the machine, and give that one with --key"
    )]
    SeveralPendingRebinds { id: Uuid, keys: String },
    #[error(
        "environment {id} is not forked: its requests come in one line, there is nothing to name"
    )]
    NotForked { id: Uuid },
    #[error(
        "no branch of environment {id} has the last request {found}, they have {known}: a machine may have asked since, `entitle-portal environment forks {id}` shows them as they are now"
    )]
    NoBranch { id: Uuid, found: Uuid, known: String },
    #[error(
        "subscription {id} does not allow licenses that are bound to a Serial Number alone: `entitlectl request` on the machine makes a request for one that is bound to its key, or allow them with `entitle-portal subscription set {id} --allow-serial-only true`"
    )]
    SerialOnlyNotAllowed { id: Uuid },
    #[error(
        "Serial Number {serial_number} is environment {id} already, which is bound to its machine's key: `entitlectl refresh` or `entitlectl request` there fetches its license"
    )]
    BoundToKey { id: Uuid, serial_number: SerialNumber },
    #[error(
        "the usage report is refused: {0}; make it anew with `entitlectl usage report` on the environment's controller"
    )]
    UsageReport(#[source] DocumentError),
    #[error(
        "what is used is known here as of {held}, and this usage report is older: make a new one with `entitlectl usage report`"
    )]
    UsageReportOld { held: jiff::Timestamp },
    #[error("no trials are offered: `entitle-portal trial set --days DAYS` offers them")]
    NoTrials,
    #[error(
        "the company or the address had a trial: `entitle-portal subscription create` sells a subscription"
    )]
    HadTrial,
    #[error(transparent)]
    Refusal(#[from] Refusal),
    #[error("the subscription is {found} already: there is nothing to do")]
    AlreadyStanding { found: &'static str },
    #[error(
        "the subscription is revoked: `entitle-portal subscription resume` takes that back first"
    )]
    Revoked,
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Webhook(#[from] WebhookRefusal),
    #[error(transparent)]
    Terms(#[from] TermsError),
    #[error(
        "the audit was tampered with: entry {id} does not follow from those before it ({found}); the first {sound} entries are as they were written. Restore the database from a backup whose audit verifies, and see who can write to it"
    )]
    AuditBroken { id: i64, found: &'static str, sound: u64 },
    #[error(
        "no entry of the audit has the hash {head}, though its {entries} entries follow from each other: either it was noted from another portal, or the newest entries were removed or the audit was made anew. Compare with a backup"
    )]
    AuditHead { head: String, entries: u64 },
    #[error(
        "{} names a PostgreSQL database already: there is nothing to migrate", path.display()
    )]
    AlreadyMigrated { path: PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the operating system gave no random numbers ({0}): try again")]
    Random(#[from] getrandom::Error),
    #[error(
        "{address} is reached by others than this machine, and without TLS anyone on the way could read and change what passes: give a certificate (`--tls-certificate`, `--tls-key`), listen on 127.0.0.1 behind a proxy that ends TLS, or, where such a proxy is on another machine and the network between is trusted, say `--behind-proxy`"
    )]
    PlainHttp { address: SocketAddr },
    #[error("could not listen on {address} ({source}): choose another address")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the request is refused ({code}): {detail}")]
    Refused { code: String, detail: String },
    #[error("the server could not be started: {0}")]
    Runtime(io::Error),
    #[error("could not write the result: {0}")]
    Output(#[from] io::Error),
    #[error("could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl PortalError {
    /// A stable code for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::File { .. } => "file",
            Self::AlreadyInitialized { .. } => "already-initialized",
            Self::NotInitialized { .. } => "not-initialized",
            Self::Document { source, .. } => source.code(),
            Self::NoSigningKey { .. } => "no-signing-key",
            Self::Signing(_) => "signing",
            Self::KeyNotNamed { .. } => "key-not-named",
            Self::NoActiveKey => "no-active-key",
            Self::TrustVersion { .. } => "trust-version",
            Self::Name { .. } => "name",
            Self::NoSubscription { .. } => "no-subscription",
            Self::NoEnvironment { .. } => "no-environment",
            Self::NoAskedRelease { .. } => "no-asked-release",
            Self::NoLonger { .. } => "renewal-no-longer",
            Self::OtherRevision { .. } => "other-revision",
            Self::KeyReused => "idempotency-key-reused",
            Self::AnswerNotKept => "idempotency-answer-not-kept",
            Self::AlreadyReleased { .. } => "already-released",
            Self::WithoutKey { .. } => "without-key",
            Self::NoPendingRebind { .. } => "no-pending-rebind",
            Self::SeveralPendingRebinds { .. } => "several-pending-rebinds",
            Self::NotForked { .. } => "not-forked",
            Self::NoBranch { .. } => "no-branch",
            Self::SerialOnlyNotAllowed { .. } => "serial-only-not-allowed",
            Self::BoundToKey { .. } => "bound-to-key",
            Self::UsageReport(_) => "usage-report",
            Self::UsageReportOld { .. } => "usage-report-old",
            Self::NoTrials => "no-trials",
            Self::HadTrial => "had-trial",
            Self::Refusal(refusal) => refusal.code(),
            Self::AlreadyStanding { .. } => "already-standing",
            Self::Revoked => "revoked",
            Self::Access(error) => error.code(),
            Self::Webhook(error) => error.code(),
            Self::Terms(error) => error.code(),
            Self::AuditBroken { .. } => "audit-broken",
            Self::AuditHead { .. } => "audit-head",
            Self::AlreadyMigrated { .. } => "already-migrated",
            Self::Store(error) => error.code(),
            Self::Random(_) => "random",
            Self::PlainHttp { .. } => "plain-http",
            Self::Listen { .. } => "listen",
            Self::Tls(error) => error.code(),
            Self::Refused { code, .. } => code,
            Self::Runtime(_) => "runtime",
            Self::Output(_) => "output",
            Self::Json(_) => "json",
        }
    }
}

//! The portal as one value, which is cheap to clone.

use super::{
    Clock, Directory, KeyRing, PortalError, Vendor,
    access::{AccessError, Hashing, Holder, Operator, Right, Rights},
    answering::{self, AnswerError, Opened, Road},
    attempts::Attempts,
    http::{self, Transport},
    metrics::Metrics,
    pace::Pace,
    store::{Store, WriterKind},
};
use crate::{
    api::Problem,
    license::{DocumentError, Signer},
};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The kind of a request that could not be read.
const UNREAD: &str = "none";

/// How a portal is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who makes changes, for the audit.
    pub actor: String,
    /// Where changes are done.
    pub writer: WriterKind,
}

impl Default for Options {
    fn default() -> Self {
        Self { actor: "operator".to_owned(), writer: WriterKind::Thread }
    }
}

/// A Licensing Portal: its store, its keys, its clock. Its calls block while they read and write the database; the router
/// keeps them off the threads of the runtime.
#[derive(Clone)]
pub struct Portal {
    parts: Arc<Parts>,
    /// Who makes changes through this handle, for the audit.
    actor: Arc<str>,
    /// What that may do.
    rights: Rights,
    /// On whose word, where somebody was let in for it.
    holder: Option<Arc<Holder>>,
}

struct Parts {
    directory: Directory,
    store: Store,
    keys: ArcSwap<KeyRing>,
    keys_change: Mutex<()>,
    signers: Vec<Arc<dyn Signer>>,
    clock: Arc<dyn Clock>,
    attempts: Arc<Attempts>,
    pace: Arc<Pace>,
    metrics: Arc<Metrics>,
    hashing: Hashing,
    /// One walk along the audit at a time.
    audit_walk: Arc<Semaphore>,
}

impl Portal {
    /// Makes a new portal in `directory`: root key, signing key, trust document, database.
    ///
    /// # Errors
    /// [`PortalError::AlreadyInitialized`], [`PortalError::Name`], and what the file system says.
    pub fn init(
        directory: impl AsRef<Path>,
        vendor: &Vendor,
        clock: &dyn Clock,
    ) -> Result<(), PortalError> {
        Directory::new(directory.as_ref()).init(vendor, clock.now())
    }

    /// Opens the portal in `directory`.
    ///
    /// # Errors
    /// [`PortalError::NotInitialized`], and what the file system and the database say.
    pub fn open(
        directory: impl AsRef<Path>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PortalError> {
        Self::open_with(directory, options, clock, Vec::new())
    }

    /// The same, where `signers` keep keys elsewhere, such as in a hardware security module. The newest active key of the trust
    /// document signs, wherever it is.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        directory: impl AsRef<Path>,
        options: Options,
        clock: Arc<dyn Clock>,
        signers: Vec<Arc<dyn Signer>>,
    ) -> Result<Self, PortalError> {
        let directory = Directory::new(directory.as_ref());
        let keys = ArcSwap::from_pointee(KeyRing::load_with(&directory, &signers)?);
        let store = directory.open_store(options.writer)?;
        let metrics = Arc::new(Metrics::new(store.figures()));
        let parts = Parts {
            directory,
            store,
            keys,
            keys_change: Mutex::default(),
            signers,
            clock,
            attempts: Arc::default(),
            pace: Arc::default(),
            metrics,
            hashing: Hashing::default(),
            audit_walk: Arc::new(Semaphore::new(1)),
        };
        Ok(Self {
            parts: Arc::new(parts),
            actor: options.actor.into(),
            rights: Rights::ALL,
            holder: None,
        })
    }

    /// The same portal, for changes that `actor` makes.
    #[must_use]
    pub fn acting_as(&self, actor: &str) -> Self {
        Self { actor: actor.into(), ..self.clone() }
    }

    /// The same portal, for who may do that alone.
    #[must_use]
    pub fn with_rights(&self, rights: Rights) -> Self {
        Self { rights, ..self.clone() }
    }

    /// The same portal, for an operator who has signed in.
    #[must_use]
    pub fn as_operator(&self, operator: &Operator) -> Self {
        self.acting_as(&operator.actor())
            .with_rights(operator.role.rights())
            .held_by(Holder::Operator(operator.clone()))
    }

    /// The same portal, for who must be good still when it changes something.
    #[must_use]
    pub(super) fn held_by(&self, holder: Holder) -> Self {
        Self { holder: Some(Arc::new(holder)), ..self.clone() }
    }

    /// On whose word changes are made.
    pub(super) fn holder(&self) -> Option<Arc<Holder>> {
        self.holder.clone()
    }

    /// What may be done through this handle.
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    /// Refuses who may not do that.
    ///
    /// # Errors
    /// [`AccessError::NotAllowed`].
    pub fn needs(&self, right: Right) -> Result<(), AccessError> {
        self.rights.check(right)
    }

    /// Takes the trust document and the signing keys from the directory again.
    ///
    /// # Errors
    /// As [`KeyRing::load`]; the old keys stay in use then.
    pub fn reload_keys(&self) -> Result<(), PortalError> {
        let _alone = self.alone_with_keys();
        self.take_up_keys()
    }

    /// Keeps others in this process from making, installing and reloading keys: whoever read first might be the last to write.
    pub(super) fn alone_with_keys(&self) -> MutexGuard<'_, ()> {
        self.parts.keys_change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`reload_keys`](Self::reload_keys), for who is alone with them.
    pub(super) fn take_up_keys(&self) -> Result<(), PortalError> {
        let keys = KeyRing::load_with(&self.parts.directory, &self.parts.signers)?;
        self.parts.keys.store(Arc::new(keys));
        Ok(())
    }

    /// Answers a request as it came from an agent. The change and its answer are durable when this returns; the same request
    /// gets the same answer. It blocks.
    ///
    /// # Errors
    /// The problem document that says why it is refused. No license, no slot and no chain has changed then.
    pub fn handle_request(&self, body: &[u8]) -> Result<String, Problem> {
        self.answer(body, Road::Online)
    }

    /// The first half of [`handle_request`](Self::handle_request): reads and verifies it. It blocks, and many may do it at once.
    pub(super) fn open_request(&self, body: &[u8]) -> Result<Opened, Problem> {
        answering::open(self, body, Road::Online, None).map_err(|error| self.told(UNREAD, error))
    }

    /// The other half: the answer, once it is durable.
    pub(super) async fn answer_opened(&self, opened: Opened) -> Result<String, Problem> {
        let kind = opened.kind();
        self.counted(kind, answering::answer_later(self, opened).await)
    }

    /// Answers a request that came as a file, and whose answer goes as one: a release by it frees its slot at once a few
    /// times a year only, because nobody knows whether the answer is ever installed.
    ///
    /// # Errors
    /// As [`handle_request`](Self::handle_request).
    pub fn handle_carried_request(&self, body: &[u8]) -> Result<String, Problem> {
        self.answer(body, Road::Courier)
    }

    fn answer(&self, body: &[u8], road: Road) -> Result<String, Problem> {
        let opened =
            answering::open(self, body, road, None).map_err(|error| self.told(UNREAD, error))?;
        self.counted(opened.kind(), answering::answer(self, opened))
    }

    fn counted(
        &self,
        kind: &'static str,
        answered: Result<String, AnswerError>,
    ) -> Result<String, Problem> {
        let answer = answered.map_err(|error| self.told(kind, error))?;
        self.parts.metrics.asked(kind, "answered");
        Ok(answer)
    }

    fn told(&self, kind: &'static str, error: AnswerError) -> Problem {
        self.parts.metrics.asked(kind, error.code());
        refused(error)
    }

    /// Its routes: the pages, `POST /v1/requests`, `GET /v1/trust`, `GET /.well-known/jwks.json`, `GET /v1/openapi.json`,
    /// `GET /livez`, `GET /readyz`.
    pub fn router(&self) -> axum::Router {
        self.router_over(Transport::default())
    }

    /// The same, for clients that come by `transport`.
    pub fn router_over(&self, transport: Transport) -> axum::Router {
        http::router(self.clone(), transport)
    }

    /// What monitors read: `GET /metrics`, `GET /livez`, `GET /readyz`.
    pub fn monitoring_router(&self) -> axum::Router {
        http::monitoring_router(self.clone())
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    /// The keys in use.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.parts.keys.load_full()
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Directory {
        &self.parts.directory
    }

    /// The portal's time.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The keys that are kept elsewhere.
    pub(super) fn signers(&self) -> &[Arc<dyn Signer>] {
        &self.parts.signers
    }

    pub(super) fn store(&self) -> &Store {
        &self.parts.store
    }

    pub(super) fn attempts(&self) -> Arc<Attempts> {
        self.parts.attempts.clone()
    }

    pub(super) fn pace(&self) -> Arc<Pace> {
        self.parts.pace.clone()
    }

    pub(super) fn hashing(&self) -> &Hashing {
        &self.parts.hashing
    }

    pub(super) fn audit_walk(&self) -> Arc<Semaphore> {
        self.parts.audit_walk.clone()
    }

    /// Does what blocks on a thread that may.
    pub(super) async fn off_the_runtime<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PortalError> + Send + 'static,
    ) -> Result<T, PortalError> {
        // A simulation does everything on its one thread, in an order that can be repeated.
        if self.store().is_inline() {
            return work();
        }
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(PortalError::Runtime(std::io::Error::other(error))))
    }

    pub(super) fn actor(&self) -> &str {
        &self.actor
    }

    /// A new id, ordered by time.
    pub(super) fn new_id(now: Timestamp) -> Result<Uuid, getrandom::Error> {
        let mut random = [0; 10];
        getrandom::fill(&mut random)?;
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid())
    }
}

pub(super) fn refused(error: AnswerError) -> Problem {
    match &error {
        AnswerError::Internal(_)
        | AnswerError::Store(_)
        | AnswerError::Document(DocumentError::Signer { .. }) => {
            tracing::error!(%error, code = error.code(), "a request could not be answered");
        }
        _ => tracing::info!(code = error.code(), "a request is refused"),
    }
    error.into()
}

//! The portal as one value, which is cheap to clone.

use super::{
    Clock, Directory, KeyRing, PortalError, Vendor,
    answering::{self, AnswerError, Opened, Road},
    attempts::Attempts,
    http::{self, Transport},
    store::{Store, WriterKind},
};
use crate::api::Problem;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::{path::Path, sync::Arc};
use uuid::Uuid;

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
}

struct Parts {
    directory: Directory,
    store: Store,
    keys: ArcSwap<KeyRing>,
    clock: Arc<dyn Clock>,
    attempts: Arc<Attempts>,
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
        let directory = Directory::new(directory.as_ref());
        let keys = ArcSwap::from_pointee(KeyRing::load(&directory)?);
        let store = Store::open(&directory.database(), options.writer)?;
        let parts = Parts { directory, store, keys, clock, attempts: Arc::default() };
        Ok(Self { parts: Arc::new(parts), actor: options.actor.into() })
    }

    /// The same portal, for changes that `actor` makes.
    #[must_use]
    pub fn acting_as(&self, actor: &str) -> Self {
        Self { parts: self.parts.clone(), actor: actor.into() }
    }

    /// Takes the trust document and the signing keys from the directory again.
    ///
    /// # Errors
    /// As [`KeyRing::load`]; the old keys stay in use then.
    pub fn reload_keys(&self) -> Result<(), PortalError> {
        self.parts.keys.store(Arc::new(KeyRing::load(&self.parts.directory)?));
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
        answering::open(self, body, Road::Online, None).map_err(refused)
    }

    /// The other half: the answer, once it is durable.
    pub(super) async fn answer_opened(&self, opened: Opened) -> Result<String, Problem> {
        answering::answer_later(self, opened).await.map_err(refused)
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
        let opened = answering::open(self, body, road, None);
        opened.and_then(|opened| answering::answer(self, opened)).map_err(refused)
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

    pub(super) fn store(&self) -> &Store {
        &self.parts.store
    }

    pub(super) fn attempts(&self) -> Arc<Attempts> {
        self.parts.attempts.clone()
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
        AnswerError::Internal(_) | AnswerError::Store(_) => {
            tracing::error!(%error, code = error.code(), "a request could not be answered");
        }
        _ => tracing::info!(code = error.code(), "a request is refused"),
    }
    error.into()
}

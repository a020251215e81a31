//! The pages: what a customer and a vendor open in a browser. Rendered here, without any script.
//!
//! `session` knows who is signed in, `address` what a page's address names, `form` takes what a form sends, `headers` says what a browser may do with a page, `page` lays
//! it out, `target` leads from where a form is sent to the page that has it, `faults` gives a form back with what is wrong, `refused` makes a page of each other refusal. Customers' pages are in `customer`. `http` calls this; this calls
//! `operating` through [`Portal`], `store` for sessions, and `http` for bodies and addresses.

pub(in crate::portal) mod address;
mod assets;
mod customer;
mod faults;
pub(in crate::portal) mod form;
mod headers;
pub(in crate::portal) mod page;
mod refused;
pub(in crate::portal) mod session;
mod target;
mod usage;
mod vendor;

pub(in crate::portal) use headers::harden;
pub(in crate::portal) use refused::{PageError, lay_out};

use super::{Portal, PortalError, attempts::Attempts};
use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    middleware,
    routing::get,
};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies of forms that are read at once.
const MOST_AT_ONCE: usize = 256;

/// What the pages share.
#[derive(Clone)]
pub(in crate::portal) struct Web {
    /// The portal.
    pub(in crate::portal) portal: Portal,
    /// Whether browsers come by TLS: otherwise a cookie that asks for it would never come back.
    pub(in crate::portal) is_secure: bool,
    /// Wrong codes and passwords.
    pub(in crate::portal) attempts: Arc<Attempts>,
    places: Arc<Semaphore>,
}

impl Web {
    pub(in crate::portal) fn new(portal: Portal, is_secure: bool) -> Self {
        let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
        Self { portal, is_secure, attempts: Arc::default(), places }
    }

    /// Does what reads or writes the store, on a thread that may wait.
    pub(in crate::portal) async fn blocking<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<PortalError> + Send + 'static,
    {
        // A simulation does everything on its one thread.
        if self.portal.store().is_inline() {
            return work();
        }
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(PortalError::Runtime(error.into()).into()))
    }

    /// A place for one body.
    fn place(&self) -> Result<OwnedSemaphorePermit, PageError> {
        self.places.clone().try_acquire_owned().map_err(|_| PageError::busy())
    }
}

/// The pages' routes.
pub(super) fn routes(web: Web) -> Router {
    Router::new()
        .route("/assets/{name}", get(assets::asset))
        .merge(customer::routes())
        .merge(vendor::routes())
        .layer(middleware::map_response(headers::keep_to_one_reader))
        .with_state(web)
}

/// Whether whoever asks would rather read a page than a problem document.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The page for an address that there is nothing at.
pub(super) fn nothing_here() -> PageError {
    PageError::not_found("page")
}

/// The page for an address that takes other requests than this one.
pub(super) fn no_such_method() -> PageError {
    PageError::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "no-such-method",
        "Nothing can be sent here",
        "This address takes no such request, and nothing was done. Go back, load the page again, and use what is on it.",
    )
}

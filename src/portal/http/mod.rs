//! The way in by HTTP: one route for requests, and the documents that verify its answers.
//!
//! The router is served by `api::serve`; whoever sends a request is told by its signature alone.

mod body;
mod client_address;
mod documents;
mod monitoring;
mod observed;
mod requests;
mod transport;

pub(super) use monitoring::router as monitoring_router;

pub use client_address::ClientAddress;
pub use transport::{ForwardedBy, Transport};

use super::Portal;
use crate::api::Problem;
use axum::{
    Extension, Router,
    http::{Method, StatusCode, Uri},
    middleware,
    routing::get,
};
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Requests that are read and answered at once; more are asked to come again, so that their bodies fill no memory.
const MOST_AT_ONCE: usize = 256;

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "entitled Licensing Portal",
    description = "Agents ask for licenses by one route; the other routes serve the documents that verify its answers. Errors are RFC 9457 problem documents with stable types."
))]
struct Description;

/// What the handlers share.
#[derive(Clone)]
struct Access {
    portal: Portal,
    places: Arc<Semaphore>,
}

/// The routes of a portal that is reached so.
pub(super) fn router(portal: Portal, transport: Transport) -> Router {
    let (router, description) = described().split_for_parts();
    let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let metrics = portal.metrics().clone();
    router
        .route("/v1/openapi.json", get(move || async move { axum::Json(description) }))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Access { portal, places })
        .layer(middleware::from_fn_with_state(metrics, observed::observe))
        .layer(Extension(Arc::new(transport)))
}

/// The description of the routes, OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Access> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(requests::request))
        .routes(routes!(documents::trust))
        .routes(routes!(documents::key_set))
        .routes(routes!(documents::livez))
        .routes(routes!(documents::readyz))
}

async fn no_such_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(80).collect();
    let detail =
        format!("there is nothing at {path}: `/v1/openapi.json` lists what this portal has");
    Problem::new(StatusCode::NOT_FOUND, "no-such-route", "There is nothing here", detail)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(80).collect();
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no-such-method",
        "The method does not fit",
        format!("{path} does not take {method}: `/v1/openapi.json` lists what it takes"),
    )
}

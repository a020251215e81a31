//! The way in by HTTP: one route for requests, and the documents that verify its answers.
//!
//! The pages for browsers are `web`'s. The router is served by `api::serve`; whoever sends a request is told by its signature alone.

pub(super) mod body;
mod client_address;
pub(super) mod documents;
mod monitoring;
mod observed;
mod requests;
mod transport;
mod vendor;

pub(super) use monitoring::router as monitoring_router;

pub use client_address::ClientAddress;
pub use transport::{ForwardedBy, Transport};
pub(in crate::portal) use vendor::csv;

use super::{
    Portal,
    web::{self, Web},
};
use crate::api::{Problem, Unread, throw_away_unread};
use axum::{
    Extension, Router,
    http::{HeaderMap, Method, StatusCode, Uri},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use vendor::BearerToken;

/// Requests that are read and answered at once; more are asked to come again, so that their bodies fill no memory.
const MOST_AT_ONCE: usize = 256;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "entitled Licensing Portal",
        description = "Agents ask for licenses by one route; others serve the documents that verify its answers. Routes tagged vendor are the vendor's own, by token. Errors are RFC 9457 problem documents with stable types."
    ),
    modifiers(&BearerToken)
)]
struct Description;

/// What the handlers share.
#[derive(Clone)]
struct Access {
    portal: Portal,
    places: Arc<Semaphore>,
}

/// The routes of a portal that is reached so.
pub(super) fn router(portal: Portal, transport: Transport) -> Router {
    let metrics = portal.metrics().clone();
    let access = Access { portal: portal.clone(), places: Arc::new(Semaphore::new(MOST_AT_ONCE)) };
    let (router, description) = described(Some(&access)).split_for_parts();
    let is_secure = transport.is_secure();
    let web = Web::new(portal, is_secure);
    let pages = web::routes(web.clone());
    router
        .route("/v1/openapi.json", get(move || async move { axum::Json(description) }))
        .with_state(access)
        .merge(pages)
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(web, web::lay_out))
        .layer(middleware::map_response(move |response: Response| async move {
            web::harden(response, is_secure)
        }))
        .layer(middleware::from_fn_with_state(metrics, observed::observe))
        .layer(middleware::from_fn_with_state(Unread::default(), throw_away_unread))
        .layer(Extension(Arc::new(transport)))
}

/// The description of the routes, OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described(None).into_openapi()
}

/// Guarded where there is something to guard: a description needs no portal.
fn described(access: Option<&Access>) -> OpenApiRouter<Access> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(requests::request))
        .routes(routes!(documents::trust))
        .routes(routes!(documents::key_set))
        .routes(routes!(documents::livez))
        .routes(routes!(documents::readyz))
        .merge(vendor::described(access))
}

async fn no_such_route(headers: HeaderMap, uri: Uri) -> Response {
    if web::wants_page(&headers) {
        return web::nothing_here().into_response();
    }
    let path: String = uri.path().chars().take(80).collect();
    let detail =
        format!("there is nothing at {path}: `/v1/openapi.json` lists what this portal has");
    Problem::new(StatusCode::NOT_FOUND, "no-such-route", "There is nothing here", detail)
        .into_response()
}

async fn no_such_method(method: Method, headers: HeaderMap, uri: Uri) -> Response {
    if web::wants_page(&headers) {
        return web::no_such_method().into_response();
    }
    let path: String = uri.path().chars().take(80).collect();
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no-such-method",
        "The method does not fit",
        format!("{path} does not take {method}: `/v1/openapi.json` lists what it takes"),
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_openapi_document_of_the_portal_is_the_one_in_docs() {
        crate::api::openapi_tests::assert_checked_in("portal-openapi.json", &super::openapi());
    }
}

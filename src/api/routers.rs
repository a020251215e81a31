//! One router a socket, and the OpenAPI document of all.

use super::{
    AgentHandle, Problem,
    asked::{LARGEST_BODY, whole},
    change, health, members, read, usage,
};
use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode, Uri},
};
use std::sync::OnceLock;
use utoipa::openapi::{Info, License, OpenApi, OpenApiBuilder};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The router of `entitled.sock`: what everyone may read.
pub fn read_router(agent: AgentHandle) -> Router {
    finish(read_routes(), agent)
}

/// The router of `usage.sock`: to report usage.
pub fn usage_router(agent: AgentHandle) -> Router {
    finish(usage::routes().routes(routes!(description)), agent)
}

/// The router of `admin.sock`: everything.
pub fn admin_router(agent: AgentHandle) -> Router {
    finish(all_routes(), agent)
}

/// What monitors may ask over TCP: `/livez`, `/readyz` and `/metrics`, and nothing that tells more.
pub fn health_router(agent: AgentHandle) -> Router {
    finish(health::routes(), agent)
}

/// The OpenAPI document of all three sockets.
pub fn openapi() -> OpenApi {
    let mut info = Info::new("entitled", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Entitlement of this environment, over HTTP/1.1 on unix sockets: entitled.sock has the routes tagged status, \
         identity, license and health, usage.sock those tagged usage, admin.sock all; each has this document."
            .to_owned(),
    );
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let (_, mut document) = all_routes().split_for_parts();
    document.info = info;
    OpenApiBuilder::from(document).build()
}

fn all_routes() -> OpenApiRouter<AgentHandle> {
    read_routes()
        .merge(change::admin_routes())
        .merge(members::routes())
        .merge(usage::routes())
        .merge(usage::admin_routes())
}

fn read_routes() -> OpenApiRouter<AgentHandle> {
    read::routes().merge(health::routes()).routes(routes!(description))
}

/// This document
#[utoipa::path(get, path = "/v1/openapi.json", tag = "status", responses(
    (status = 200, description = "The OpenAPI document of all sockets", body = Object),
))]
async fn description() -> Json<&'static OpenApi> {
    static DOCUMENT: OnceLock<OpenApi> = OnceLock::new();
    Json(DOCUMENT.get_or_init(openapi))
}

fn finish(routes: OpenApiRouter<AgentHandle>, agent: AgentHandle) -> Router {
    let (serving, _) = routes.split_for_parts();
    serving
        .route_layer(axum::middleware::from_fn(whole))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(agent)
}

async fn unknown_route(uri: Uri) -> Problem {
    let detail = format!(
        "there is no {} on this socket: /v1/openapi.json lists the routes; changes go to admin.sock",
        uri.path()
    );
    Problem::new(StatusCode::NOT_FOUND, "no-such-route", "There is no such route", detail)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail =
        format!("{} does not take {method}: /v1/openapi.json lists the methods", uri.path());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method-not-allowed", "The method is not allowed", detail)
}

#[cfg(test)]
pub(crate) mod tests {
    use utoipa::openapi::OpenApi;

    #[test]
    fn the_openapi_document_is_the_one_in_docs() {
        assert_checked_in("openapi.json", &super::openapi());
    }

    /// The contract, checked in: a change of it is a change of the changelog as well. The portal's is held to its file by this too.
    pub(crate) fn assert_checked_in(name: &str, current: &OpenApi) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        let current = serde_json::to_string_pretty(current).unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == current,
            "the API of {name} changed: if that was meant, run `UPDATE_OPENAPI=1 cargo test --lib openapi_document` and write it into CHANGELOG.md"
        );
    }
}

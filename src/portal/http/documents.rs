//! The documents that verify the portal's answers, and whether the portal is well.

use super::Access;
use crate::{
    api::Problem,
    license::MEDIA_TYPE,
    portal::{Portal, PortalError},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

/// Keys change seldom, and agents get a newer trust document with an answer.
const CACHED: &str = "public, max-age=300";

/// The trust document
///
/// A compact JWS by the vendor's root key: the complete set of portal keys.
#[utoipa::path(
    get,
    path = "/v1/trust",
    responses((status = 200, description = "the trust document", body = String, content_type = "application/jose"))
)]
pub(super) async fn trust(State(access): State<Access>) -> impl IntoResponse {
    let text = access.portal.keys().trust().text().to_owned();
    ([(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, CACHED)], text)
}

/// The portal's keys
///
/// A JWK set (RFC 7517) for JWT libraries. It comes from this portal alone; the trust document is what proves it.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    responses((status = 200, description = "the keys", body = serde_json::Value, content_type = "application/jwk-set+json"))
)]
pub(super) async fn key_set(State(access): State<Access>) -> Result<impl IntoResponse, Problem> {
    let keys = access.portal.keys().key_set().map_err(|error| {
        let detail =
            "the keys could not be written: the portal's operator finds the reason in its log";
        tracing::error!(%error, "the keys could not be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "portal-failed",
            "The portal failed",
            detail,
        )
    })?;
    let kind = "application/jwk-set+json";
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHED)], keys))
}

/// Whether the process runs
#[utoipa::path(get, path = "/livez", responses((status = 200, description = "it runs", body = String)))]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether requests can be answered
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "they can", body = String),
        (status = 503, description = "the database can't be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(State(access): State<Access>) -> Result<&'static str, Problem> {
    ready(access.portal).await
}

/// Whether the database can be read.
pub(super) async fn ready(portal: Portal) -> Result<&'static str, Problem> {
    let check = move || portal.store().read(|view| Ok::<_, PortalError>(view.check()?));
    let checked = tokio::task::spawn_blocking(check).await;
    match checked {
        Ok(Ok(())) => Ok("ok\n"),
        Ok(Err(error)) => {
            tracing::error!(%error, "the portal is not ready");
            Err(not_ready())
        }
        Err(_) => Err(not_ready()),
    }
}

fn not_ready() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "portal-unavailable",
        "The portal is not available",
        "the portal's database can't be read: its operator finds the reason in its log",
    )
    .retry_after(5)
}

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
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long the database may take to be read, for a monitor that waits.
const LONGEST_CHECK: Duration = Duration::from_secs(5);

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
        (status = 503, description = "the database can't be read, or a change has waited for it for more than 30 seconds", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn readyz(State(access): State<Access>) -> Result<&'static str, Problem> {
    ready(access.portal).await
}

/// Whether the database can be read and written.
pub(super) async fn ready(portal: Portal) -> Result<&'static str, Problem> {
    ready_at(portal, Instant::now()).await
}

/// The same, at that time. It answers even where each thread that may wait waits for a database that says nothing.
pub(in crate::portal) async fn ready_at(
    portal: Portal,
    now: Instant,
) -> Result<&'static str, Problem> {
    if portal.store().figures().stands_still(now) {
        tracing::error!("the portal is not ready: the database does not finish a commit");
        return Err(not_ready());
    }
    let check = move || portal.store().read(|view| Ok::<_, PortalError>(view.check()?));
    let reason = match timeout(LONGEST_CHECK, tokio::task::spawn_blocking(check)).await {
        Ok(Ok(Ok(()))) => return Ok("ok\n"),
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the database was not read in time".to_owned(),
    };
    tracing::error!(reason, "the portal is not ready");
    Err(not_ready())
}

fn not_ready() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "portal-unavailable",
        "The portal is not available",
        "the portal's database can't be used: its operator finds the reason in its log",
    )
    .retry_after(5)
}

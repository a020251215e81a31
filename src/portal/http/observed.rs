//! Each request counted and logged: what was asked for by its route, never the path, the query, a cookie or a body.

use super::ClientAddress;
use crate::portal::metrics::{Metrics, known};
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, request::Parts},
    middleware::Next,
    response::Response,
};
use std::{sync::Arc, time::Instant};
use tracing::Instrument;

/// By which an answer is found in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What has no route.
const NO_ROUTE: &str = "none";

/// Says once that requests come from where no proxy is trusted: limits count all clients of a proxy that is not believed as one.
fn tell_of_stranger(parts: &Parts, metrics: &Metrics) {
    if let Some(stranger) = ClientAddress::past_proxies(parts)
        && metrics.came_past_proxies()
    {
        tracing::warn!(
            address = %stranger,
            "a request came from an address that is no trusted proxy's: if a proxy is there, say `--trusted-proxy` with its address, or all of its clients count as one; if not, let nobody but the proxy reach this portal"
        );
    }
}

/// Counts and logs a request, and gives its answer the id by which the log knows it.
pub(super) async fn observe(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    let (parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>();
    let route = route.map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let client = ClientAddress::of(&parts).0;
    // Probes come every few seconds, from wherever monitors are, and say nothing.
    let is_probe = matches!(route.as_str(), "/livez" | "/readyz");
    if !is_probe {
        tell_of_stranger(&parts, &metrics);
    }
    let method = parts.method.clone();
    let id = uuid::Uuid::new_v4().simple().to_string();
    let span = tracing::info_span!("request", id);
    let mut response = next.run(Request::from_parts(parts, body)).instrument(span).await;
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    metrics.answered(&method, &route, status, took);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    // One that nobody knows may be as long as a head, and whatever the client likes.
    let method = known(&method);
    if is_probe {
        tracing::debug!(target: "access", id, %client, method, route, status, milliseconds, "answered");
    } else {
        tracing::info!(target: "access", id, %client, method, route, status, milliseconds, "answered");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

//! Each request counted and logged: what was asked for by its route, never the path, the query, a cookie or a body.

use super::ClientAddress;
use crate::portal::metrics::Metrics;
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use std::{sync::Arc, time::Instant};
use tracing::Instrument;

/// By which an answer is found in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What has no route.
const NO_ROUTE: &str = "none";

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
    let method = parts.method.clone();
    let id = uuid::Uuid::new_v4().simple().to_string();
    let span = tracing::info_span!("request", id);
    let mut response = next.run(Request::from_parts(parts, body)).instrument(span).await;
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    metrics.answered(&method, &route, status, took);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let method = if method == Method::GET { "GET" } else { method.as_str() };
    // Probes come every few seconds, and say nothing.
    if matches!(route.as_str(), "/livez" | "/readyz") {
        tracing::debug!(target: "access", id, %client, method, route, status, milliseconds, "answered");
    } else {
        tracing::info!(target: "access", id, %client, method, route, status, milliseconds, "answered");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

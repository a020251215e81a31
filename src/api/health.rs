//! What monitors ask: on every socket, and over TCP where the settings say so.

use super::AgentHandle;
use crate::health::METRICS_MEDIA_TYPE;
use axum::{
    extract::State as From,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new().routes(routes!(livez)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the agent's loop turns
#[utoipa::path(get, path = "/livez", tag = "health", responses(
    (status = 200, description = "It does", body = String),
    (status = 503, description = "It is stuck", body = String),
))]
async fn livez(From(agent): From<AgentHandle>) -> (StatusCode, &'static str) {
    if agent.heartbeat.is_alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the agent's loop is stuck\n")
    }
}

/// Whether the agent can answer: the license is not its health
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It can", body = String),
    (status = 503, description = "The hardware is still being read", body = String),
))]
async fn readyz(From(agent): From<AgentHandle>) -> (StatusCode, &'static str) {
    match agent.current() {
        Ok(_) => (StatusCode::OK, "ok\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the hardware is still being read\n"),
    }
}

/// Metrics in the OpenMetrics text format
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"),
))]
async fn metrics(From(agent): From<AgentHandle>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_MEDIA_TYPE)], agent.metrics.render()).into_response()
}

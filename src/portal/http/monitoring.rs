//! What monitors read, on an address of its own: who may use the portal need not see how much it is used.

use super::documents::{livez, ready};
use crate::{health::METRICS_MEDIA_TYPE, portal::Portal};
use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};

/// `/metrics`, `/livez` and `/readyz`.
pub(in crate::portal) fn router(portal: Portal) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(|State(portal): State<Portal>| async { ready(portal).await }))
        .fallback(super::no_such_route)
        .with_state(portal)
}

async fn metrics(State(portal): State<Portal>) -> impl IntoResponse {
    let counting = portal.clone();
    // Where it fails, the rest is told all the same.
    let _ = tokio::task::spawn_blocking(move || counting.metrics().count(&counting)).await;
    ([(header::CONTENT_TYPE, METRICS_MEDIA_TYPE)], portal.metrics().render(&portal.keys()))
}

//! A move of the controller by one bundle, on `admin.sock` of both machines.

use super::{
    AgentHandle, BundleOrder, Command, Done, ExportOrder, Peer, Problem, Reply,
    asked::bad_body,
    change::{done, unexpected},
};
use crate::{
    bundle::{Contents, LARGEST},
    license::MEDIA_TYPE,
};
use axum::{
    Extension, Json,
    extract::{DefaultBodyLimit, State as From, rejection::JsonRejection},
    http::{HeaderName, header},
};
use serde::Deserialize;
use std::time::Duration;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<AgentHandle> {
    let imports = OpenApiRouter::new().routes(routes!(import)).routes(routes!(import_by_hand));
    OpenApiRouter::new()
        .merge(imports.layer(DefaultBodyLimit::max(LARGEST)))
        .routes(routes!(export))
        .routes(routes!(cancel))
}

/// A bundle to be made.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    /// Where the members will find the new controller, host or host:port.
    #[serde(default)]
    controllers: Vec<String>,
    /// How long the bundle is good for, seconds.
    ttl_seconds: u64,
}

/// Makes what another machine needs to become the controller
///
/// The answer holds keys, and is not sealed: `entitlectl controller export` seals it before it is written anywhere. Nothing
/// changes before the other machine's request is answered. What was made before is worthless from the next request to the
/// portal on.
#[utoipa::path(post, path = "/v1/controller/export", tag = "admin", request_body = Export, responses(
    (status = 200, description = "The contents of a bundle, for `/v1/controller/import`: secrets", body = Object),
    (status = "4XX", description = "It can't be made; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn export(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<Export>, JsonRejection>,
) -> Result<Json<Contents>, Problem> {
    let Json(Export { controllers, ttl_seconds }) =
        body.map_err(|error| bad_body(error.status(), &error.body_text()))?;
    let time_to_live = Duration::from_secs(ttl_seconds);
    let command = Command::Bundle(BundleOrder::Export(ExportOrder { controllers, time_to_live }));
    match agent.call(peer.actor(), command).await? {
        Reply::Bundle(contents) => Ok(Json(*contents)),
        _ => Err(unexpected()),
    }
}

/// Makes the bundle that was made worthless
///
/// The portal is told so, and answers no request that is made of it from then on.
#[utoipa::path(post, path = "/v1/controller/export/cancel", tag = "admin", responses(
    (status = 200, description = "The bundle is worthless", body = Done),
    (status = "4XX", description = "There is none", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The portal can't be reached; it is told with the next request that it answers", body = Problem, content_type = "application/problem+json"),
))]
async fn cancel(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Done>, Problem> {
    done(agent.call(peer.actor(), Command::Bundle(BundleOrder::Cancel)).await)
}

/// Becomes the controller of a bundle's environment
#[utoipa::path(post, path = "/v1/controller/import", tag = "admin", request_body = Object, responses(
    (status = 200, description = "This machine is the controller", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The portal can't be reached; the request is kept and sent again", body = Problem, content_type = "application/problem+json"),
))]
async fn import(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<Contents>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    let command =
        Command::Bundle(BundleOrder::Import { contents: contents(body)?, by_hand: false });
    done(agent.call(peer.actor(), command).await)
}

/// Takes a bundle, and makes the request that is carried to the portal by hand
///
/// Its answer is installed by `/v1/install`.
#[utoipa::path(post, path = "/v1/controller/request", tag = "admin", request_body = Object, responses(
    (status = 200, description = "The signed request", body = String, content_type = "application/jose"),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn import_by_hand(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<Contents>, JsonRejection>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let command = Command::Bundle(BundleOrder::Import { contents: contents(body)?, by_hand: true });
    match agent.call(peer.actor(), command).await? {
        Reply::Document(text) => Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text)),
        _ => Err(unexpected()),
    }
}

/// The rejection would repeat the body, which is secret.
fn contents(body: Result<Json<Contents>, JsonRejection>) -> Result<Box<Contents>, Problem> {
    let Json(contents) = body.map_err(|error| {
        bad_body(error.status(), "expected what `entitlectl controller export` had sealed")
    })?;
    Ok(Box::new(contents))
}

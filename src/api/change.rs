//! What changes something: the routes of `admin.sock`.

use super::{
    AgentHandle, Command, Done, Peer, Problem, Reply, RequestByHand,
    asked::{Parameters, Sent, bad_body},
    controller, moving,
};
use crate::{
    codes::ActivationCode,
    license::{MEDIA_TYPE, Purpose, RebindCode, RequestKind},
    store::StoredEvent,
};
use axum::{
    Extension, Json,
    extract::{State as From, rejection::JsonRejection},
    http::{HeaderName, StatusCode, header},
};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

/// The routes of `admin.sock` beside those that everyone may use.
pub(super) fn admin_routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new()
        .routes(routes!(activate))
        .routes(routes!(rebind))
        .routes(routes!(install))
        .routes(routes!(request))
        .merge(moving::routes())
        .merge(controller::routes())
        .routes(routes!(refresh))
        .routes(routes!(release))
        .routes(routes!(events))
}

/// An activation.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the member is called as its setting is")]
pub(super) struct Activation {
    /// The Activation Code; left out: the one that is kept or configured.
    #[schema(value_type = Option<String>)]
    activation_code: Option<Zeroizing<String>>,
    /// The environment's name; left out: the configured one.
    environment_name: Option<String>,
    /// What the environment is for; left out: the configured one.
    purpose: Option<Purpose>,
}

/// Activates this environment at the portal
#[utoipa::path(post, path = "/v1/activate", tag = "admin", request_body = Activation, responses(
    (status = 200, description = "It is activated", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The portal can't be reached; the request is kept and sent again", body = Problem, content_type = "application/problem+json"),
))]
async fn activate(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<Activation>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    // The rejection would repeat the body, in which there may be a code.
    let Json(Activation { activation_code, environment_name, purpose }) = body.map_err(|error| {
        let detail = "expected JSON (content-type: application/json) with the members activation_code, environment_name and purpose, all optional";
        bad_body(error.status(), detail)
    })?;
    let code = read_code(activation_code)?;
    let command = Command::Activate { code, name: environment_name, purpose };
    done(agent.call(peer.actor(), command).await)
}

/// A rebind.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rebinding {
    /// The Activation Code; left out: the one that is kept or configured.
    #[schema(value_type = Option<String>)]
    activation_code: Option<Zeroizing<String>>,
    /// The one-time code of the portal, where the vendor asks for one.
    #[schema(value_type = Option<String>)]
    rebind_code: Option<Zeroizing<String>>,
}

/// Binds this machine's environment to a new key, and to this hardware where it is other than what was enrolled
///
/// The key that is bound consents, and no code is needed. Where that key was lost, the Activation Code speaks in its place.
///
/// For a machine that lost the agent's state, and with it the environment's key.
#[utoipa::path(post, path = "/v1/rebind", tag = "admin", request_body = Rebinding, responses(
    (status = 200, description = "It is bound", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The portal can't be reached; the request is kept and sent again", body = Problem, content_type = "application/problem+json"),
))]
async fn rebind(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<Rebinding>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    // The rejection would repeat the body, in which there may be a code.
    let Json(Rebinding { activation_code, rebind_code }) = body.map_err(|error| {
        let detail = "expected JSON (content-type: application/json) with the members activation_code and rebind_code, both optional";
        bad_body(error.status(), detail)
    })?;
    let code = read_code(activation_code)?;
    let rebind_code = read_rebind_code(rebind_code)?;
    done(agent.call(peer.actor(), Command::Rebind { code, rebind_code }).await)
}

/// Installs a license, or an answer of the portal, that was carried by hand
#[utoipa::path(post, path = "/v1/install", tag = "admin", request_body(content = String, content_type = "application/jose"), responses(
    (status = 200, description = "It is installed", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn install(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Sent(body): Sent,
) -> Result<Json<Done>, Problem> {
    let text = String::from_utf8(body.into()).map_err(|_| {
        bad_request("document-not-compact", "expected a signed document, found bytes that are no text: choose the file that the portal gave")
    })?;
    done(agent.call(peer.actor(), Command::Install { text }).await)
}

/// Asks the portal for the newest license now
#[utoipa::path(post, path = "/v1/refresh", tag = "admin", responses(
    (status = 200, description = "The portal answered", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The portal can't be reached; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn refresh(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    // It says nothing, but it must be there: half a request asks for nothing.
    _: Sent,
) -> Result<Json<Done>, Problem> {
    done(agent.call(peer.actor(), Command::Refresh).await)
}

/// Gives the license back to the portal
#[utoipa::path(post, path = "/v1/release", tag = "admin", responses(
    (status = 200, description = "The slot is free again", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The portal can't be reached; the request is kept and sent again", body = Problem, content_type = "application/problem+json"),
))]
async fn release(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    _: Sent,
) -> Result<Json<Done>, Problem> {
    done(agent.call(peer.actor(), Command::Release).await)
}

/// How many events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Newest {
    /// At most so many, 100 unless told, 10,000 at the most.
    limit: Option<u32>,
}

/// The audit, newest first
#[utoipa::path(get, path = "/v1/events", tag = "admin", params(Newest), responses(
    (status = 200, description = "What happened", body = Vec<StoredEvent>),
))]
async fn events(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Parameters(Newest { limit }): Parameters<Newest>,
) -> Result<Json<Vec<StoredEvent>>, Problem> {
    let command = Command::Events { limit: limit.unwrap_or(100).min(10_000) };
    match agent.call(peer.actor(), command).await? {
        Reply::Events(events) => Ok(Json(events)),
        _ => Err(unexpected()),
    }
}

/// A request for a courier.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByHand {
    /// What is asked for.
    request: RequestKind,
    /// To activate: as for `/v1/activate`.
    #[schema(value_type = Option<String>)]
    activation_code: Option<Zeroizing<String>>,
    /// To activate: as for `/v1/activate`.
    environment_name: Option<String>,
    /// To activate: as for `/v1/activate`.
    purpose: Option<Purpose>,
    /// To rebind: as for `/v1/rebind`.
    #[schema(value_type = Option<String>)]
    rebind_code: Option<Zeroizing<String>>,
}

/// Makes a request that is carried to the portal by hand
///
/// Its answer is installed by `/v1/install`.
#[utoipa::path(post, path = "/v1/request", tag = "admin", request_body = ByHand, responses(
    (status = 200, description = "The signed request", body = String, content_type = "application/jose"),
    (status = "4XX", description = "It can't be made; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn request(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<ByHand>, JsonRejection>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    // The rejection would repeat the body, in which there may be a code.
    let Json(ByHand { request: kind, activation_code, environment_name: name, purpose, rebind_code }) = body
        .map_err(|error| {
            let detail = "expected JSON (content-type: application/json) with the member request (activate, refresh, release or rebind) and, to activate or rebind, those of /v1/activate or /v1/rebind";
            bad_body(error.status(), detail)
        })?;
    let code = read_code(activation_code)?;
    let rebind_code = read_rebind_code(rebind_code)?;
    let request = RequestByHand { kind, code, name, purpose, rebind_code };
    match agent.call(peer.actor(), Command::Request(request)).await? {
        Reply::Document(text) => Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text)),
        _ => Err(unexpected()),
    }
}

fn read_code(text: Option<Zeroizing<String>>) -> Result<Option<ActivationCode>, Problem> {
    let code = text.map(|text| text.parse::<ActivationCode>()).transpose();
    code.map_err(|error| bad_request(error.code(), &error.to_string()))
}

fn read_rebind_code(text: Option<Zeroizing<String>>) -> Result<Option<RebindCode>, Problem> {
    let code = text.map(|text| text.parse::<RebindCode>()).transpose();
    code.map_err(|error| bad_request(error.code(), &error.to_string()))
}

pub(super) fn done(reply: Result<Reply, Problem>) -> Result<Json<Done>, Problem> {
    match reply? {
        Reply::Done(done) => Ok(Json(*done)),
        _ => Err(unexpected()),
    }
}

pub(super) fn bad_request(code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, "The request can't be used", detail)
}

pub(super) fn unexpected() -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "internal", "The agent failed", "the agent answered something else")
}

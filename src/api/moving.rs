//! A planned move of the controller, on `admin.sock` of both machines.

use super::{
    AgentHandle, Command, Done, Peer, Problem, Reply,
    asked::Sent,
    change::{bad_request, done, unexpected},
};
use crate::license::MEDIA_TYPE;
use axum::{
    Extension, Json,
    extract::State as From,
    http::{HeaderName, header},
};
use bytes::Bytes;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A signed document, as it is carried.
type Document = ([(HeaderName, &'static str); 1], String);

pub(super) fn routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new()
        .routes(routes!(offer))
        .routes(routes!(consent))
        .routes(routes!(accept))
        .routes(routes!(accept_by_hand))
}

/// Offers this machine to an environment, to be its controller
#[utoipa::path(post, path = "/v1/move/offer", tag = "admin", responses(
    (status = 200, description = "The offer, for `/v1/move/consent` on the controller; it holds no secret", body = String, content_type = "application/jose"),
    (status = "4XX", description = "It can't be made; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn offer(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
) -> Result<Document, Problem> {
    document(agent.call(peer.actor(), Command::OfferMove).await)
}

/// Consents to the offer of another machine
///
/// Nothing changes before that machine's request is answered.
#[utoipa::path(post, path = "/v1/move/consent", tag = "admin", request_body(content = String, content_type = "application/jose"), responses(
    (status = 200, description = "The consent, with the license and the trust document before it, for `/v1/move/accept` on the machine that offered; it holds no secret", body = String, content_type = "application/jose"),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn consent(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Sent(body): Sent,
) -> Result<Document, Problem> {
    let command = Command::ConsentToMove { offer: text(body)? };
    document(agent.call(peer.actor(), command).await)
}

/// Takes over the environment that consented
#[utoipa::path(post, path = "/v1/move/accept", tag = "admin", request_body(content = String, content_type = "application/jose"), responses(
    (status = 200, description = "This machine is the controller", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The portal can't be reached; the request is kept and sent again", body = Problem, content_type = "application/problem+json"),
))]
async fn accept(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Sent(body): Sent,
) -> Result<Json<Done>, Problem> {
    let command = Command::AcceptMove { consent: text(body)?, by_hand: false };
    done(agent.call(peer.actor(), command).await)
}

/// Makes the request of a move that is carried to the portal by hand
///
/// Its answer is installed by `/v1/install`.
#[utoipa::path(post, path = "/v1/move/request", tag = "admin", request_body(content = String, content_type = "application/jose"), responses(
    (status = 200, description = "The signed request", body = String, content_type = "application/jose"),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn accept_by_hand(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Sent(body): Sent,
) -> Result<Document, Problem> {
    let command = Command::AcceptMove { consent: text(body)?, by_hand: true };
    document(agent.call(peer.actor(), command).await)
}

fn text(body: Bytes) -> Result<String, Problem> {
    String::from_utf8(body.into()).map_err(|_| {
        bad_request("document-not-compact", "expected a signed document, found bytes that are no text: choose the file that `entitlectl move` made on the other machine")
    })
}

fn document(reply: Result<Reply, Problem>) -> Result<Document, Problem> {
    match reply? {
        Reply::Document(text) => Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text)),
        _ => Err(unexpected()),
    }
}

//! The environment's members: the routes of `admin.sock` for them, on the controller and on a member.

use super::{
    AgentHandle, Command, Done, JoinOrder, MadeToken, MemberLine, Peer, Problem, Reply, TokenOrder,
    asked::{Named, bad_body},
    change::{done, unexpected},
};
use axum::{
    Extension, Json,
    extract::{State as From, rejection::JsonRejection},
};
use serde::Deserialize;
use std::time::Duration;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

pub(super) fn routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new()
        .routes(routes!(token))
        .routes(routes!(members))
        .routes(routes!(remove))
        .routes(routes!(join))
}

/// A token to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// Seconds that it is good for, an hour unless told, 366 days at the most.
    ttl_seconds: Option<u64>,
    /// How many servers may join with it, one unless told.
    uses: Option<u32>,
    /// From which addresses they must come, such as `10.1.0.0/16`; left out: from all.
    from: Option<String>,
}

/// Makes a token for servers to join this environment with
///
/// It is a secret, told this once, and kept as a digest.
#[utoipa::path(post, path = "/v1/member-tokens", tag = "admin", request_body = NewToken, responses(
    (status = 200, description = "The token", body = MadeToken),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn token(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<NewToken>, JsonRejection>,
) -> Result<Json<MadeToken>, Problem> {
    let Json(NewToken { ttl_seconds, uses, from }) =
        body.map_err(|error| bad_body(error.status(), &error.body_text()))?;
    let time_to_live = Duration::from_secs(ttl_seconds.unwrap_or(3_600));
    let order = TokenOrder { time_to_live, uses: uses.unwrap_or(1), from };
    match agent.call(peer.actor(), Command::MakeToken(order)).await? {
        Reply::Token(made) => Ok(Json(made)),
        _ => Err(unexpected()),
    }
}

/// The members of this environment
#[utoipa::path(get, path = "/v1/members", tag = "admin", responses(
    (status = 200, description = "Every member that was not removed", body = Vec<MemberLine>),
    (status = 409, description = "This agent is a member itself", body = Problem, content_type = "application/problem+json"),
))]
async fn members(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Vec<MemberLine>>, Problem> {
    match agent.call(peer.actor(), Command::Members).await? {
        Reply::Members(members) => Ok(Json(members)),
        _ => Err(unexpected()),
    }
}

/// Removes a member
///
/// Its connections end within a second, and its certificate opens nothing any more.
#[utoipa::path(delete, path = "/v1/members/{member}", tag = "admin", params(("member" = String, Path, description = "Its id, or its name where no other has that")), responses(
    (status = 200, description = "It is removed", body = Done),
    (status = 404, description = "There is no such member", body = Problem, content_type = "application/problem+json"),
))]
async fn remove(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Named(member): Named<String>,
) -> Result<Json<Done>, Problem> {
    done(agent.call(peer.actor(), Command::RemoveMember { member }).await)
}

/// An environment to be joined.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    /// Addresses of its controller, `host:port`; left out: those of the settings.
    #[serde(default)]
    controllers: Vec<String>,
    /// The token.
    #[schema(value_type = String)]
    token: Zeroizing<String>,
}

/// Joins an environment, where this agent is set to be a member
#[utoipa::path(post, path = "/v1/join", tag = "admin", request_body = Join, responses(
    (status = 200, description = "It has joined", body = Done),
    (status = "4XX", description = "It was refused; nothing changed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The controller can't be reached; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn join(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    body: Result<Json<Join>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    // The rejection would repeat the body, in which there may be a token.
    let Json(Join { controllers, token }) = body.map_err(|error| {
        let detail = "expected JSON (content-type: application/json) with the members token and controllers, a list of addresses";
        bad_body(error.status(), detail)
    })?;
    done(agent.call(peer.actor(), Command::Join(JoinOrder { controllers, token })).await)
}

//! What is used: the routes of `usage.sock`, and what operators ask of usage.

use super::{
    AgentHandle, Command, Done, Peer, Problem, Reply, UsageOverview, UsageReport, UserNames,
    UsersReport,
    asked::{Named, Parameters, bad_body, bad_parameter},
    change::{done, unexpected},
};
use crate::license::{MEDIA_TYPE, UsageDocument};
use axum::{
    Extension, Json,
    extract::{State as From, rejection::JsonRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

/// How long a report counts at the most, seconds.
const LONGEST_TIME_TO_LIVE: u64 = 86_400;
/// How long it counts unless told, seconds.
const USUAL_TIME_TO_LIVE: u64 = 300;

/// The routes of `usage.sock`.
pub(super) fn routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new().routes(routes!(usage)).routes(routes!(users))
}

/// Those of `admin.sock` alone.
pub(super) fn admin_routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new().routes(routes!(overview)).routes(routes!(report))
}

/// A gauge.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Usage {
    /// Who reports: each reporter of a server has one gauge a limit, and their sum counts.
    reporter: String,
    /// How much is used now.
    value: u64,
    /// Seconds that it counts unless it is reported again, 300 unless told, a day at the most.
    ttl_seconds: Option<u64>,
}

/// Reports what is used of a limit
#[utoipa::path(put, path = "/v1/usage/{limit}", tag = "usage", params(("limit" = String, Path, description = "The limit's name")), request_body = Usage, responses(
    (status = 200, description = "It is taken note of", body = Done),
    (status = "4XX", description = "It was refused", body = Problem, content_type = "application/problem+json"),
))]
async fn usage(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Named(limit): Named<String>,
    body: Result<Json<Usage>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    let Json(Usage { reporter, value, ttl_seconds }) =
        body.map_err(|error| bad_body(error.status(), &error.body_text()))?;
    let report = UsageReport { limit, reporter, value, time_to_live: time_to_live(ttl_seconds) };
    done(agent.call(peer.actor(), Command::ReportUsage(report)).await)
}

/// Users.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the member is called as what it lists")]
pub(super) struct Users {
    /// Names or ids of users that are there now. Each is counted once in the whole environment, by a keyed hash; the names
    /// are neither kept nor sent.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    users: Vec<Zeroizing<String>>,
    /// Those that are not there any more.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    left: Vec<Zeroizing<String>>,
    /// Seconds that they count unless they are reported again, 300 unless told, a day at the most.
    ttl_seconds: Option<u64>,
}

/// Reports the users of a limit
///
/// What was reported before stays for its time: tell those that came, and again those that stay.
#[utoipa::path(put, path = "/v1/usage/{limit}/users", tag = "usage", params(("limit" = String, Path, description = "The limit's name")), request_body = Users, responses(
    (status = 200, description = "They are counted", body = Done),
    (status = "4XX", description = "They were refused, all of them", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "A member that the controller has not told the key of user hashes yet", body = Problem, content_type = "application/problem+json"),
))]
async fn users(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Named(limit): Named<String>,
    body: Result<Json<Users>, JsonRejection>,
) -> Result<Json<Done>, Problem> {
    // The rejection would repeat the body, in which there are names.
    let Json(Users { users, left, ttl_seconds }) = body.map_err(|error| {
        let detail = "expected JSON (content-type: application/json) with the members users and left, lists of texts, and ttl_seconds, all optional";
        bad_body(error.status(), detail)
    })?;
    let report = UsersReport {
        limit,
        users: UserNames(users),
        left: UserNames(left),
        time_to_live: time_to_live(ttl_seconds),
    };
    done(agent.call(peer.actor(), Command::ReportUsers(report)).await)
}

fn time_to_live(seconds: Option<u64>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(USUAL_TIME_TO_LIVE).clamp(1, LONGEST_TIME_TO_LIVE))
}

/// What is used of each limit, by server
///
/// A member lists its own part of it.
#[utoipa::path(get, path = "/v1/usage", tag = "admin", responses(
    (status = 200, description = "Each limit of the license", body = UsageOverview),
))]
async fn overview(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<UsageOverview>, Problem> {
    match agent.call(peer.actor(), Command::Usage).await? {
        Reply::Usage(overview) => Ok(Json(overview)),
        _ => Err(unexpected()),
    }
}

/// Which days.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Days {
    /// The first day, such as 2026-11-01; 30 days before the last one unless told.
    from: Option<String>,
    /// The last day; today unless told. Days are in UTC.
    to: Option<String>,
}

/// The usage report: the peak of each day, signed by the environment
///
/// A text that people read, with the signed document (`entitled-usage+jwt`) in it: `entitlectl usage verify` compares the two.
/// With `Accept: application/jose` the document alone.
#[utoipa::path(get, path = "/v1/usage/report", tag = "admin", params(Days), responses(
    (status = 200, description = "The report", content((String = "text/plain"), (String = "application/jose"))),
    (status = "4XX", description = "It can't be made", body = Problem, content_type = "application/problem+json"),
))]
async fn report(
    From(agent): From<AgentHandle>,
    Extension(peer): Extension<Peer>,
    Parameters(Days { from, to }): Parameters<Days>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = Command::UsageReport { from: day(from)?, to: day(to)? };
    let Reply::UsageReport(UsageDocument { claims, text }) =
        agent.call(peer.actor(), command).await?
    else {
        return Err(unexpected());
    };
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains(MEDIA_TYPE) {
        return Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response());
    }
    let page = crate::license::usage_page(&claims, &text);
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page).into_response())
}

fn day(text: Option<String>) -> Result<Option<Date>, Problem> {
    let read = text.map(|text| text.parse::<Date>().map_err(|_| text)).transpose();
    read.map_err(|text| {
        bad_parameter(&format!("expected a day such as 2026-11-24, found {text:?}"))
    })
}

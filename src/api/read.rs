//! What everyone may read: the routes of `entitled.sock`.

use super::{
    AgentHandle, Problem, Published,
    asked::{Named, Parameters, bad_parameter},
    limits,
};
use crate::{
    codes::SerialNumber,
    entitlement::{State, Status},
    identity::HardwareReport,
    license::{LicenseClaims, MEDIA_TYPE},
};
use axum::{
    Json,
    extract::State as From,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The longest that a blocking read waits.
const LONGEST_WAIT: u64 = 300;

/// The routes that everyone may use.
pub(super) fn routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(watch))
        .routes(routes!(features))
        .routes(routes!(feature))
        .merge(limits::routes())
        .routes(routes!(serial))
        .routes(routes!(license))
        .routes(routes!(statement))
        .routes(routes!(proof))
        .routes(routes!(hardware))
}

/// A blocking read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct After {
    /// Answer when the generation is higher than this.
    after: Option<u64>,
    /// But after so many seconds at the latest (`30s` or `30`, at most 300).
    wait: Option<String>,
}

/// The entitlement status
#[utoipa::path(get, path = "/v1/status", tag = "status", params(After), responses(
    (status = 200, description = "The status; with `after`, as soon as its generation is higher", body = Status),
    (status = 304, description = "The generation is still that of `If-None-Match`"),
    (status = 400, description = "`wait` is no number of seconds", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The hardware is still being read", body = Problem, content_type = "application/problem+json"),
))]
async fn status(
    From(agent): From<AgentHandle>,
    Parameters(After { after, wait }): Parameters<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(after) = after {
        let wait = seconds(wait.as_deref().unwrap_or("30"))?;
        let mut changes = agent.published.clone();
        let newer = changes.wait_for(|p| p.as_ref().is_some_and(|p| p.status.generation > after));
        // Time is up, or the agent stops: what there is.
        let _ = tokio::time::timeout(wait, newer).await.map(|found| found.is_ok());
    }
    let published = agent.current()?;
    let held = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    if after.is_none() && held.is_some_and(|held| held.contains(&tag(&published))) {
        let headers = [(header::ETAG, tag(&published))];
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok(status_response(&published))
}

/// The generation as a weak tag, RFC 9110 section 8.8.3: within one, gauges and times of contact move.
fn tag(published: &Published) -> String {
    format!("W/\"{}\"", published.status.generation)
}

fn status_response(published: &Published) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, tag(published)),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, published.json.clone()).into_response()
}

fn seconds(text: &str) -> Result<Duration, Problem> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<u64>();
    number.map(|n| Duration::from_secs(n.min(LONGEST_WAIT))).map_err(|_| {
        let detail = format!("expected a number of seconds in `wait`, such as 30s, found {text:?}");
        bad_parameter(&detail)
    })
}

/// Every change of the status as it happens
///
/// Server-sent events: the first one at once, then one a change, each named `status`, with the generation as its id
/// and the whole status as its data.
#[utoipa::path(get, path = "/v1/watch", tag = "status", responses(
    (status = 200, description = "A stream of events", body = Status, content_type = "text/event-stream"),
))]
async fn watch(
    From(agent): From<AgentHandle>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = stream::unfold((agent.published, None), |(mut published, seen)| async move {
        let is_news = |p: &Option<Arc<Published>>| {
            p.as_ref().is_some_and(|p| Some(p.status.generation) != seen)
        };
        // The sender is gone where the agent stops: the stream ends with it.
        let next = published.wait_for(is_news).await.ok()?.clone()?;
        let generation = next.status.generation;
        Some((next, (published, Some(generation))))
    });
    let events = changes.map(|published| {
        let event = Event::default().event("status").id(published.status.generation.to_string());
        Ok(event.data(String::from_utf8_lossy(&published.json)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// A feature, with what a program needs to decide.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Feature {
    /// Its name.
    name: String,
    /// Its value; `false` where the license does not name it.
    #[schema(value_type = serde_json::Value)]
    value: serde_json::Value,
    /// Whether the license names it.
    known: bool,
    /// Whether new work is covered at all.
    entitled: bool,
    /// The state.
    state: State,
    /// The generation of the status that says so.
    generation: u64,
}

/// Every feature of the license
#[utoipa::path(get, path = "/v1/features", tag = "status", responses(
    (status = 200, description = "Value by name", body = BTreeMap<String, serde_json::Value>),
))]
async fn features(
    From(agent): From<AgentHandle>,
) -> Result<Json<BTreeMap<String, serde_json::Value>>, Problem> {
    Ok(Json(agent.current()?.status.features.clone()))
}

/// One feature
#[utoipa::path(get, path = "/v1/features/{name}", tag = "status", params(("name" = String, Path, description = "Its name")), responses(
    (status = 200, description = "The feature; `false` and unknown where the license does not name it", body = Feature),
))]
async fn feature(
    From(agent): From<AgentHandle>,
    Named(name): Named<String>,
) -> Result<Json<Feature>, Problem> {
    let published = agent.current()?;
    let status = &published.status;
    let value = status.features.get(&name).cloned();
    Ok(Json(Feature {
        known: value.is_some(),
        value: value.unwrap_or(serde_json::Value::Bool(false)),
        name,
        entitled: status.entitled,
        state: status.state,
        generation: status.generation,
    }))
}

/// The Serial Number.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Serial {
    /// It.
    #[schema(value_type = String)]
    serial_number: SerialNumber,
}

/// The Serial Number of the environment
#[utoipa::path(get, path = "/v1/serial", tag = "identity", responses(
    (status = 200, description = "The Serial Number", body = Serial),
    (status = 404, description = "None could be minted; the detail says why", body = Problem, content_type = "application/problem+json"),
))]
async fn serial(From(agent): From<AgentHandle>) -> Result<Json<Serial>, Problem> {
    let published = agent.current()?;
    let serial_number = published.status.serial_number.ok_or_else(|| {
        not_found("no-serial-number", "There is no Serial Number", &published.status.message)
    })?;
    Ok(Json(Serial { serial_number }))
}

/// The license with what is needed to verify it without believing this agent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[expect(clippy::struct_field_names, reason = "the member is called as the document is")]
struct License {
    /// What it says.
    #[schema(value_type = Object)]
    claims: LicenseClaims,
    /// The document, a compact JWS.
    license: String,
    /// The trust document that names the key which signed it, a compact JWS signed by a root key of the vendor.
    trust: String,
}

/// The license
///
/// With `Accept: application/jose` the document alone.
#[utoipa::path(get, path = "/v1/license", tag = "license", responses(
    (status = 200, description = "The license", content((License = "application/json"), (String = "application/jose"))),
    (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
))]
async fn license(From(agent): From<AgentHandle>, headers: HeaderMap) -> Result<Response, Problem> {
    let published = agent.current()?;
    let license = published
        .license
        .clone()
        .ok_or_else(|| not_found("no-license", "There is no license", &published.status.message))?;
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains(MEDIA_TYPE) {
        return Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], license.text).into_response());
    }
    let super::PublishedLicense { claims, text, trust, .. } = license;
    Ok(Json(License { claims, license: text, trust }).into_response())
}

/// The status, signed by the environment
///
/// A compact JWS of type `entitled-statement+jwt` with the license and the trust document inside: verify the license by a
/// root key of the vendor, and the statement by the key that the license names (`cnf`).
#[utoipa::path(get, path = "/v1/statement", tag = "license", responses(
    (status = 200, description = "The statement", body = String, content_type = "application/jose"),
    (status = 404, description = "There is no license", body = Problem, content_type = "application/problem+json"),
))]
async fn statement(From(agent): From<AgentHandle>) -> Result<Response, Problem> {
    let published = agent.current()?;
    let statement = published
        .statement
        .as_deref()
        .ok_or_else(|| not_found("no-license", "There is no license", &published.status.message))?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], statement.to_owned()).into_response())
}

/// What is to be proved.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Challenge {
    /// A text that was never used before, 16 to 200 characters.
    challenge: String,
}

/// A proof that this agent holds the environment key now
///
/// A compact JWS of type `entitled-proof+jwt` over the challenge, to be verified by the key that the license names (`cnf`).
#[utoipa::path(get, path = "/v1/proof", tag = "license", params(Challenge), responses(
    (status = 200, description = "The proof", body = String, content_type = "application/jose"),
    (status = 400, description = "The challenge can't be used", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no Serial Number", body = Problem, content_type = "application/problem+json"),
))]
async fn proof(
    From(agent): From<AgentHandle>,
    Parameters(Challenge { challenge }): Parameters<Challenge>,
) -> Result<Response, Problem> {
    let length = challenge.chars().count();
    if !(16..=200).contains(&length) {
        let detail = format!("expected a challenge of 16 to 200 characters, found {length}");
        return Err(bad_parameter(&detail));
    }
    let published = agent.current()?;
    let proof = agent.prover.prove(&challenge, &published)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], proof).into_response())
}

/// The hardware behind the Serial Number, in digests
#[utoipa::path(get, path = "/v1/hardware", tag = "identity", responses(
    (status = 200, description = "Each fact: enrolled, now, weight, and the score", body = Object),
))]
async fn hardware(From(agent): From<AgentHandle>) -> Result<Json<HardwareReport>, Problem> {
    let report = agent.current()?.hardware.clone();
    report.map(|report| Json((*report).clone())).ok_or_else(|| {
        not_found("not-surveyed", "The hardware was not read yet", "try again in a second")
    })
}

fn not_found(code: &str, title: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, code, title, detail)
}

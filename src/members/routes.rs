//! What is asked on the members' port beside the watch: HTTP/1.1 by hyper, JSON and signed documents.

use super::{
    Acknowledged, Asked, Frame, Joined, Joining, MemberReport, Renewed, Renewing,
    contract::Reply,
    listener::{Caller, Shared},
    turns::{Turns, in_turn},
};
use crate::{
    license::{MAX_DOCUMENT, MEDIA_TYPE},
    problem::Problem,
    usage::{Batch, Figures},
};
use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Query, Request, State, rejection::JsonRejection},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde::Deserialize;
use std::{io::Cursor, net::IpAddr, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, net::TcpStream, sync::oneshot};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;
use uuid::Uuid;

/// From the first wait for a request to the end of its head.
const PATIENCE: Duration = Duration::from_secs(10);
/// From the head of a request to the end of its body.
const BODY_PATIENCE: Duration = Duration::from_secs(20);
/// Largest body that is no document, bytes.
const LARGEST_BODY: usize = 16 << 10;
/// Largest batch of usage, bytes: 5,000 gauges with long names.
const LARGEST_USAGE: usize = 2 << 20;
/// The longest that a blocking read waits, seconds.
const LONGEST_WAIT: u64 = 300;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
struct From(IpAddr);

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let turns = Arc::<Turns>::default();
    let large = Router::new()
        .route("/v1/usage", post(usage).layer(DefaultBodyLimit::max(LARGEST_USAGE)))
        .route("/v1/present", post(present).layer(DefaultBodyLimit::max(MAX_DOCUMENT)))
        .layer(axum::middleware::from_fn_with_state(turns, in_turn));
    Router::new()
        .route("/v1/join", post(join))
        .route("/v1/renew", post(renew))
        .route("/v1/report", post(report))
        .route("/v1/watch", get(watch))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .merge(large)
        .layer(axum::middleware::from_fn(in_time))
        .route("/v1/statement", get(statement))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

/// Speaks HTTP on a connection, after the bytes that were read already, until its end or until its member is none any more.
pub(super) async fn speak_http(
    shared: Arc<Shared>,
    router: Router,
    tls: Box<TlsStream<TcpStream>>,
    read: Bytes,
    caller: Caller,
    address: IpAddr,
) {
    let service =
        router.map_request(move |mut request: axum::http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(From(address));
            request
        });
    let (reader, writer) = tokio::io::split(tls);
    let stream = tokio::io::join(Cursor::new(read).chain(reader), writer);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(64)
        .max_buf_size(16 << 10);
    let serving = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut latest = shared.latest.subscribe();
    let expelled = async {
        let is_good = || match caller {
            Caller::Member(id, expires_at) => shared.is_good(id, expires_at),
            Caller::Former(id) => shared.presence.removed(id) == Some(false),
            _ => true,
        };
        while is_good() {
            if latest.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            shared.metrics.member_refused("broken-off");
            tracing::debug!(%error, "a member's connection ended early");
        },
        () = expelled => {}
    }
}

/// Gives up on whoever sends its body drop by drop.
async fn in_time(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(BODY_PATIENCE, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let status = StatusCode::REQUEST_TIMEOUT;
        let detail = "the request did not arrive within 20 seconds: send it again";
        Problem::new(status, "request-too-slow", "The request is too slow", detail).into_response()
    })
}

/// The member at the other end, or why it is none.
fn member(shared: &Shared, caller: Caller, address: IpAddr) -> Result<Uuid, Problem> {
    let (status, code, title, detail) = match caller {
        Caller::Member(id, _) => return Ok(id),
        Caller::Stranger => (
            StatusCode::UNAUTHORIZED,
            "member-certificate-required",
            "A member's certificate is required",
            "expected a member's certificate, found none: join first, `entitlectl join`",
        ),
        Caller::RenewOnly(_) | Caller::Former(_) => (
            StatusCode::FORBIDDEN,
            "member-certificate-expired",
            "The certificate expired",
            "expected a certificate of this authority in its dates, found one that is over, or of an authority before it: renew it (POST /v1/renew), then come again",
        ),
        Caller::Over => (
            StatusCode::FORBIDDEN,
            "member-certificate-over",
            "The certificate expired too long ago",
            "expected a certificate that can still be renewed, found one that has been over for too long: join again, `entitlectl join`",
        ),
        Caller::Removed => (
            StatusCode::FORBIDDEN,
            "member-removed",
            "The member was removed",
            "this member was removed from the environment on the controller: join again with a new token, `entitlectl join`",
        ),
    };
    shared.refused(code, address, detail);
    Err(Problem::new(status, code, title, detail))
}

async fn join(
    State(shared): State<Arc<Shared>>,
    Extension(From(address)): Extension<From>,
    body: Result<Json<Joining>, JsonRejection>,
) -> Result<Json<Joined>, Problem> {
    // The rejection would repeat the body, in which there may be a secret.
    let Json(joining) = body.map_err(|error| {
        let detail =
            "expected JSON with the members token_id, token_secret, signing_request and name";
        bad_body(&shared, address, error.status(), detail)
    })?;
    let answer = ask(&shared, |reply| Asked::Join { joining, address, reply }).await;
    answer.map(Json).inspect_err(|problem| shared.refused(problem.code(), address, &problem.detail))
}

async fn renew(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(From(address)): Extension<From>,
    body: Result<Json<Renewing>, JsonRejection>,
) -> Result<Json<Renewed>, Problem> {
    let member = match caller {
        Caller::RenewOnly(id) | Caller::Former(id) => id,
        caller => member(&shared, caller, address)?,
    };
    let Json(Renewing { signing_request }) = body.map_err(|error| {
        let detail = "expected JSON with the member signing_request";
        bad_body(&shared, address, error.status(), detail)
    })?;
    let asked = |reply| Asked::Renew { member, signing_request, reply };
    let answer = ask(&shared, asked).await;
    answer.map(Json).inspect_err(|problem| shared.refused(problem.code(), address, &problem.detail))
}

async fn report(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(From(address)): Extension<From>,
    body: Result<Json<MemberReport>, JsonRejection>,
) -> Result<Json<Acknowledged>, Problem> {
    let member = member(&shared, caller, address)?;
    let Json(report) = body.map_err(|error| {
        let detail =
            "expected JSON with the members name, version, generation, clock and lease_ends_at";
        bad_body(&shared, address, error.status(), detail)
    })?;
    shared.presence.told(member, &report, shared.now());
    Ok(Json(Acknowledged { usage_key: Some(shared.port().usage_key().expose_text()) }))
}

async fn usage(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(From(address)): Extension<From>,
    body: Result<Json<Batch>, JsonRejection>,
) -> Result<Json<Figures>, Problem> {
    let member = member(&shared, caller, address)?;
    let Json(batch) = body.map_err(|error| {
        let detail = "expected JSON with the members session, number, gauges and users";
        bad_body(&shared, address, error.status(), detail)
    })?;
    let answer = ask(&shared, |reply| Asked::Usage { member, batch, reply }).await;
    answer.map(Json).inspect_err(|problem| shared.refused(problem.code(), address, &problem.detail))
}

async fn present(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(From(address)): Extension<From>,
    body: Result<String, axum::extract::rejection::StringRejection>,
) -> Result<StatusCode, Problem> {
    let member = member(&shared, caller, address)?;
    let statement = body.map_err(|error| {
        let detail = "expected a signed statement of at most 1 MiB";
        bad_body(&shared, address, error.status(), detail)
    })?;
    let answer = ask(&shared, |reply| Asked::Present { member, statement, reply }).await;
    let answer = answer.map(|()| StatusCode::NO_CONTENT);
    answer.inspect_err(|problem| shared.refused(problem.code(), address, &problem.detail))
}

/// A blocking read.
#[derive(Debug, Deserialize)]
struct After {
    after: Option<u64>,
    wait: Option<String>,
}

async fn statement(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(From(address)): Extension<From>,
    Query(After { after, wait }): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !matches!(caller, Caller::Former(_)) {
        member(&shared, caller, address)?;
    }
    let mut latest = shared.latest.subscribe();
    if let Some(after) = after {
        let wait = wait.as_deref().unwrap_or("30");
        let wait = wait.strip_suffix('s').unwrap_or(wait).parse::<u64>().map_err(|_| {
            let detail =
                format!("expected a number of seconds in `wait`, such as 30s, found {wait:?}");
            Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter is wrong", detail)
        })?;
        let wait = Duration::from_secs(wait.min(LONGEST_WAIT));
        let is_newer = |frame: &Arc<Frame>| frame.generation > after;
        let newer = latest.wait_for(|latest| latest.frame.as_ref().is_some_and(is_newer));
        // Time is up, or the agent stops: what there is.
        let _ = tokio::time::timeout(wait, newer).await.map(|found| found.is_ok());
    }
    let Some(frame) = latest.borrow_and_update().frame.clone() else {
        let detail = "the controller holds no license: activate it, `entitlectl activate` there";
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no-license",
            "There is no license",
            detail,
        ));
    };
    let tag = format!("\"{}\"", frame.generation);
    let held = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if after.is_none() && held.is_some_and(|held| held.contains(&tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE.to_owned()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    Ok((headers, frame.statement.to_string()).into_response())
}

/// Reached by those alone who may not: members are served in front.
async fn watch(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(From(address)): Extension<From>,
) -> Problem {
    let Err(problem) = member(&shared, caller, address) else {
        let detail = "expected the watch as the first request of a connection, found it after others: open another";
        return Problem::new(
            StatusCode::CONFLICT,
            "watch-not-first",
            "The watch comes first",
            detail,
        );
    };
    problem
}

async fn ask<T>(shared: &Shared, asked: impl FnOnce(Reply<T>) -> Asked) -> Result<T, Problem> {
    let busy = || {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let detail = "the controller is stopping, or has too much to do: try again";
        Problem::new(status, "agent-busy", "The agent can't answer yet", detail).retry_after(5)
    };
    let (reply, answer) = oneshot::channel();
    let sent = shared.asked.send_timeout(asked(reply), Duration::from_secs(5)).await;
    sent.map_err(|_| busy())?;
    answer.await.map_err(|_| busy())?
}

fn bad_body(shared: &Shared, address: IpAddr, status: StatusCode, detail: &str) -> Problem {
    let code = if status == StatusCode::PAYLOAD_TOO_LARGE { "body-too-large" } else { "bad-body" };
    shared.refused(code, address, detail);
    Problem::new(status, code, "The request can't be used", detail)
}

async fn unknown_route(uri: Uri) -> Problem {
    let detail =
        format!("there is no {} for members: docs/members.md lists what there is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "no-such-route", "There is no such route", detail)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail =
        format!("{} does not take {method}: docs/members.md lists the methods", uri.path());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method-not-allowed", "The method is not allowed", detail)
}

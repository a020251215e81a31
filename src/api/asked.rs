//! What a request says, taken apart; what can't be used is told as a problem document.

use super::{Problem, connection::Progress};
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A document of 1 MiB and its surroundings.
pub(super) const LARGEST_BODY: usize = (1 << 20) + 1_024;
/// The routes that take a bundle.
pub(super) const IMPORTS: [&str; 2] = ["/v1/controller/import", "/v1/controller/request"];
/// For the whole body: who sends is on this machine.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A part of the path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|error| bad_parameter(&error.body_text()))
    }
}

/// The parameters after the path.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(all)| Self(all)).map_err(|error| bad_parameter(&error.body_text()))
    }
}

/// The bytes that were sent.
pub(super) struct Sent(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await;
        bytes
            .map(Self)
            .map_err(|error: BytesRejection| bad_body(error.status(), &error.body_text()))
    }
}

/// Reads the body of a request that changes something, so that the route has it whole, and nobody holds it up by sending half
/// of one.
pub(super) async fn whole(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let arriving = request.extensions().get::<Progress>().map(Progress::arriving);
    let (parts, body) = request.into_parts();
    let largest = largest(parts.uri.path());
    let read = tokio::time::timeout(BODY_TIME, Limited::new(body, largest).collect()).await;
    drop(arriving);
    let problem = match read {
        Ok(Ok(body)) => {
            let body = Body::from(body.to_bytes());
            return next.run(Request::from_parts(parts, body)).await;
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            bad_body(StatusCode::PAYLOAD_TOO_LARGE, "")
        }
        Ok(Err(_)) => bad_body(StatusCode::BAD_REQUEST, "the request broke off: send it again"),
        Err(_) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-too-slow",
            "The request took too long",
            "the request did not arrive within 10 seconds: send it again",
        ),
    };
    // What is left of the body is not waited for.
    ([(header::CONNECTION, "close")], problem).into_response()
}

/// The largest body of a route, bytes: a bundle has a record for every member.
fn largest(path: &str) -> usize {
    if IMPORTS.contains(&path) { crate::bundle::LARGEST } else { LARGEST_BODY }
}

/// A parameter can't be used.
pub(super) fn bad_parameter(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter is wrong", detail)
}

/// What was sent can't be used.
pub(super) fn bad_body(status: StatusCode, detail: &str) -> Problem {
    let (code, detail) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ("body-too-large", "expected at most 1 MiB, found more"),
        _ => ("bad-body", detail),
    };
    Problem::new(status, code, "The request can't be used", detail)
}

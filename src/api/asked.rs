//! What a request says, taken apart; what can't be used is told as a problem document.

use super::Problem;
use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;

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

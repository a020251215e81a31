//! The answer to a change, which may have to be repeated.

use crate::portal::{PortalError, domain::Revision, store::KeptAnswer};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;

/// Status, revision and body. No `Debug`: the body may hold a secret.
pub(super) struct Answer {
    status: StatusCode,
    revision: Option<u64>,
    body: String,
    is_secret: bool,
}

impl Answer {
    /// That it is done.
    pub(super) fn done(body: &impl Serialize) -> Result<Self, PortalError> {
        let body = serde_json::to_string(body)?;
        Ok(Self { status: StatusCode::OK, revision: None, body, is_secret: false })
    }

    /// That something new was made.
    pub(super) fn made(body: &impl Serialize) -> Result<Self, PortalError> {
        Ok(Self { status: StatusCode::CREATED, ..Self::done(body)? })
    }

    /// Of what was changed, as `ETag`.
    pub(super) const fn of_revision(mut self, revision: Revision) -> Self {
        self.revision = Some(revision.0);
        self
    }

    /// It holds a secret that is kept nowhere: it can't be repeated.
    pub(super) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// As it was given before.
    pub(super) fn repeated(kept: KeptAnswer) -> Result<Self, PortalError> {
        let KeptAnswer { status, revision, body, .. } = kept;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let body = body.ok_or(PortalError::AnswerNotKept)?;
        Ok(Self { status, revision, body, is_secret: false })
    }

    /// As it is kept.
    pub(super) fn kept(&self, request: &str, at: Timestamp) -> KeptAnswer {
        KeptAnswer {
            request: request.to_owned(),
            status: self.status.as_u16(),
            revision: self.revision,
            body: (!self.is_secret).then(|| self.body.clone()),
            at,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let tag = self.revision.map(|revision| format!("\"{revision}\""));
        if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

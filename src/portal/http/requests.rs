//! `POST /v1/requests`.

use super::{Access, body};
use crate::{api::Problem, license::MEDIA_TYPE};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Answer a request
///
/// The body is a request as the agent signed it, a compact JWS. The answer is a compact JWS that the portal signed. The same
/// request gets the same answer, so it may be sent again whenever an answer was lost.
#[utoipa::path(
    post,
    path = "/v1/requests",
    request_body(content = String, content_type = "application/jose"),
    responses(
        (status = 200, description = "the signed answer", body = String, content_type = "application/jose"),
        (status = 400, description = "no sound request for this portal", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "the subscription or the environment is unknown, suspended, ended or revoked, or a proof or an approval is missing", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "the request took too long", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "things stand otherwise than the asker takes them to: no free slot, another key, other hardware, two that ask as one", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "more than 256 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "not application/jose", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "too many wrong proofs, or too many requests; see Retry-After", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "busy; see Retry-After", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn request(
    State(access): State<Access>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let _place = access.places.clone().try_acquire_owned().map_err(|_| busy())?;
    check_media_type(&headers)?;
    let bytes = body::read(body).await?;
    let answer = answer(access, bytes).await?;
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, answer).into_response())
}

async fn answer(access: Access, bytes: Vec<u8>) -> Result<String, Problem> {
    let portal = access.portal;
    // A simulation does everything on its one thread, in an order that can be repeated.
    if portal.store().is_inline() {
        return portal.handle_request(&bytes);
    }
    let opening = portal.clone();
    let opened = tokio::task::spawn_blocking(move || opening.open_request(&bytes));
    let opened = opened.await.map_err(|error| failed(&error))??;
    portal.answer_opened(opened).await
}

fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "a request was not answered");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "portal-failed",
        "The portal failed",
        "the portal failed while it answered: the same request may be sent again",
    )
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let found = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("none");
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        return Ok(());
    }
    let found: String = found.chars().take(80).collect();
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media-type",
        "The media type does not fit",
        format!(
            "expected a request as {MEDIA_TYPE}, found {found}: send it with `Content-Type: {MEDIA_TYPE}`"
        ),
    ))
}

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "portal-unavailable",
        "The portal is not available",
        "the portal answers as many requests as it can: the same request may be sent again",
    )
    .retry_after(5)
}

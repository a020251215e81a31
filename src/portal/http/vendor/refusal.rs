//! How a call is refused: the problem document for each reason.

use crate::{
    api::Problem,
    portal::{PortalError, store::StoreError},
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Seconds after which a portal that was busy may be asked again.
const BUSY: u32 = 5;

/// The reasons that a caller is told, by their code: the problem's type, status and title.
const TOLD: &[(&str, &str, u16, &str)] = &[
    ("no-subscription", "no-subscription", 404, "There is no such subscription"),
    ("no-environment", "no-environment", 404, "There is no such environment"),
    ("no-asked-release", "no-asked-release", 404, "No such release waits"),
    ("no-pending-rebind", "no-pending-rebind", 404, "No rebind waits"),
    ("already-released", "already-released", 409, "The environment was released already"),
    ("without-key", "without-key", 409, "The environment has no key"),
    ("several-pending-rebinds", "several-pending-rebinds", 409, "Several rebinds wait"),
    ("not-forked", "not-forked", 409, "The environment is not forked"),
    ("no-branch", "no-branch", 409, "There is no such branch"),
    ("already-standing", "already-standing", 409, "The subscription stands so already"),
    ("revoked", "already-revoked", 409, "The subscription is revoked"),
    ("renewal-no-longer", "renewal-no-longer", 409, "The term would be no longer"),
    ("other-revision", "other-revision", 412, "The subscription was changed meanwhile"),
    ("idempotency-key-reused", "idempotency-key-reused", 422, "The key was used otherwise"),
    ("idempotency-answer-not-kept", "idempotency-answer-not-kept", 409, "The answer is not kept"),
    ("name", "text-refused", 422, "A text is refused"),
    ("terms-name", "terms-name", 422, "A name in the terms is refused"),
    ("terms-term", "terms-term", 422, "The term is refused"),
    ("terms-grace", "terms-grace", 422, "The grace is refused"),
    ("terms-check-in", "terms-check-in", 422, "The check-in is refused"),
    ("terms-feature", "terms-feature", 422, "A feature is refused"),
];

/// Why a call is refused.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Problem,
    /// What the caller is asked for, RFC 6750 section 3.
    challenge: Option<String>,
}

impl Refused {
    /// No token, or none that is good: which of the two is not told.
    pub(super) fn unknown() -> Self {
        Self {
            problem: Problem::new(
                StatusCode::UNAUTHORIZED,
                "token-required",
                "A token is required",
                "expected `Authorization: Bearer` with a token that is neither revoked nor expired: `entitle-portal token create` makes one",
            ),
            challenge: Some("Bearer realm=\"entitle-portal\"".to_owned()),
        }
    }

    /// The token lacks a scope.
    fn scope(scope: &str) -> Self {
        Self {
            problem: Problem::new(
                StatusCode::FORBIDDEN,
                "scope-missing",
                "The token lacks a scope",
                format!("this needs a token with the scope `{scope}`"),
            ),
            challenge: Some(format!(
                "Bearer realm=\"entitle-portal\", error=\"insufficient_scope\", scope=\"{scope}\""
            )),
        }
    }

    /// A parameter, a header or the body is not what the route takes.
    pub(super) fn parameter(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter is wrong", detail)
            .into()
    }

    /// The body is not what the route takes.
    pub(super) fn body(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad-body", "The body does not fit", detail).into()
    }

    /// More calls are under way than there is room for.
    pub(super) fn busy() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "portal-unavailable",
            "The portal is not available",
            "the portal is busy: the same request may be sent again",
        )
        .retry_after(BUSY)
        .into()
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, challenge: None }
    }
}

impl From<PortalError> for Refused {
    fn from(error: PortalError) -> Self {
        use crate::portal::access::AccessError;
        match &error {
            PortalError::Access(AccessError::NotAllowed { needs }) => {
                return Self::scope(needs.as_str());
            }
            PortalError::Access(AccessError::Ended) => return Self::unknown(),
            PortalError::Store(
                StoreError::Busy { .. } | StoreError::Unavailable { .. } | StoreError::Undone,
            ) => {
                return Self::busy();
            }
            PortalError::Refusal(refusal) => {
                let status = StatusCode::from_u16(refusal.status());
                let status = status.unwrap_or(StatusCode::CONFLICT);
                let detail = refusal.to_string();
                return Problem::new(status, refusal.code(), refusal.title(), detail).into();
            }
            _ => {}
        }
        let told = TOLD.iter().find(|(code, ..)| *code == error.code());
        let Some((_, kind, status, title)) = told else { return failed(&error) };
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::CONFLICT);
        Problem::new(status, kind, title, error.to_string()).into()
    }
}

/// What the database or the file system says is for the log, not for whoever asks.
fn failed(error: &PortalError) -> Refused {
    tracing::error!(%error, code = error.code(), "a vendor's call could not be answered");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "portal-failed",
        "The portal failed",
        "the portal failed while it answered: its operator finds the reason in its log",
    )
    .into()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_gone_for_a_while_may_be_asked_again() {
        let lost = StoreError::Unavailable { doing: "connect", reason: "refused".to_owned() };
        let Refused { problem, .. } = PortalError::Store(lost).into();
        assert_eq!((problem.status, problem.code()), (503, "portal-unavailable"));
        assert!(problem.retry_after.is_some());
    }
}

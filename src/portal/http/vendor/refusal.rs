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
            PortalError::Store(StoreError::OutcomeUnknown { .. }) => {
                return unknown_outcome(&error);
            }
            PortalError::Store(store) if store.is_passing() => {
                tracing::warn!(%error, code = error.code(), "a vendor's call was not answered");
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

/// The one failure that may have changed something. With an `Idempotency-Key`, whoever asks again learns what was done.
fn unknown_outcome(error: &PortalError) -> Refused {
    tracing::error!(%error, code = error.code(), "whether a vendor's change is stored is not known");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "outcome-unknown",
        "Whether it was done is not known",
        "the portal lost its database while it stored the change, which may be done or not: look before you ask again, or send the same request with the same Idempotency-Key, if it had one",
    )
    .into()
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
    fn a_failure_of_the_store_is_told_as_what_it_is() {
        let doing = "commit";
        let lost = || "connection reset".to_owned();
        for (error, status, code, is_passing) in [
            (StoreError::Busy { doing }, 503, "portal-unavailable", true),
            (StoreError::Undone, 503, "portal-unavailable", true),
            (StoreError::Unavailable { doing, reason: lost() }, 503, "portal-unavailable", true),
            (StoreError::OutcomeUnknown { reason: lost() }, 500, "outcome-unknown", false),
            (StoreError::Failed, 500, "portal-failed", false),
        ] {
            let refused = Refused::from(PortalError::Store(error));
            assert_eq!((refused.problem.status, refused.problem.code()), (status, code));
            let response = refused.into_response();
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), is_passing, "{code}");
        }
    }
}

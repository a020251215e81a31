//! Why a request gets no answer, and the problem document for it.

use crate::{
    api::Problem,
    license::DocumentError,
    portal::{domain::Refusal, store::StoreError},
};
use axum::http::StatusCode;

/// Seconds after which a portal that was busy may be asked again.
const BUSY: u32 = 5;
/// Seconds after which a portal whose database fails may be asked again.
const BROKEN: u32 = 60;

const UNSTORED: &str = "the portal can't store anything at the moment: its operator finds the reason in its log; the same request may be sent again, a license that is held stays as it is";
const UNSIGNED: &str = "the portal can't sign anything at the moment: its operator finds the reason in its log; the same request may be sent again, a license that is held stays as it is";

/// Why a request gets no answer. Nothing has changed, unless that is not known; the same request gets the same answer then.
#[derive(Debug, thiserror::Error)]
pub(in crate::portal) enum AnswerError {
    /// Its bytes are no text.
    #[error(
        "the request is not text: send the file that `entitlectl request` wrote, as it is, as application/jose"
    )]
    NotText,
    /// It is no sound request.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It is sound, and is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The portal itself failed.
    #[error("the portal could not make the answer ({0})")]
    Internal(#[from] getrandom::Error),
}

impl AnswerError {
    /// A stable code for programs, the end of the problem's `type`.
    pub(in crate::portal) const fn code(&self) -> &'static str {
        match self {
            Self::NotText => "request-not-text",
            // What it says of licenses helps nobody whose request is refused.
            Self::Document(DocumentError::UnknownKey { .. }) => Refusal::EnvironmentUnknown.code(),
            Self::Document(error) => error.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::Store(_) => "portal-unavailable",
            Self::Internal(_) => "portal-failed",
        }
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        let code = error.code();
        let refused = |status, title: &str| Self::new(status, code, title, error.to_string());
        match &error {
            AnswerError::NotText => refused(StatusCode::BAD_REQUEST, "This is no request"),
            AnswerError::Document(DocumentError::UnknownKey { .. }) => {
                AnswerError::from(Refusal::EnvironmentUnknown).into()
            }
            AnswerError::Document(DocumentError::TooLarge { .. }) => {
                refused(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large")
            }
            AnswerError::Document(DocumentError::Signer { .. }) => unavailable(UNSIGNED, BROKEN),
            AnswerError::Document(_) => {
                refused(StatusCode::BAD_REQUEST, "This is no sound request for this portal")
            }
            AnswerError::Refused(refusal) => {
                let status = StatusCode::from_u16(refusal.status());
                let problem = refused(status.unwrap_or(StatusCode::FORBIDDEN), refusal.title());
                match refusal.retry_after() {
                    Some(seconds) => problem.retry_after(seconds),
                    None => problem,
                }
            }
            // What the database says is for the log, not for whoever asks.
            AnswerError::Store(store) if is_over_soon(store) => {
                unavailable("the portal is busy: the same request may be sent again", BUSY)
            }
            AnswerError::Store(_) => unavailable(UNSTORED, BROKEN),
            AnswerError::Internal(_) => {
                refused(StatusCode::INTERNAL_SERVER_ERROR, "The portal failed")
            }
        }
    }
}

/// A request that may have been answered already gets the same answer when it is sent again.
const fn is_over_soon(error: &StoreError) -> bool {
    error.is_passing() || matches!(error, StoreError::OutcomeUnknown { .. })
}

fn unavailable(detail: &str, seconds: u32) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "portal-unavailable",
        "The portal is not available",
        detail,
    )
    .retry_after(seconds)
}

//! Requests that come again, which get the same answer, and the place of a new one behind those that were answered.

use super::AnswerError;
use crate::{
    license::{RequestClaims, RequestKind, Thumbprint},
    portal::{domain::Link, store::View},
};
use uuid::Uuid;

/// What is known of a request that was answered before.
pub(super) enum Repeated {
    /// It is the same, and this is its answer.
    Same(String),
    /// Its id was used for something else.
    OtherContents,
}

/// Whether a request's `previous` is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// As one of this environment.
    pub(super) environment: Uuid,
    pub(super) is_known: bool,
}

/// Whether that request of that signer was answered before.
pub(super) fn repeated(
    view: &View<'_>,
    key: &Thumbprint,
    claims: &RequestClaims,
    text: &str,
) -> Result<Option<Repeated>, AnswerError> {
    Ok(view.answered(key, claims.jti)?.map(|answered| compared(answered, text)))
}

/// The same, and whether the one that it names before it is known as the environment's, where it names both.
pub(super) fn repeated_after(
    view: &View<'_>,
    key: &Thumbprint,
    claims: &RequestClaims,
    text: &str,
) -> Result<(Option<Repeated>, Option<Known>), AnswerError> {
    let (Some(environment), Some(previous)) = (claims.environment.id, claims.previous) else {
        return Ok((repeated(view, key, claims, text)?, None));
    };
    let (answered, is_known) = view.answered_after(key, claims.jti, environment, previous)?;
    let known = Known { environment, is_known };
    Ok((answered.map(|answered| compared(answered, text)), Some(known)))
}

fn compared((request, answer): (String, String), text: &str) -> Repeated {
    if request == text { Repeated::Same(answer) } else { Repeated::OtherContents }
}

/// What the request says about its place in the chain of an environment.
pub(super) fn link<'a>(
    view: &View<'_>,
    environment: Uuid,
    claims: &'a RequestClaims,
    previous: Option<Known>,
) -> Result<Link<'a>, AnswerError> {
    let previous_known = match (previous, claims.previous) {
        (Some(known), _) if known.environment == environment => known.is_known,
        (_, Some(previous)) => view.has_answered(environment, previous)?,
        (_, None) => false,
    };
    Ok(Link {
        id: claims.jti,
        previous: claims.previous,
        previous_known,
        unsettled: &claims.unsettled,
        reserved: &claims.reserved,
        activates: claims.request == RequestKind::Activate,
    })
}

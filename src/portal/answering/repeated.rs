//! Requests that come again: the same one gets the same answer.

use super::AnswerError;
use crate::{
    license::{RequestClaims, Thumbprint},
    portal::store::View,
};

/// What is known of a request that was answered before.
pub(super) enum Repeated {
    /// It is the same, and this is its answer.
    Same(String),
    /// Its id was used for something else.
    OtherContents,
}

/// Whether that request of that signer was answered before.
pub(super) fn repeated(
    view: &View<'_>,
    key: &Thumbprint,
    claims: &RequestClaims,
    text: &str,
) -> Result<Option<Repeated>, AnswerError> {
    Ok(view.answered(key, claims.jti)?.map(|(request, answer)| {
        if request == text { Repeated::Same(answer) } else { Repeated::OtherContents }
    }))
}

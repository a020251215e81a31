//! On whose word a change is made that somebody signed in for, or sent a token for: that it is still good is asked again in the change itself, because
//! a body may take half a minute to arrive, and a change may wait for others.

use super::{AccessError, Operator};
use crate::portal::{PortalError, store::View};
use jiff::Timestamp;

/// Who a handle of the portal was given to.
#[derive(Debug)]
pub(in crate::portal) enum Holder {
    /// An operator, as it stood when it was let in.
    Operator(Operator),
    /// The program that sent the token of that name.
    Token(String),
}

impl Holder {
    /// Refuses who was let in and would not be any more.
    ///
    /// # Errors
    /// [`AccessError::Ended`], and what the store says.
    pub(in crate::portal) fn check(
        &self,
        view: &View<'_>,
        now: Timestamp,
    ) -> Result<(), PortalError> {
        let is_good = match self {
            Self::Operator(operator) => view.operator(&operator.name)?.as_ref() == Some(operator),
            Self::Token(name) => view.token(name)?.is_some_and(|token| token.is_good(now)),
        };
        if is_good { Ok(()) } else { Err(AccessError::Ended.into()) }
    }
}

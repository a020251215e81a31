//! Requests that a customer carries to its pages: of its own subscription only.

use super::{AnswerError, Road, answer, open};
use crate::{
    license::{RequestClaims, RequestId, Thumbprint, UnverifiedRequest},
    portal::{
        Portal,
        domain::{Environment, Refusal},
        store::View,
    },
};
use uuid::Uuid;

/// Who carried a request here.
#[derive(Debug, Clone)]
pub(in crate::portal) struct Carrier {
    /// The subscription that the carrier has shown to hold.
    pub(in crate::portal) subscription: Uuid,
    /// The carrier, for the audit.
    pub(in crate::portal) actor: String,
}

/// Answers a request by the rules for couriers, if it is of the carrier's subscription. It blocks until the answer is durable.
///
/// # Errors
/// Why it gets no answer. A request of another subscription is unknown here, whether or not there is one.
pub(in crate::portal) fn answer_carried(
    portal: &Portal,
    body: &[u8],
    carrier: Carrier,
) -> Result<RequestId, AnswerError> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerError::NotText)?.trim();
    let id = UnverifiedRequest::parse(text)?.claims().jti;
    let opened = open(portal, body, Road::Courier, Some(carrier))?;
    answer(portal, opened).map(|_| id)
}

/// That what the request names is the carrier's. It is looked up as the request itself will be.
pub(super) fn check_own(
    view: &View<'_>,
    claims: &RequestClaims,
    signer: &Thumbprint,
    carrier: &Carrier,
) -> Result<(), AnswerError> {
    let found = if let Some(activation) = &claims.activation {
        view.subscription_by_activation(activation.id)?.map(|sold| sold.id)
    } else {
        let environment = match claims.environment.id {
            Some(id) => view.environment(id)?,
            None => view.environment_by_key(claims.sub, signer)?,
        };
        environment.as_ref().map(subscription_of)
    };
    check_is(found, carrier)
}

/// The same, of the environment that was found for it.
pub(super) fn check_case(
    environment: &Environment,
    carrier: Option<&Carrier>,
) -> Result<(), AnswerError> {
    carrier.map_or(Ok(()), |carrier| check_is(Some(subscription_of(environment)), carrier))
}

const fn subscription_of(environment: &Environment) -> Uuid {
    environment.subscription_id
}

fn check_is(found: Option<Uuid>, carrier: &Carrier) -> Result<(), AnswerError> {
    if found == Some(carrier.subscription) {
        Ok(())
    } else {
        Err(Refusal::EnvironmentUnknown.into())
    }
}

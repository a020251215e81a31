//! The answer to a key that was bound before: a signed word, so that its holder neither waits nor goes on.

use super::{AnswerError, Context, Found, Request};
use crate::{
    license::{Outcome, Retirement},
    portal::{
        domain::Environment,
        issuing,
        store::{AnsweredRequest, Change, Event, RetiredKey, StoreError},
    },
};
use jiff::Timestamp;
use serde_json::json;

/// Remembers the key that an environment is bound to, before it is bound to another one or to none: whoever has it is told
/// when it asks.
pub(in crate::portal) fn retire(
    change: &Change<'_>,
    environment: &Environment,
    by: Retirement,
    at: Timestamp,
) -> Result<(), StoreError> {
    let Some(key) = environment.key else { return Ok(()) };
    change.retire_key(&RetiredKey { environment_id: environment.id, key, by, at })
}

/// Answers a refresh or a release that a retired key signed. The chain goes on without it.
pub(super) fn answer(
    change: &Change<'_>,
    request: &Request,
    retired: &RetiredKey,
    context: &Context,
) -> Result<Found, AnswerError> {
    let claims = &request.claims;
    let environment = change
        .environment(retired.environment_id)?
        .ok_or(crate::portal::domain::Refusal::EnvironmentUnknown)?;
    context.count(environment.id, 1, request)?;
    let outcome = Outcome::Retired {
        sequence: environment.sequence,
        by: retired.by,
        serial_number: environment.serial_number,
        key: environment.key.map(|key| key.thumbprint()),
    };
    let answer = issuing::answer(&context.keys, claims, &environment, outcome, None, context.now)?;
    change.add_request(&AnsweredRequest {
        id: claims.jti,
        key: request.key.thumbprint(),
        kind: claims.request.as_str(),
        environment_id: environment.id,
        received_at: context.now,
        request: request.text.clone(),
        answer: answer.clone(),
    })?;
    change.audit_event(&Event {
        at: context.now,
        actor: &request.actor(),
        event: "retired-key-told",
        subscription_id: Some(environment.subscription_id),
        environment_id: Some(environment.id),
        detail: json!({ "request": claims.jti, "by": retired.by, "retired_at": retired.at }),
    })?;
    Ok(Found::Answered(answer))
}

//! What the audit is told of an answer.

use super::{AnswerError, Case, Context, Request};
use crate::portal::{
    domain::Step,
    store::{Change, Event},
};
use serde_json::json;

/// Tells what happened to the environment on the way, what its line of requests has become, and what was answered.
pub(super) fn audit(
    change: &Change<'_>,
    case: &Case,
    request: &Request,
    step: Step,
    outcome: Option<&'static str>,
    context: &Context,
) -> Result<(), AnswerError> {
    let environment = &case.environment;
    let chain = match step {
        Step::Forks => Some("chain-forked"),
        Step::Restarts => Some("chain-restarted"),
        Step::Begins | Step::Continues | Step::Overtaken => None,
    };
    for event in [case.event, chain, outcome].into_iter().flatten() {
        let mut detail = json!({
            "request": request.claims.jti,
            "road": context.road,
            "serial_number": environment.serial_number,
            "purpose": environment.purpose,
            "sequence": environment.sequence,
            "revision": case.subscription.revision,
            "machine": request.claims.machine,
        });
        if let Some(carrier) = &context.carrier {
            detail["carried_by"] = json!(carrier.actor);
        }
        let more = case.detail.as_object().filter(|_| Some(event) == case.event);
        for (name, value) in more.into_iter().flatten() {
            detail[name] = value.clone();
        }
        change.audit_event(&Event {
            at: context.now,
            actor: &request.actor(),
            event,
            subscription_id: Some(environment.subscription_id),
            environment_id: Some(environment.id),
            detail,
        })?;
    }
    Ok(())
}

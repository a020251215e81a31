//! Which environments of a subscription the machine that asks may be: by Serial Number, by candidates, by its hardware.

use super::{AnswerError, Case, Request};
use crate::{
    codes::SerialNumber,
    license::{RequestClaims, RequestKind},
    portal::{
        domain::{Environment, Known, Likeness, facts, same_machine},
        store::{Change, View},
    },
};
use uuid::Uuid;

/// Candidates that are looked at; hardware has a handful.
const MOST_CANDIDATES: usize = 16;

/// The environments that may be the machine that asks, released ones among them.
pub(super) fn known(
    view: &View<'_>,
    subscription: Uuid,
    claims: &RequestClaims,
) -> Result<Vec<Known>, AnswerError> {
    let serials: Vec<SerialNumber> =
        std::iter::once(claims.sub).chain(candidates(claims)).collect();
    let mut alike = view.environments_by_serial(subscription, &serials)?;
    alike.extend(view.environments_by_evidence(subscription, &facts(&claims.evidence))?);
    let mut known: Vec<Known> = Vec::new();
    for environment in alike {
        if known.iter().any(|k| k.environment.id == environment.id) {
            continue;
        }
        if let Some(likeness) = likeness(view, &environment, claims)? {
            known.push(Known { environment, likeness });
        }
    }
    Ok(known)
}

/// How an environment is like the machine that asks.
pub(super) fn likeness(
    view: &View<'_>,
    environment: &Environment,
    claims: &RequestClaims,
) -> Result<Option<Likeness>, AnswerError> {
    let vote = vote(view, environment, claims)?;
    let candidates: Vec<SerialNumber> = candidates(claims).collect();
    Ok(Likeness::of(environment.serial_number, claims.sub, &candidates, vote))
}

fn vote(
    view: &View<'_>,
    environment: &Environment,
    claims: &RequestClaims,
) -> Result<Option<bool>, AnswerError> {
    let sent = facts(&claims.evidence);
    if sent.is_empty() {
        return Ok(None);
    }
    let known = view.evidence(environment.id)?;
    Ok(same_machine(&known, &sent, claims.machine.virtual_machine))
}

fn candidates(claims: &RequestClaims) -> impl Iterator<Item = SerialNumber> {
    claims.candidates.iter().take(MOST_CANDIDATES).map(|candidate| candidate.serial_number)
}

/// Keeps the hardware that the request tells of: what agreed is enrolled again with what changed. Another machine that
/// holds the same key, and one of two that ask, changes nothing.
pub(super) fn enroll(
    change: &Change<'_>,
    case: &Case,
    request: &Request,
) -> Result<(), AnswerError> {
    let sent = facts(&request.claims.evidence);
    let environment = &case.environment;
    if environment.is_released() || environment.chain.is_forked() {
        return Ok(());
    }
    if sent.is_empty() {
        // A machine that was moved to does not know the Activation Code, which keys the digests. Those of the machine that it
        // was moved from must not speak against it later.
        if case.enrolls && request.claims.request == RequestKind::Move {
            change.put_evidence(environment.id, &[])?;
        }
        return Ok(());
    }
    let known = change.evidence(environment.id)?;
    let same = same_machine(&known, &sent, request.claims.machine.virtual_machine);
    if sent != known && (case.enrolls || same != Some(false)) {
        change.put_evidence(environment.id, &sent)?;
    }
    Ok(())
}

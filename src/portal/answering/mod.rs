//! The way of one request: repeated? verified? which environment? decided; documents made; all of it stored as one.
//!
//! `service` calls this; this calls `domain`, `store`, `issuing` and `license`.

mod adoption;
mod error;
mod placing;

pub(super) use error::AnswerError;

use super::{
    KeyRing, Portal,
    domain::{CurrentDocument, Decision, Environment, Holds, Link, Step, Subscription, decide},
    issuing,
    store::{AnsweredRequest, Change, Event, View},
};
use crate::license::{
    Outcome, PublicKey, RequestClaims, RequestKind, Thumbprint, Unverified, verify_request,
};
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;

/// A request whose signature is right.
struct Request {
    claims: RequestClaims,
    key: PublicKey,
    text: String,
}

/// An environment with its subscription, while its request is being answered.
struct Case {
    subscription: Subscription,
    environment: Environment,
    /// What happened to it on the way, for the audit.
    event: Option<&'static str>,
}

/// Answers a request.
pub(super) fn answer(portal: &Portal, body: &[u8]) -> Result<String, AnswerError> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerError::NotText)?.trim();
    let document = Unverified::parse(text)?;
    let claims: RequestClaims = document.peek()?;
    let keys = portal.keys();
    let (repeated, bound) = portal.store().read(|view| {
        let repeated = repeated(view, &document.kid(), &claims, text)?;
        let bound = match (claims.request, &repeated) {
            (RequestKind::Activate, _) | (_, Some(Repeated::Same(_))) => None,
            _ => adoption::bound_key(view, &keys, &claims, &document.kid())?,
        };
        Ok::<_, AnswerError>((repeated, bound))
    })?;
    if let Some(Repeated::Same(answer)) = repeated {
        return Ok(answer);
    }
    let (claims, key) = verify_request(text, keys.product(), |_| bound)?;
    let request = Request { claims, key, text: text.to_owned() };
    let now = portal.now();
    portal.store().write(move |change| settle(change, &request, &keys, now))
}

enum Repeated {
    Same(String),
    OtherContents,
}

fn repeated(
    view: &View<'_>,
    key: &Thumbprint,
    claims: &RequestClaims,
    text: &str,
) -> Result<Option<Repeated>, AnswerError> {
    Ok(view.answered(key, claims.jti)?.map(|(request, answer)| {
        if request == text { Repeated::Same(answer) } else { Repeated::OtherContents }
    }))
}

/// Decides and stores, within one transaction.
fn settle(
    change: &Change<'_>,
    request: &Request,
    keys: &Arc<KeyRing>,
    now: Timestamp,
) -> Result<String, AnswerError> {
    let claims = &request.claims;
    // Again, under the lock: the same request may have come twice at once.
    match repeated(change, &request.key.thumbprint(), claims, &request.text)? {
        Some(Repeated::Same(answer)) => return Ok(answer),
        Some(Repeated::OtherContents) => {
            return Err(super::domain::Refusal::RequestIdReused { id: claims.jti.0 }.into());
        }
        None => {}
    }
    let mut case = match claims.request {
        RequestKind::Activate => placing::activate(change, request, now)?,
        RequestKind::Refresh | RequestKind::Release => {
            adoption::bound_case(change, keys, request, now)?
        }
        RequestKind::Rebind | RequestKind::Move => {
            return Err(super::domain::Refusal::EnvironmentUnknown.into());
        }
    };
    let step = link(change, &mut case.environment, claims, now)?;
    let (outcome, event) = act(&mut case, request, keys, now)?;
    let answer = issuing::answer(keys, claims, outcome, now)?;
    case.environment.seen_at = now;
    change.put_environment(&case.environment)?;
    change.add_request(&AnsweredRequest {
        id: claims.jti,
        key: request.key.thumbprint(),
        kind: claims.request.as_str(),
        environment_id: case.environment.id,
        received_at: now,
        request: request.text.clone(),
        answer: answer.clone(),
    })?;
    audit(change, &case, request, step, event, now)?;
    Ok(answer)
}

/// Gives the request its place in the chain.
fn link(
    change: &Change<'_>,
    environment: &mut Environment,
    claims: &RequestClaims,
    now: Timestamp,
) -> Result<Step, AnswerError> {
    let previous_known = match claims.previous {
        Some(previous) => change.has_answered(environment.id, previous)?,
        None => false,
    };
    let link = Link {
        id: claims.jti,
        previous: claims.previous,
        previous_known,
        unsettled: &claims.unsettled,
        activates: claims.request == RequestKind::Activate,
    };
    Ok(environment.chain.receive(&link, now))
}

/// Does what is decided: the environment as it is after it, what is answered, and the word for the audit.
fn act(
    case: &mut Case,
    request: &Request,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<(Outcome, Option<&'static str>), AnswerError> {
    let Case { subscription, environment, .. } = case;
    if request.claims.request == RequestKind::Release && !environment.is_released() {
        release(environment, now);
        let sequence = environment.sequence;
        return Ok((
            Outcome::Released { sequence, slot_free_at: None },
            Some("environment-released"),
        ));
    }
    forget_disbelieved(environment, keys);
    let holds = holds(environment, request.claims.held.as_deref());
    Ok(match decide(subscription, environment, holds, now)? {
        Decision::Issue => {
            let id = Portal::new_id(now)?;
            let text = issuing::license(keys, subscription, environment, id, now)?;
            take_up(subscription, environment, CurrentDocument::License(text.clone()));
            (Outcome::License(text), Some("license-issued"))
        }
        Decision::Revoke => {
            let text = issuing::revocation(keys, subscription, environment, now)?;
            take_up(subscription, environment, CurrentDocument::Revocation(text.clone()));
            (Outcome::Revocation(text), Some("revocation-issued"))
        }
        Decision::SendCurrent => (current(environment), None),
        Decision::NothingNew => (Outcome::NothingNew { sequence: environment.sequence }, None),
        Decision::AlreadyReleased => {
            (Outcome::Released { sequence: environment.sequence, slot_free_at: None }, None)
        }
    })
}

/// Takes the slot back; the sequence ends every license so far.
pub(super) fn release(environment: &mut Environment, now: Timestamp) {
    environment.sequence = environment.next_sequence();
    environment.current = None;
    environment.released_at = Some(now);
}

fn take_up(subscription: &Subscription, environment: &mut Environment, document: CurrentDocument) {
    environment.sequence = environment.next_sequence();
    environment.made_from = subscription.revision;
    environment.current = Some(document);
}

/// A document signed by a key that was revoked since is worth nothing to the agent: it is made anew.
fn forget_disbelieved(environment: &mut Environment, keys: &KeyRing) {
    let believed = |current: &CurrentDocument| {
        Unverified::parse(current.text())
            .is_ok_and(|document| keys.trust().portal_key(&document.kid()).is_ok())
    };
    if !environment.current.as_ref().is_some_and(believed) {
        environment.current = None;
    }
}

fn current(environment: &Environment) -> Outcome {
    match environment.current.clone() {
        Some(CurrentDocument::License(text)) => Outcome::License(text),
        Some(CurrentDocument::Revocation(text)) => Outcome::Revocation(text),
        None => Outcome::NothingNew { sequence: environment.sequence },
    }
}

fn holds(environment: &Environment, held: Option<&str>) -> Holds {
    match (held.map(str::trim), environment.current.as_ref().map(CurrentDocument::text)) {
        (None, _) => Holds::Nothing,
        (Some(held), Some(current)) if held == current => Holds::Current,
        (Some(_), _) => Holds::Other,
    }
}

fn audit(
    change: &Change<'_>,
    case: &Case,
    request: &Request,
    step: Step,
    outcome: Option<&'static str>,
    now: Timestamp,
) -> Result<(), AnswerError> {
    let environment = &case.environment;
    let chain = matches!(step, Step::Forks | Step::Restarts).then(|| match step {
        Step::Forks => "chain-forked",
        _ => "chain-restarted",
    });
    let actor = format!("agent {}", request.key.thumbprint());
    for event in [case.event, chain, outcome].into_iter().flatten() {
        change.audit_event(&Event {
            at: now,
            actor: &actor,
            event,
            subscription_id: Some(environment.subscription_id),
            environment_id: Some(environment.id),
            detail: json!({
                "request": request.claims.jti,
                "serial_number": environment.serial_number,
                "purpose": environment.purpose,
                "sequence": environment.sequence,
                "revision": case.subscription.revision,
                "machine": request.claims.machine,
            }),
        })?;
    }
    Ok(())
}

//! Requests that put one key in the place of another.

use super::{
    AnswerError, Case, Context, Found, Request, adoption, link, placing, recognition, releasing,
};
use crate::{
    license::{RebindCode, Retirement, consent_end},
    portal::{
        attempts::Subject,
        domain::{
            Chain, Environment, Ground, Heir, Likeness, PendingRebind, Refusal, Revision, Shown,
            SlotAfter, StoredCode, Subscription, Warrant, moving, rebind,
        },
        store::{Change, Event, View},
    },
};
use serde_json::{Value, json};

/// A new key on the same hardware. The environment keeps its id, its name and its Serial Number.
pub(super) fn rebound(
    change: &Change<'_>,
    request: &Request,
    context: &Context,
) -> Result<Found, AnswerError> {
    let now = context.now;
    let (mut case, warrant, word) = if let Some(old) = &request.consenting {
        let case = adoption::case_of(change, request, old, context)?;
        let mut chain = case.environment.chain.clone();
        let link = link(change, case.environment.id, &request.claims, None)?;
        chain.receive(&link, now);
        let speaks = chain.speaks(request.claims.jti);
        (case, Warrant::Consent { speaks }, "consent")
    } else {
        let case = lost(change, request, context)?;
        let subject = Subject::Environment(case.environment.id);
        let proves = request.claims.rebind_proof.is_some();
        if let Some(seconds) = context.attempts.wait(subject, now).filter(|_| proves) {
            return Err(Refusal::TooManyAttempts { seconds }.into());
        }
        let (shown, word) = shown(change, &case.environment, request, context)?;
        (case, Warrant::ActivationCode(shown), word)
    };
    let Case { subscription, environment, .. } = &case;
    let same = recognition::likeness(change, environment, &request.claims)?;
    let same = same.is_some_and(Likeness::is_same);
    let heir = heir(change, environment, request)?;
    match rebind(subscription, environment, &heir, same, warrant, now) {
        Ok(()) => {}
        Err(refusal) => return refused(change, &case, request, refusal, context),
    }
    bind(change, &mut case, request, Retirement::Rebind, context)?;
    case.detail["by"] = json!(word);
    Ok(Found::Case(Box::new(case)))
}

/// A new key on other hardware, in one step.
pub(super) fn moved(
    change: &Change<'_>,
    request: &Request,
    context: &Context,
) -> Result<Found, AnswerError> {
    let old = request.consenting.as_ref().ok_or(Refusal::EnvironmentUnknown)?;
    let mut case = adoption::case_of(change, request, old, context)?;
    let ended = consent_end(&request.claims).filter(|end| *end <= context.now);
    if let Some(ended_at) = ended {
        return Err(Refusal::ConsentExpired { environment: case.environment.id, ended_at }.into());
    }
    let Case { subscription, environment, .. } = &case;
    let serial_number = request.claims.sub;
    let taken = change.environments_by_serial(subscription.id, &[serial_number])?;
    let taken = taken.iter().find(|e| !e.is_released() && e.id != environment.id).map(|e| e.id);
    let slot = releasing::slot_of(change, subscription, environment, context)?;
    let heir = heir(change, environment, request)?;
    let mut chain = environment.chain.clone();
    chain.receive(&link(change, environment.id, &request.claims, None)?, context.now);
    let named = chain.survivor().is_some() && chain.speaks(request.claims.jti);
    moving(subscription, environment, &heir, Ground { named, taken, slot }, context.now)?;
    if slot == SlotAfter::Counted {
        change.add_offline_release(subscription.id, environment.id, context.now)?;
    }
    bind(change, &mut case, request, Retirement::Move, context)?;
    case.environment.serial_number = serial_number;
    Ok(Found::Case(Box::new(case)))
}

/// The environment of a machine that lost its key: the one that the request names, or the one that the machine is.
fn lost(change: &Change<'_>, request: &Request, context: &Context) -> Result<Case, AnswerError> {
    let claims = &request.claims;
    let subscription = placing::proven_subscription(change, request)?;
    let environment = if let Some(id) = claims.environment.id {
        change.environment(id)?.filter(|e| e.subscription_id == subscription.id)
    } else {
        let mut known = recognition::known(change, subscription.id, claims)?;
        known.retain(|k| !k.environment.is_released());
        known.sort_by_key(|k| match k.likeness {
            Likeness::SerialNumber => 0,
            Likeness::Machine => 1,
            Likeness::Unlike => 2,
        });
        known.into_iter().next().map(|known| known.environment)
    };
    let environment = environment.ok_or(Refusal::MachineUnknown)?;
    let mut case = Case::new(subscription, environment);
    // A portal that was restored from a backup would count from too low.
    adoption::adopt_held(change, &mut case, claims, None, context)?;
    Ok(case)
}

/// What came with the Activation Code, and the word for it in the audit.
fn shown(
    view: &View<'_>,
    environment: &Environment,
    request: &Request,
    context: &Context,
) -> Result<(Shown, &'static str), AnswerError> {
    let kid = request.key.thumbprint();
    if let Some(proof) = &request.claims.rebind_proof {
        let good = view.rebind_code(environment.id)?.filter(|code| code.is_good(context.now));
        let proves = |code: &StoredCode| {
            RebindCode::proves(&code.verifier, proof, request.claims.jti, &request.key)
        };
        return Ok(match good {
            Some(code) if proves(&code) => (Shown::RightCode, "code"),
            Some(code) => (Shown::WrongCode { left: code.attempts_left - 1 }, "code"),
            None => (Shown::WrongCode { left: 0 }, "code"),
        });
    }
    let pending = view.pending_rebinds(Some(environment.id))?;
    let approved = pending.iter().any(|p| p.key == kid && p.is_approved(context.now));
    Ok(if approved { (Shown::Approval, "approval") } else { (Shown::Nothing, "activation-code") })
}

/// The request's key as one that asks for the environment's place. A request that a slow courier brings after its asker
/// has gone on puts no key in the place of the one that the asker uses now.
fn heir<'a>(
    view: &View<'_>,
    environment: &Environment,
    request: &'a Request,
) -> Result<Heir<'a>, AnswerError> {
    let id = request.claims.jti;
    if environment.chain.has_overtaken(id) {
        return Err(Refusal::RequestOvertaken { id: id.0 }.into());
    }
    let retired = view.retired_key(&request.key.thumbprint(), Some(environment.id))?;
    Ok(Heir {
        key: &request.key,
        retired: retired.is_some(),
        overridden: request.claims.machine.overridden,
    })
}

/// A refusal with what is to be remembered of it: that a rebind waits for approval, that a code was wrong.
fn refused(
    change: &Change<'_>,
    case: &Case,
    request: &Request,
    refusal: Refusal,
    context: &Context,
) -> Result<Found, AnswerError> {
    let Case { subscription, environment, .. } = case;
    let event = match &refusal {
        Refusal::RebindPending { .. } => {
            wait(change, environment, request, context)?.then_some("rebind-asked")
        }
        Refusal::RebindCodeWrong { left, .. } => {
            context.attempts.wrong(Subject::Environment(environment.id), context.now);
            let code = change.rebind_code(environment.id)?;
            if let Some(code) = &code {
                let code = StoredCode { attempts_left: *left, ..code.clone() };
                change.put_rebind_code(environment.id, &code)?;
            }
            code.map(|_| "rebind-code-refused")
        }
        _ => return Err(refusal.into()),
    };
    for event in [case.event, event].into_iter().flatten() {
        tell(change, subscription, environment, request, event, context)?;
    }
    Ok(Found::Refused(refusal))
}

/// Remembers a rebind that waits. True where it was not asked for before.
fn wait(
    change: &Change<'_>,
    environment: &Environment,
    request: &Request,
    context: &Context,
) -> Result<bool, AnswerError> {
    let key = request.key.thumbprint();
    let known = change.pending_rebinds(Some(environment.id))?;
    let first = !known.iter().any(|pending| pending.key == key);
    change.put_pending_rebind(&PendingRebind {
        environment_id: environment.id,
        key,
        asked_at: context.now,
        machine: request.claims.machine.kind.clone(),
        approved_at: None,
    })?;
    Ok(first)
}

fn tell(
    change: &Change<'_>,
    subscription: &Subscription,
    environment: &Environment,
    request: &Request,
    event: &str,
    context: &Context,
) -> Result<(), AnswerError> {
    Ok(change.audit_event(&Event {
        at: context.now,
        actor: &request.actor(),
        event,
        subscription_id: Some(subscription.id),
        environment_id: Some(environment.id),
        detail: json!({
            "request": request.claims.jti,
            "serial_number": request.claims.sub,
            "machine": request.claims.machine,
            "road": context.road,
        }),
    })?)
}

/// Puts the request's key in the place of the bound one. Its license is made anew, and its requests begin anew: whoever
/// has the old key is told that it is retired, whichever branch it was.
fn bind(
    change: &Change<'_>,
    case: &mut Case,
    request: &Request,
    by: Retirement,
    context: &Context,
) -> Result<(), AnswerError> {
    let environment = &mut case.environment;
    let from = bound(environment);
    super::retire(change, environment, by, context.now)?;
    change.forget_rebinds(environment.id)?;
    environment.key = Some(request.key);
    environment.chain = Chain::default();
    environment.made_from = Revision::NONE;
    case.event = Some(match by {
        Retirement::Rebind => "environment-rebound",
        Retirement::Move => "environment-moved",
    });
    case.detail = json!({ "from": from });
    case.enrolls = true;
    Ok(())
}

fn bound(environment: &Environment) -> Value {
    json!({
        "key": environment.key.map(|key| key.thumbprint()),
        "serial_number": environment.serial_number,
    })
}

//! The way of one request: repeated? verified? which environment? decided; documents made; all of it stored as one.
//!
//! `service` calls this; this calls `domain`, `store`, `issuing` and `license`.

mod adoption;
mod authorities;
mod carried;
mod error;
mod placing;
mod recognition;
mod releasing;
mod repeated;
mod retired;
mod succession;
mod telling;
mod usage;

pub(super) use carried::{Carrier, answer_carried};
pub(super) use error::AnswerError;
pub(super) use releasing::{end, slot_left};
use repeated::{Known, Repeated, link, repeated, repeated_after};
pub(super) use retired::retire;

use super::{
    KeyRing, Portal,
    attempts::{Attempts, Subject},
    domain::{CurrentDocument, Decision, Environment, Holds, Refusal, Step, Subscription, decide},
    issuing,
    pace::{self, Pace},
    store::{AnsweredRequest, Change, View},
};
use crate::license::{
    DocumentError, Outcome, PublicKey, RequestClaims, RequestKind, Thumbprint, Unverified,
    UnverifiedRequest,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Longest request, bytes. Each is kept; one that holds a license of a thousand features is half as long.
pub(super) const LARGEST: usize = 256 << 10;

/// By which road a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Road {
    /// From the agent itself, which gets the answer.
    Online,
    /// As a file: what becomes of the answer is not known.
    Courier,
}

/// What a request is answered with and by.
pub(super) struct Context {
    keys: Arc<KeyRing>,
    attempts: Arc<Attempts>,
    pace: Arc<Pace>,
    road: Road,
    /// Who carried it, where it came through the pages.
    carrier: Option<Carrier>,
    now: Timestamp,
}

impl Context {
    /// Counts an answer that will be kept: of an environment, or of a subscription with so many of them.
    fn count(&self, subject: Uuid, environments: u32, request: &Request) -> Result<(), Refusal> {
        let most = pace::MOST.saturating_mul(environments.max(1));
        let wait = self.pace.count(subject, request.text.len(), most, self.now);
        wait.map_or(Ok(()), |seconds| Err(Refusal::TooManyRequests { seconds }))
    }
}

/// A request whose signatures are right.
pub(super) struct Request {
    claims: RequestClaims,
    key: PublicKey,
    /// The bound key, where it consents to the request's.
    consenting: Option<PublicKey>,
    text: String,
}

impl Request {
    /// Who asks, for the audit.
    fn actor(&self) -> String {
        format!("agent {}", self.key.thumbprint())
    }
}

/// An environment with its subscription, while its request is being answered.
struct Case {
    subscription: Subscription,
    environment: Environment,
    /// As the store has it, where that is known.
    stored: Option<Environment>,
    /// What happened to it on the way, for the audit.
    event: Option<&'static str>,
    /// What else there is to say of that.
    detail: Value,
    /// Whether the hardware of the request is the environment's from now on, whatever it was.
    enrolls: bool,
}

impl Case {
    fn new(subscription: Subscription, environment: Environment) -> Self {
        let stored = None;
        Self { subscription, environment, stored, event: None, detail: json!({}), enrolls: false }
    }
}

/// What a request has led to.
enum Found {
    /// An environment, about which it is to be decided.
    Case(Box<Case>),
    /// The answer.
    Answered(String),
    /// A refusal of which something is to be remembered.
    Refused(Refusal),
}

/// A request that was read and verified. That is most of the work, and many do it at once; the rest is one transaction.
pub(super) enum Opened {
    /// It was answered before.
    Repeated { kind: RequestKind, answer: String },
    /// It is to be answered.
    New(Box<(Request, Context)>),
}

impl Opened {
    /// What is asked for.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Repeated { kind, .. } => kind.as_str(),
            Self::New(new) => new.0.claims.request.as_str(),
        }
    }
}

/// Reads and verifies a request. It blocks.
pub(super) fn open(
    portal: &Portal,
    body: &[u8],
    road: Road,
    carrier: Option<Carrier>,
) -> Result<Opened, AnswerError> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerError::NotText)?.trim();
    if text.len() > LARGEST {
        return Err(DocumentError::TooLarge { limit: LARGEST, found: text.len() }.into());
    }
    let request = UnverifiedRequest::parse(text)?;
    let (keys, attempts, pace) = (portal.keys(), portal.attempts(), portal.pace());
    let context = Context { keys, attempts, pace, road, carrier, now: portal.now() };
    let (repeated, bound) = portal.store().read(|view| {
        let (kid, claims) = (request.kid(), request.claims());
        if let Some(carrier) = &context.carrier {
            carried::check_own(view, claims, &kid, carrier)?;
        }
        let repeated = repeated(view, &kid, claims, text)?;
        if matches!(repeated, Some(Repeated::Same(_))) {
            return Ok((repeated, None));
        }
        check_proof(view, &kid, claims, &context)?;
        let bound = adoption::bound_key(view, &context.keys, claims, &kid)?;
        Ok::<_, AnswerError>((repeated, bound))
    })?;
    if let Some(Repeated::Same(answer)) = repeated {
        return Ok(Opened::Repeated { kind: request.claims().request, answer });
    }
    let (claims, key) = request.verify(context.keys.product(), bound)?;
    let consenting = bound.filter(|_| claims.consent.is_some());
    let request = Request { claims, key, consenting, text: text.to_owned() };
    Ok(Opened::New(Box::new((request, context))))
}

/// Answers a request. It blocks until the answer is durable.
pub(super) fn answer(portal: &Portal, opened: Opened) -> Result<String, AnswerError> {
    match opened {
        Opened::Repeated { answer, .. } => Ok(answer),
        Opened::New(new) => settled(portal.store().write(move |c| settle(c, &new.0, &new.1))?),
    }
}

/// The same, without keeping a thread while the answer is stored.
pub(super) async fn answer_later(portal: &Portal, opened: Opened) -> Result<String, AnswerError> {
    match opened {
        Opened::Repeated { answer, .. } => Ok(answer),
        Opened::New(new) => {
            let stored = portal.store().write_later(move |c| settle(c, &new.0, &new.1));
            settled(stored.await?)
        }
    }
}

fn settled(result: Result<String, Refusal>) -> Result<String, AnswerError> {
    Ok(result?)
}

/// Refuses a wrong proof of the Activation Code before anything else is done for it. A right one is never kept waiting for
/// wrong ones that others send.
fn check_proof(
    view: &View<'_>,
    kid: &Thumbprint,
    claims: &RequestClaims,
    context: &Context,
) -> Result<(), AnswerError> {
    let Some(activation) = &claims.activation else { return Ok(()) };
    let known = view.subscription_by_activation(activation.id)?;
    if known.is_some_and(|sold| activation.proves_by(&sold.activation_code, claims.jti, kid)) {
        return Ok(());
    }
    let wait = context.attempts.wrong(Subject::Activation(activation.id), context.now);
    Err(wait
        .map_or(Refusal::ActivationCodeUnknown, |seconds| Refusal::TooManyAttempts { seconds })
        .into())
}

/// Decides and stores, within one transaction. A refusal of which something is stored is no error to the store.
fn settle(
    change: &Change<'_>,
    request: &Request,
    context: &Context,
) -> Result<Result<String, Refusal>, AnswerError> {
    let claims = &request.claims;
    // Again, under the lock: the same request may have come twice at once.
    let kid = request.key.thumbprint();
    let (repeated, previous) = repeated_after(change, &kid, claims, &request.text)?;
    match repeated {
        Some(Repeated::Same(answer)) => return Ok(Ok(answer)),
        Some(Repeated::OtherContents) => {
            return Err(Refusal::RequestIdReused { id: claims.jti.0 }.into());
        }
        None => {}
    }
    let found = match claims.request {
        RequestKind::Activate => placing::activate(change, request, context)?,
        RequestKind::Refresh | RequestKind::Release => {
            adoption::bound_case(change, request, context)?
        }
        RequestKind::Rebind => succession::rebound(change, request, context)?,
        RequestKind::Move => succession::moved(change, request, context)?,
    };
    match found {
        Found::Case(case) => conclude(change, *case, request, previous, context).map(Ok),
        Found::Answered(answer) => Ok(Ok(answer)),
        Found::Refused(refusal) => Ok(Err(refusal)),
    }
}

/// Decides about the environment, and stores all that follows.
fn conclude(
    change: &Change<'_>,
    mut case: Case,
    request: &Request,
    previous: Option<Known>,
    context: &Context,
) -> Result<String, AnswerError> {
    let (claims, now) = (&request.claims, context.now);
    carried::check_case(&case.environment, context.carrier.as_ref())?;
    let link = link(change, case.environment.id, claims, previous)?;
    let step = case.environment.chain.receive(&link, now);
    if step == Step::Overtaken {
        return Err(Refusal::RequestOvertaken { id: claims.jti.0 }.into());
    }
    let slots =
        case.subscription.terms.slots.values().fold(0, |sum: u32, n| sum.saturating_add(*n));
    context.count(case.environment.id, 1, request)?;
    context.count(case.subscription.id, slots, request)?;
    let (outcome, event) = act(change, &mut case, request, context)?;
    let environment = &mut case.environment;
    environment.seen_at = now;
    let is_over = environment.is_released() || claims.request == RequestKind::Release;
    let fork = environment.chain.fork(claims.jti).filter(|_| !is_over);
    let answer = issuing::answer(&context.keys, claims, environment, outcome, fork, now)?;
    match &case.stored {
        Some(stored) => change.put_environment_heard(environment, stored)?,
        None => change.put_environment(environment)?,
    }
    change.add_request(&AnsweredRequest {
        id: claims.jti,
        key: request.key.thumbprint(),
        kind: claims.request.as_str(),
        environment_id: environment.id,
        received_at: now,
        request: request.text.clone(),
        answer: answer.clone(),
    })?;
    recognition::enroll(change, &case, request)?;
    usage::keep(change, &case, request, context)?;
    telling::audit(change, &case, request, step, event, context)?;
    Ok(answer)
}

/// Does what is decided: the environment as it is after it, what is answered, and the word for the audit.
fn act(
    change: &Change<'_>,
    case: &mut Case,
    request: &Request,
    context: &Context,
) -> Result<(Outcome, Option<&'static str>), AnswerError> {
    let (keys, now) = (&context.keys, context.now);
    if request.claims.floor.is_some_and(|floor| case.environment.count_on_from(floor)) {
        case.event.get_or_insert("sequence-caught-up");
    }
    if request.claims.request == RequestKind::Release && !case.environment.is_released() {
        // A copy that gives up takes nothing from the machine that the customer named.
        if case.environment.chain.close_superseded(request.claims.jti) {
            return Ok((releasing::told(&case.environment, now), Some("branch-released")));
        }
        let outcome = releasing::release(change, case, &request.actor(), context)?;
        return Ok((outcome, Some("environment-released")));
    }
    let Case { subscription, environment, .. } = case;
    forget_disbelieved(environment, keys);
    let named = authorities::of(environment);
    let authorities = named.after(request.claims.ca.as_ref());
    if authorities != named {
        authorities::forget_other(subscription, environment, now);
    }
    // One that is the current one is believed as that is.
    let held = request.claims.held.as_deref();
    let holds = match (held, holds(environment, held)) {
        (Some(held), Holds::Other) if !is_believed(held, keys) => Holds::Nothing,
        (_, holds) => holds,
    };
    Ok(match decide(subscription, environment, holds, now)? {
        Decision::Issue => {
            let id = Portal::new_id(now)?;
            let text = issuing::license(keys, subscription, environment, id, authorities, now)?;
            environment.take_up(subscription.revision, CurrentDocument::License(text.clone()));
            (Outcome::License(text), Some("license-issued"))
        }
        Decision::Revoke => {
            let text = issuing::revocation(keys, subscription, environment, now)?;
            environment.take_up(subscription.revision, CurrentDocument::Revocation(text.clone()));
            (Outcome::Revocation(text), Some("revocation-issued"))
        }
        Decision::SendCurrent => (current(environment), None),
        Decision::NothingNew => (Outcome::NothingNew { sequence: environment.sequence }, None),
        Decision::AlreadyReleased => (releasing::told(environment, now), None),
    })
}

/// A document signed by a key that was revoked since is worth nothing to the agent: it is made anew.
pub(super) fn forget_disbelieved(environment: &mut Environment, keys: &KeyRing) {
    if !environment.current.as_ref().is_some_and(|current| is_believed(current.text(), keys)) {
        environment.current = None;
    }
}

/// Whether a document's signer is still believed.
fn is_believed(text: &str, keys: &KeyRing) -> bool {
    Unverified::parse(text.trim())
        .is_ok_and(|document| keys.trust().portal_key(&document.kid()).is_ok())
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

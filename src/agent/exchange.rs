//! Requests: stored before they are sent, sent until they are answered.

use super::{
    Agent,
    documents::Road,
    publish::note,
    succession::{Heir, Word, note_refused},
};
use crate::{
    api::{Done, Problem, Reply},
    entitlement::LicenseSource,
    identity::Source,
    license::{
        OpenedAnswer, RebindCode, RequestClaims, RequestId, RequestKind, RequestedEnvironment,
        ToldUsage, Unverified, open_answer, sign_request,
    },
    store::{Action, AgentState, PendingRequest},
    upstream::{Draft, ExchangeError, new_request_id},
};
use axum::http::StatusCode;
use std::time::Duration;

/// The interval where no license says one.
const DEFAULT_INTERVAL: Duration = Duration::from_hours(24);

/// A request in the making.
pub(super) struct Asking<'a> {
    pub(super) id: RequestId,
    pub(super) kind: RequestKind,
    pub(super) environment: RequestedEnvironment,
    /// The one-time code for a rebind.
    pub(super) rebind_code: Option<&'a RebindCode>,
    /// What is to take the place of the present key; nothing where that signs.
    pub(super) heir: Option<Heir>,
    /// Whether it is carried by hand.
    pub(super) by_hand: bool,
}

impl Asking<'_> {
    /// A request of the present key, which is sent from here.
    pub(super) fn new(kind: RequestKind, environment: RequestedEnvironment) -> Self {
        let id = new_request_id();
        Self { id, kind, environment, rebind_code: None, heir: None, by_hand: false }
    }

    /// What the audit says of it under that id. Who approves a rebind compares its new key with the one that is shown here.
    fn told(&self, id: RequestId, usage: Option<&ToldUsage>) -> String {
        let key = self.heir.as_ref().map(|heir| format!(", key {}", heir.key.thumbprint()));
        let road = if self.by_hand { ", to be carried by hand" } else { "" };
        let usage = usage.map_or("", |_| ", tells what is used");
        format!("{} {id}{}{road}{usage}", self.kind.as_str(), key.unwrap_or_default())
    }
}

impl Agent {
    /// Stores a new request and sends it at once.
    pub(super) fn ask(&mut self, asking: &Asking<'_>, actor: &str) -> Result<(), Problem> {
        self.make_request(asking, actor)?;
        self.send();
        Ok(())
    }

    /// Stores a new request: to be sent from here, or to be carried by hand.
    pub(super) fn make_request(
        &mut self,
        asking: &Asking<'_>,
        actor: &str,
    ) -> Result<String, Problem> {
        let mut state = self.draft();
        // Whoever activates asks for something else than a rebind.
        state.rebind_waits &= asking.kind != RequestKind::Activate;
        state.chain.reserve.fill(new_request_id);
        let usage = self.told_usage(asking.kind);
        let usage = usage.as_ref();
        let request = self.signed(&state, asking.id, asking, usage)?;
        let text = request.text.clone();
        let event = self.event_by(actor, Action::Requested, asking.told(asking.id, usage));
        if self.parts.keeper.commit_if_stored(with_request(state.clone(), request), event.clone()) {
            note(&event);
            let state = self.draft();
            self.conclude(state, Vec::new());
            return Ok(text);
        }
        // It would be unknown after a restart: an id that was stored before takes its place, unless it was itself, with an
        // offer. Where none is left, the portal may see a fork after that restart; but the cure is never locked.
        let is_offered = state.offer.as_ref().is_some_and(|offer| offer.id == asking.id);
        let drawn = if is_offered { None } else { self.draw() };
        let id = drawn.unwrap_or(asking.id);
        let request = self.signed(&state, id, asking, usage)?;
        let text = request.text.clone();
        let event = self.event_by(actor, Action::Requested, asking.told(id, usage));
        self.conclude(with_request(state, request), vec![event]);
        Ok(text)
    }

    /// An id that was stored before. Which one, differs between one process and the next.
    fn draw(&mut self) -> Option<RequestId> {
        let chance = self.parts.chance;
        self.parts.chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.parts.keeper.draw(u128::from(chance >> 32))
    }

    /// The request under that id, as `state` has it made.
    fn signed(
        &self,
        state: &AgentState,
        id: RequestId,
        asking: &Asking<'_>,
        usage: Option<&ToldUsage>,
    ) -> Result<PendingRequest, Problem> {
        let (Some(enrolled), Some(survey)) = (&state.enrolled, &self.survey) else {
            return Err(self.no_serial_number());
        };
        let Asking { kind, rebind_code, by_hand, ref heir, .. } = *asking;
        let now = self.time.at(self.parts.clock.read());
        let minted = heir.as_ref().and_then(|heir| heir.minted.as_ref());
        let word = heir.as_ref().and_then(|heir| heir.word.as_ref());
        let brings_code = matches!(kind, RequestKind::Activate | RequestKind::Rebind);
        let held = match word {
            Some(Word::Carried(word)) => Some(word.license.text()),
            _ => state.license.as_ref().map(|held| held.text.as_str()),
        };
        let draft = Draft {
            id,
            kind,
            product: &self.parts.product,
            serial_number: minted.map_or(enrolled.serial_number, |minted| minted.serial_number),
            overridden: minted
                .map_or(enrolled.overridden, |minted| minted.source == Source::Override),
            environment: asking.environment.clone(),
            code: self.asked_code.as_ref().filter(|_| brings_code).or(self.code.as_ref()),
            shows_code: brings_code && word.is_none(),
            rebind_code,
            survey,
            chain: &state.chain,
            held,
            trust_version: self.holdings.trust_version(),
            ca: self.authority(),
            floor: state.highest_sequence(),
            usage: usage.cloned(),
            now,
        };
        let key = heir.as_ref().map_or_else(|| self.signing_key(), |heir| &heir.key);
        let mut claims = draft.claims(&key.public());
        let signed = word.map(|word| word.on(&claims, key, &self.parts.key)).transpose().and_then(
            |consent| {
                claims.consent = consent;
                sign_request(&claims, key)
            },
        );
        let text = signed.map_err(|error| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, error.code(), "The request can't be made", error.to_string())
        })?;
        Ok(PendingRequest { id, kind, text, made_at: now, by_hand })
    }

    pub(super) fn no_serial_number(&self) -> Problem {
        let detail = self.mint_error.as_ref().map_or_else(
            || "the hardware is still being read: try again in a second".to_owned(),
            ToString::to_string,
        );
        let code = self.mint_error.as_ref().map_or("not-ready", |error| error.code());
        Problem::new(StatusCode::CONFLICT, code, "There is no Serial Number", detail)
    }

    /// Sends the request that is to be sent, unless it is under way.
    pub(super) fn send(&mut self) {
        let Some(portal) = &self.parts.portal else { return };
        let Some(pending) = self.parts.keeper.state().chain.to_send() else { return };
        if self.exchange.is_none() {
            self.exchange = Some(portal.exchange(pending.text.clone()));
        }
    }

    /// What is due at the portal: the request that waits, or a refresh, or the activation that the settings ask for.
    pub(super) fn turn_to_portal(&mut self) {
        if self.parts.portal.is_none() {
            self.schedule.refresh_at = None;
        }
        if self.parts.portal.is_none() || self.exchange.is_some() {
            return;
        }
        let state = self.parts.keeper.state();
        if self.waiting_request().is_some() {
            self.send();
        } else if state.rebind_waits && !self.has_bound_key() {
            self.rebind_again();
        } else if self.arrives() {
            if let Err(problem) = self.ask_to_arrive(false, "agent") {
                tracing::warn!(detail = %problem.detail, "the move could not be asked for");
                let uptime = self.uptime();
                self.schedule.failed(uptime, None);
            }
            self.send();
        } else if let Some(environment) = state.environment.clone() {
            let asked = if std::mem::take(&mut self.is_named) || state.carried_key {
                self.succeed(false, "agent").map(|_| self.send())
            } else {
                self.ask(&Asking::new(RequestKind::Refresh, environment.into()), "agent")
            };
            if let Err(problem) = asked {
                tracing::warn!(detail = %problem.detail, "no refresh could be asked for");
                let uptime = self.uptime();
                self.schedule.failed(uptime, None);
            }
        } else if !state.released && state.arrival.is_none() && self.has_code() {
            self.activate_as_configured();
        } else {
            self.schedule.refresh_at = None;
        }
    }

    /// The request that waits to be sent; one whose answer was refused would get the same answer for ever.
    pub(super) fn waiting_request(&self) -> Option<RequestKind> {
        let pending = self.parts.keeper.state().chain.to_send()?;
        (self.refused_answer != Some(pending.id)).then_some(pending.kind)
    }

    /// Whether this environment was to be activated: by its settings, or before. A release forgets its code, so one that is
    /// kept without a license means that the state was lost.
    const fn has_code(&self) -> bool {
        self.parts.configured_code.is_some() || self.code.is_some()
    }

    /// An exchange ended: takes the answer, or decides when to try again, and tells who waits.
    pub(super) fn settle(&mut self, ended: Result<String, ExchangeError>) {
        self.exchange = None;
        let taken = ended.and_then(|text| {
            let held = self.holdings.trust.as_ref();
            let opened = open_answer(&text, &self.parts.product, &self.parts.roots, held);
            opened.map_err(ExchangeError::from)
        });
        let uptime = self.uptime();
        let reply = match taken {
            Ok(answer) => self.answered(answer, uptime),
            Err(error) if self.asked_again(&error) => return,
            Err(ExchangeError::Document(error)) => {
                self.note_refused_answer(error.clone().into());
                Err(self.not_answered(&error.into(), uptime))
            }
            Err(error) => Err(self.not_answered(&error, uptime)),
        };
        self.tell(reply);
    }

    fn answered(&mut self, answer: OpenedAnswer, uptime: Duration) -> Result<String, Problem> {
        self.heard(None, true);
        self.schedule.answered(uptime, self.refresh_interval());
        let answered = answer.in_reply_to;
        let road = Road { source: LicenseSource::Portal, actor: "portal" };
        let was_bound = self.next_is_bound;
        match self.take_answer(answer, &road) {
            Ok(message) => {
                self.parts.metrics.exchanged("answered");
                // The license that came may ask for another interval.
                self.schedule.answered(uptime, self.refresh_interval());
                let carried = self.parts.keeper.state().carried_key;
                if self.is_named || carried || self.next_is_bound && !was_bound {
                    // The other branch is told as soon as this one has its new key; a license waits for the key that is bound.
                    self.schedule.refresh_at = Some(uptime);
                }
                Ok(message)
            }
            Err(refused) => {
                let faults = refused.faults.clone();
                self.parts.metrics.exchanged(faults.code());
                self.schedule.failed(uptime, None);
                self.refused_answer = Some(answered);
                self.note_refused_answer(refused);
                let (status, title) = (StatusCode::BAD_GATEWAY, "The portal's answer was refused");
                Err(Problem::new(status, faults.code(), title, faults.to_string()))
            }
        }
    }

    /// Asks again under another id, where an earlier process had used this one: neither could store anything, and both drew
    /// from the same reserve.
    fn asked_again(&mut self, error: &ExchangeError) -> bool {
        let used = matches!(error.code(), "request-id-reused" | "request-overtaken");
        let mut state = self.draft();
        let Some(pending) = state.chain.pending.clone().filter(|_| used) else { return false };
        let by_key = matches!(
            pending.kind,
            RequestKind::Activate | RequestKind::Refresh | RequestKind::Release
        );
        let request =
            Unverified::parse(&pending.text).and_then(|text| text.peek::<RequestClaims>());
        let (Ok(request), true) = (request, by_key && self.parts.keeper.has_drawn(pending.id))
        else {
            return false;
        };
        state.chain.give_up();
        let event = self.event(Action::Refused, format!("{}: {error}", error.code()));
        self.conclude(state, vec![event]);
        self.ask(&Asking::new(pending.kind, request.environment), "agent").is_ok()
    }

    fn not_answered(&mut self, error: &ExchangeError, uptime: Duration) -> Problem {
        tracing::warn!(code = error.code(), "{error}");
        self.parts.metrics.exchanged(error.code());
        if error.is_passing() {
            self.heard(Some(error.to_string()), false);
            self.schedule.failed(uptime, error.retry_after());
            let detail = error.to_string();
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Problem::new(status, error.code(), "The portal gave no answer", detail);
        }
        self.heard(None, true);
        self.schedule.refused(uptime);
        let mut state = self.draft();
        let mut changes = Vec::new();
        if let Some(pending) = state.chain.pending.clone() {
            if pending.kind == RequestKind::Activate {
                self.refuse_code();
            }
            note_refused(&mut state, &pending, error.code());
            // It goes on with the key that it has, rather than to ask for nothing else ever again.
            state.carried_key &= pending.kind != RequestKind::Rebind;
            changes = self.abandon_arrival(&mut state, &pending, error.code());
        }
        state.chain.give_up();
        let mut events = vec![self.event(Action::Refused, format!("{}: {error}", error.code()))];
        if !changes.is_empty() || state.arrival != self.parts.keeper.state().arrival {
            events.push(self.event(Action::ImportAbandoned, "the portal refused it for good"));
        }
        self.conclude_with(state, events, changes);
        let detail = error.to_string();
        Problem::new(StatusCode::CONFLICT, error.code(), "The portal refused", detail)
    }

    fn heard(&mut self, unreachable: Option<String>, reachable: bool) {
        self.unreachable = unreachable;
        self.reachable = Some(reachable);
    }

    /// Tells everyone who waits how the exchange ended, after the status that follows from it was published.
    fn tell(&mut self, result: Result<String, Problem>) {
        let state = self.draft();
        self.conclude(state, Vec::new());
        let reply = result.and_then(|message| self.done(message));
        for waiting in self.waiting.drain(..) {
            // One who does not wait any more needs no answer.
            let _ = waiting.send(reply.clone());
        }
    }

    /// The answer to a change that was made.
    pub(super) fn done(&self, message: String) -> Result<Reply, Problem> {
        let published = self.published.borrow().clone();
        let published = published.ok_or_else(|| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(status, "not-ready", "The agent can't answer yet", "try again")
        })?;
        Ok(Reply::Done(Box::new(Done { message, status: published.status.clone() })))
    }

    pub(super) fn refresh_interval(&self) -> Duration {
        let license = self.holdings.license.as_ref();
        let interval = license.map(|license| license.claims().refresh_interval());
        interval.and_then(|interval| interval.try_into().ok()).unwrap_or(DEFAULT_INTERVAL)
    }
}

/// The state with that request in its chain, and in the offer that it answers to.
fn with_request(mut state: AgentState, request: PendingRequest) -> AgentState {
    if let Some(offer) = state.offer.as_mut().filter(|offer| offer.id == request.id) {
        offer.request = Some(request.text.clone());
    }
    state.chain.push(request);
    state
}

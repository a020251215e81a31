//! Requests: stored before they are sent, sent until they are answered.

use super::{Agent, documents::Road};
use crate::{
    api::{Done, Problem, Reply},
    entitlement::LicenseSource,
    license::{OpenedAnswer, RebindCode, RequestKind, RequestedEnvironment, open_answer},
    store::{Action, PendingRequest},
    upstream::{Draft, ExchangeError, new_request_id},
};
use axum::http::StatusCode;
use std::time::Duration;

/// The interval where no license says one.
const DEFAULT_INTERVAL: Duration = Duration::from_hours(24);

impl Agent {
    /// Stores a new request and sends it at once.
    pub(super) fn ask(
        &mut self,
        kind: RequestKind,
        environment: RequestedEnvironment,
        actor: &str,
    ) -> Result<(), Problem> {
        self.ask_by(kind, environment, None, actor)
    }

    /// The same, by a one-time code.
    pub(super) fn ask_by(
        &mut self,
        kind: RequestKind,
        environment: RequestedEnvironment,
        rebind_code: Option<&RebindCode>,
        actor: &str,
    ) -> Result<(), Problem> {
        self.make_request(kind, environment, rebind_code, actor, false)?;
        self.send();
        Ok(())
    }

    /// Stores a new request: to be sent from here, or to be carried by hand.
    pub(super) fn make_request(
        &mut self,
        kind: RequestKind,
        environment: RequestedEnvironment,
        rebind_code: Option<&RebindCode>,
        actor: &str,
        by_hand: bool,
    ) -> Result<String, Problem> {
        let mut state = self.draft();
        let (Some(enrolled), Some(survey)) = (&state.enrolled, &self.survey) else {
            return Err(self.no_serial_number());
        };
        let id = new_request_id();
        let now = self.time.at(self.parts.clock.read());
        let draft = Draft {
            id,
            kind,
            product: &self.parts.product,
            serial_number: enrolled.serial_number,
            overridden: enrolled.overridden,
            environment,
            code: match kind {
                RequestKind::Activate | RequestKind::Rebind => {
                    self.asked_code.as_ref().or(self.code.as_ref())
                }
                _ => self.code.as_ref(),
            },
            rebind_code,
            survey,
            chain: &state.chain,
            held: state.license.as_ref().map(|held| held.text.as_str()),
            trust_version: self.holdings.trust_version(),
            ca: self.authority(),
            now,
        };
        let text = draft.sign(&self.parts.key).map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, error.code(), "The request can't be made", error.to_string())
        })?;
        state.chain.push(PendingRequest { id, kind, text: text.clone(), made_at: now, by_hand });
        let road = if by_hand { ", to be carried by hand" } else { "" };
        let detail = format!("{} {id}{road}", kind.as_str());
        let event = self.event_by(actor, Action::Requested, detail);
        self.conclude(state, vec![event]);
        Ok(text)
    }

    fn no_serial_number(&self) -> Problem {
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
        } else if let Some(environment) = state.environment.clone() {
            let asked = self.ask(RequestKind::Refresh, environment.into(), "agent");
            if let Err(problem) = asked {
                tracing::warn!(detail = %problem.detail, "no refresh could be asked for");
                let uptime = self.uptime();
                self.schedule.failed(uptime, None);
            }
        } else if !state.released && self.has_code() {
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
            Err(error) => Err(self.not_answered(&error, uptime)),
        };
        self.tell(reply);
    }

    fn answered(&mut self, answer: OpenedAnswer, uptime: Duration) -> Result<String, Problem> {
        self.heard(None, true);
        self.schedule.answered(uptime, self.refresh_interval());
        let answered = answer.in_reply_to;
        let road = Road { source: LicenseSource::Portal, actor: "portal" };
        match self.take_answer(answer, &road) {
            Ok(message) => {
                self.parts.metrics.exchanged("answered");
                // The license that came may ask for another interval.
                self.schedule.answered(uptime, self.refresh_interval());
                Ok(message)
            }
            Err(faults) => {
                self.parts.metrics.exchanged(faults.code());
                self.schedule.failed(uptime, None);
                self.refused_answer = Some(answered);
                self.note_refusal(&faults, "portal");
                let (status, title) = (StatusCode::BAD_GATEWAY, "The portal's answer was refused");
                Err(Problem::new(status, faults.code(), title, faults.to_string()))
            }
        }
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
        if state.chain.pending.as_ref().is_some_and(|p| p.kind == RequestKind::Activate) {
            self.refuse_code();
        }
        state.chain.give_up();
        let event = self.event(Action::Refused, format!("{}: {error}", error.code()));
        self.conclude(state, vec![event]);
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

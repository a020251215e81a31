//! Documents on their way into the state: everything is checked first, and a refused one changes nothing.

use super::{Agent, Holdings, licenses::end, publish::in_seconds};
use crate::{
    entitlement::{EffectiveTime, LicenseSource},
    license::{
        Document, DocumentError, Faults, ForkState, LicenseClaims, OpenedAnswer, Outcome,
        RequestClaims, RequestId, RequestKind, Sequence, TrustClaims, Unverified, VerifiedTrust,
        open_answer, verify_license,
    },
    store::{Action, AgentState, Event, PendingLicense, Retired},
    upstream::new_request_id,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// A change in the making: adopted whole, or dropped with whatever was refused.
pub(super) struct Change {
    pub(super) state: AgentState,
    pub(super) holdings: Holdings,
    pub(super) time: EffectiveTime,
    pub(super) events: Vec<Event>,
    /// Whether the license is bound to the key that waited for it.
    pub(super) replaces_key: bool,
}

/// Documents that were refused.
pub(super) struct Refused {
    /// Why.
    pub(super) faults: Faults,
    /// The license of an answer among them: the portal has issued it, and it is not installed.
    pub(super) license: Option<PendingLicense>,
}

impl<F: Into<Faults>> From<F> for Refused {
    fn from(faults: F) -> Self {
        Self { faults: faults.into(), license: None }
    }
}

impl Agent {
    /// Installs what a file holds: an answer, or a license with or without its trust document before it.
    pub(super) fn install_text(&mut self, text: &str, actor: &str) -> Result<String, Refused> {
        let mut change = self.change();
        let mut message = None;
        for document in text.split_whitespace() {
            let kind = Unverified::parse(document)?.typ().to_owned();
            match kind.as_str() {
                TrustClaims::TYPE => {
                    let held = change.holdings.trust.as_ref();
                    let product = &self.parts.product;
                    let trust = self.parts.roots.verify_trust(document, product, held)?;
                    if self.take_trust(&mut change, trust, actor) {
                        message
                            .get_or_insert_with(|| "the trust document was installed".to_owned());
                    }
                }
                LicenseClaims::TYPE => {
                    let trust = change.holdings.trust.as_ref().ok_or(DocumentError::NoTrust)?;
                    let license = verify_license(document, &self.parts.product, trust)?;
                    let road = Road { source: LicenseSource::File, actor };
                    let now = self.now();
                    message = Some(self.take_license(&mut change, &license, &road, now)?);
                }
                // An answer carries its trust document and brings the chain forward: it is taken whole.
                _ => return self.install_answer(document, actor),
            }
        }
        let message = message.ok_or_else(|| match text.trim() {
            "" => Unverified::parse("").err().unwrap_or(DocumentError::NoTrust),
            _ => DocumentError::Type {
                expected: LicenseClaims::TYPE,
                found: "a trust document that is held already".to_owned(),
            },
        })?;
        self.adopt(change);
        Ok(message)
    }

    fn install_answer(&mut self, text: &str, actor: &str) -> Result<String, Refused> {
        let held = self.holdings.trust.as_ref();
        let answer = open_answer(text, &self.parts.product, &self.parts.roots, held)?;
        let road = Road { source: LicenseSource::File, actor };
        self.take_answer(answer, &road)
    }

    /// Takes the answer to a request that is not settled yet, whole or not at all.
    pub(super) fn take_answer(
        &mut self,
        answer: OpenedAnswer,
        road: &Road<'_>,
    ) -> Result<String, Refused> {
        let license = answer.license.as_ref().map(|license| license.claims().clone());
        self.take_whole_answer(answer, road).map_err(|faults| {
            let license = license.filter(|license| self.is_news(license));
            let pending = |license: LicenseClaims| PendingLicense {
                sequence: license.seq,
                // Not the whole messages: some tell the time, and each change of a condition is a new generation.
                refused: Some(faults.codes()),
            };
            Refused { license: license.map(pending), faults }
        })
    }

    fn take_whole_answer(
        &mut self,
        mut answer: OpenedAnswer,
        road: &Road<'_>,
    ) -> Result<String, Faults> {
        let mut change = self.change();
        let answered = answer.in_reply_to;
        if !change.state.chain.awaits(answered) {
            return Err(not_asked(&change.state, answered).into());
        }
        let pending = change.state.chain.pending.as_ref().filter(|pending| pending.id == answered);
        let succeeds =
            pending.is_some_and(|p| matches!(p.kind, RequestKind::Rebind | RequestKind::Move));
        let shows_code = pending.is_some_and(|pending| shows_code(&pending.text));
        let asked_at = pending.map(|pending| pending.made_at);
        let told = self.event_by(road.actor, Action::Answered, format!("request {answered}"));
        change.events.push(told);
        if let Some(trust) = answer.trust.take() {
            self.take_trust(&mut change, trust, road.actor);
        }
        // Before anything is judged: a clock that ran ahead must not call over what the portal has just sent.
        change.time.settle(answer.portal_time);
        let asked_ahead = asked_at.filter(|at| is_ahead(*at, answer.portal_time));
        change.state.fork = answer.fork;
        let (fork, issued) = (answer.fork, answer.issued);
        let retires = matches!(answer.outcome, Outcome::Retired { .. });
        let message = self.take_outcome(&mut change, answer, road)?;
        if retires && self.next_is_bound {
            // The line of requests goes on from the one by which the new key was bound, whose answer is still to come.
            change.state.chain.withdraw(answered);
        } else {
            change.state.chain.settle(answered);
        }
        change.state.chain.reserve.fill(new_request_id);
        // By the portal's own time: by a clock that ran ahead it would lie in the future, and no check-in ever be due.
        change.state.last_contact = change.time.mark().proven.map(in_seconds);
        change.state.pending_license = missed(&change.state, issued);
        let (released, retired) = (change.state.released, change.state.retired.is_some());
        if shows_code && !released {
            self.grant_code();
        }
        self.asked_ahead = asked_ahead;
        self.adopt(change);
        if released && retired {
            // Whatever waited to be bound can't be any more. The Activation Code may be used again.
            self.forget_next_key();
        } else if released {
            self.forget_codes();
        }
        let is_survivor = fork.is_some_and(|fork| fork.state == ForkState::Survivor);
        self.is_named = is_survivor && !released && !succeeds;
        Ok(message)
    }

    fn take_outcome(
        &mut self,
        change: &mut Change,
        answer: OpenedAnswer,
        road: &Road<'_>,
    ) -> Result<String, Faults> {
        if !matches!(answer.outcome, Outcome::License(_)) {
            check_environment(&change.state, answer.environment_id)?;
        }
        match answer.outcome {
            Outcome::License(_) => {
                let license = answer.license.ok_or(DocumentError::Signature)?;
                self.take_license(change, &license, road, answer.portal_time)
            }
            Outcome::Revocation(text) => {
                let claims = answer.revocation.ok_or(DocumentError::Signature)?;
                self.take_revocation(change, &claims, text, road)
            }
            Outcome::NothingNew { .. } => Ok("the license is the newest".to_owned()),
            Outcome::Released { sequence, slot_free_at } => {
                let detail = format!("sequence {sequence}");
                change.events.push(self.event_by(road.actor, Action::Released, detail));
                end(&mut change.state, answer.environment_id, sequence);
                let when = slot_free_at.map_or_else(String::new, |at| format!(" at {at}"));
                Ok(format!("the license was released; its slot is free again{when}"))
            }
            Outcome::Retired { sequence, by, serial_number, key } => {
                let at = in_seconds(change.time.at(self.parts.clock.read()));
                let retired = Retired { by, serial_number, key, at, parted: false };
                Ok(self.take_retirement(change, answer.environment_id, sequence, retired, road))
            }
        }
    }

    pub(super) fn change(&self) -> Change {
        Change {
            state: self.draft(),
            holdings: self.holdings.clone(),
            time: self.time.clone(),
            events: Vec::new(),
            replaces_key: false,
        }
    }

    /// Takes a verified trust document; true where it is news.
    pub(super) fn take_trust(
        &mut self,
        change: &mut Change,
        trust: VerifiedTrust,
        actor: &str,
    ) -> bool {
        let news = change.state.trust.as_deref() != Some(trust.text());
        if news {
            let detail = format!("trust document {}", trust.version());
            change.events.push(self.event_by(actor, Action::TrustUpdated, detail));
            change.state.trust = Some(trust.text().to_owned());
            change.state.root = Some(*trust.root());
        }
        change.holdings.trust = Some(trust);
        news
    }

    /// Makes a change the current state, with the documents in it.
    pub(super) fn adopt(&mut self, change: Change) {
        let Change { state, time, events, replaces_key, .. } = change;
        self.time = time;
        self.holdings = Holdings::of(&state, &self.parts.product, &self.parts.roots);
        if replaces_key {
            self.take_next_key();
            // Whatever was enrolled with it is shown from the next survey on.
            self.schedule.survey_at = self.uptime();
        }
        self.conclude(state, events);
        self.finish_succession();
    }

    /// The same of an answer: once a request, however often that is sent again.
    pub(super) fn note_refused_answer(&mut self, refused: Refused) {
        let sent = self.parts.keeper.state().chain.to_send().map(|pending| pending.id);
        let refusal = sent.map(|sent| (sent, refused.faults.code()));
        if self.told_refusal != refusal {
            self.told_refusal = refusal;
            self.note_refusal(refused, "portal");
        }
    }

    /// Takes note of a refused document, which changes nothing else.
    pub(super) fn note_refusal(&mut self, refused: Refused, actor: &str) {
        self.parts.metrics.refused_document();
        let event = self.event_by(actor, Action::DocumentRefused, refused.faults.to_string());
        let mut state = self.draft();
        if refused.license.is_some() {
            state.pending_license = refused.license;
        }
        self.conclude(state, vec![event]);
    }
}

/// Whether a request shows the Activation Code.
fn shows_code(request: &str) -> bool {
    let claims = Unverified::parse(request).and_then(|request| request.peek::<RequestClaims>());
    claims.is_ok_and(|claims| claims.activation.is_some())
}

/// That an answer is about the environment that is held here.
fn check_environment(state: &AgentState, found: Option<Uuid>) -> Result<(), DocumentError> {
    match (state.environment.as_ref().map(|environment| environment.id), found) {
        (Some(expected), Some(found)) if expected != found => {
            Err(DocumentError::OtherEnvironment { expected, found })
        }
        _ => Ok(()),
    }
}

/// What the portal has issued beyond what is installed.
fn missed(state: &AgentState, issued: Option<Sequence>) -> Option<PendingLicense> {
    let held = state.environment.as_ref().and(state.floor)?;
    let sequence = issued.filter(|issued| *issued > held)?;
    Some(PendingLicense { sequence, refused: None })
}

/// Whether a request was made at a time that had not come when the portal answered it, by more than an hour.
fn is_ahead(asked_at: Timestamp, answered_at: Timestamp) -> bool {
    asked_at.duration_since(answered_at) > SignedDuration::from_hours(1)
}

/// By which road a document came, and who brought it.
pub(super) struct Road<'a> {
    pub(super) source: LicenseSource,
    pub(super) actor: &'a str,
}

fn not_asked(state: &AgentState, found: RequestId) -> DocumentError {
    let expected = match (state.chain.unsettled.last(), state.chain.previous) {
        (Some(open), _) => format!("request {open}"),
        (None, Some(previous)) if previous == found => {
            "a request that is still open (there is none; this answer was installed already)"
                .to_owned()
        }
        _ => "a request that is still open (there is none)".to_owned(),
    };
    DocumentError::Reply { expected, found: found.to_string() }
}

/// The effective time at which a refresh is due, from the last contact on.
pub(super) fn refresh_due(state: &AgentState, interval: jiff::SignedDuration) -> Option<Timestamp> {
    state.last_contact?.checked_add(interval).ok()
}

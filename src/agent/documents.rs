//! Documents on their way into the state: everything is checked first, and a refused one changes nothing.

use super::{Agent, Holdings, publish::in_seconds};
use crate::{
    codes::SerialNumber,
    entitlement::{EffectiveTime, LicenseSource},
    license::{
        Document, DocumentError, Faults, InstallCheck, LicenseClaims, OpenedAnswer, Outcome,
        RequestId, RequestKind, RevocationClaims, Sequence, TrustClaims, Unverified,
        VerifiedLicense, VerifiedStatement, VerifiedTrust, open_answer, verify_license,
    },
    store::{Action, AgentState, Event, HeldLicense},
};
use jiff::Timestamp;

/// A change in the making: adopted whole, or dropped with whatever was refused.
struct Change {
    state: AgentState,
    holdings: Holdings,
    time: EffectiveTime,
    events: Vec<Event>,
}

impl Agent {
    /// Installs what a file holds: an answer, or a license with or without its trust document before it.
    pub(super) fn install_text(&mut self, text: &str, actor: &str) -> Result<String, Faults> {
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

    fn install_answer(&mut self, text: &str, actor: &str) -> Result<String, Faults> {
        let held = self.holdings.trust.as_ref();
        let answer = open_answer(text, &self.parts.product, &self.parts.roots, held)?;
        let road = Road { source: LicenseSource::File, actor };
        self.take_answer(answer, &road)
    }

    /// Takes the answer to a request that is not settled yet, whole or not at all.
    pub(super) fn take_answer(
        &mut self,
        mut answer: OpenedAnswer,
        road: &Road<'_>,
    ) -> Result<String, Faults> {
        let mut change = self.change();
        let answered = answer.in_reply_to;
        if !change.state.chain.unsettled.contains(&answered) {
            return Err(not_asked(&change.state, answered).into());
        }
        let pending = change.state.chain.pending.as_ref().filter(|pending| pending.id == answered);
        let activates = pending.is_some_and(|pending| {
            matches!(pending.kind, RequestKind::Activate | RequestKind::Rebind)
        });
        let told = self.event_by(road.actor, Action::Answered, format!("request {answered}"));
        change.events.push(told);
        if let Some(trust) = answer.trust.take() {
            self.take_trust(&mut change, trust, road.actor);
        }
        // Before anything is judged: a clock that ran ahead must not call over what the portal has just sent.
        change.time.settle(answer.portal_time);
        change.state.fork = answer.fork;
        let message = self.take_outcome(&mut change, answer, road)?;
        change.state.chain.settle(answered);
        change.state.last_contact = Some(in_seconds(change.time.at(self.parts.clock.read())));
        let released = change.state.released;
        if activates && !released {
            self.grant_code();
        }
        self.adopt(change);
        if released {
            self.forget_codes();
        }
        Ok(message)
    }

    fn take_outcome(
        &mut self,
        change: &mut Change,
        answer: OpenedAnswer,
        road: &Road<'_>,
    ) -> Result<String, Faults> {
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
                release(&mut change.state, sequence);
                let when = slot_free_at.map_or_else(String::new, |at| format!(" at {at}"));
                Ok(format!("the license was released; its slot is free again{when}"))
            }
            Outcome::Retired { sequence, by, key, .. } => {
                let key = key.map_or_else(|| "no key".to_owned(), |key| key.to_string());
                let detail = format!("sequence {sequence}, by {}, to {key}", by.as_str());
                let event = self.event_by(road.actor, Action::Released, detail.clone());
                change.events.push(event);
                release(&mut change.state, sequence);
                Ok(format!("this key is retired, the environment goes on under another: {detail}"))
            }
        }
    }

    /// Takes what a member heard from this environment and this machine does not know any more: the license in the
    /// statement, its revocation, and its generation, so that members go on with this controller.
    pub(super) fn follow_statement(
        &mut self,
        statement: &VerifiedStatement,
        actor: &str,
    ) -> Result<(), Faults> {
        let mut change = self.change();
        let generation = statement.claims().generation;
        let license = statement.license();
        let floor = change.state.floor;
        let is_news = floor.is_none_or(|floor| license.claims().seq > floor);
        if !is_news && generation <= change.state.status.generation {
            return Ok(());
        }
        let detail = format!("license sequence {}, generation {generation}", license.claims().seq);
        change.events.push(self.event_by(actor, Action::StatementFollowed, detail));
        if is_news {
            self.take_trust(&mut change, statement.trust().clone(), actor);
            let road = Road { source: LicenseSource::Member, actor };
            let now = self.now();
            self.take_license(&mut change, license, &road, now)?;
        }
        let revocation = statement.revocation().zip(statement.claims().revocation.clone());
        if let Some((claims, text)) = revocation.filter(|(claims, _)| Some(claims.seq) > floor) {
            let road = Road { source: LicenseSource::Member, actor };
            self.take_revocation(&mut change, claims, text, &road)?;
        }
        let status = &mut change.state.status;
        if generation >= status.generation {
            status.generation = generation;
            // What follows is another status than the one of that generation.
            status.digest.clear();
        }
        self.adopt(change);
        Ok(())
    }

    fn change(&self) -> Change {
        Change {
            state: self.draft(),
            holdings: self.holdings.clone(),
            time: self.time.clone(),
            events: Vec::new(),
        }
    }

    /// Takes a verified trust document; true where it is news.
    fn take_trust(&mut self, change: &mut Change, trust: VerifiedTrust, actor: &str) -> bool {
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

    /// Takes a license, where nothing speaks against it at the time `now`.
    fn take_license(
        &mut self,
        change: &mut Change,
        license: &VerifiedLicense,
        road: &Road<'_>,
        now: Timestamp,
    ) -> Result<String, Faults> {
        let Change { state, holdings, time, events } = change;
        let claims = license.claims().clone();
        // A license is a word of the portal as well: its time is proven.
        let now = now.max(claims.iat);
        let serial_number = self.serial_number_for(state, &claims)?;
        let held = holdings.license.as_ref();
        let environment_key = self.parts.key.thumbprint();
        license.check_install(&InstallCheck {
            serial_number,
            environment_key: &environment_key,
            environment: state.environment.as_ref().filter(|_| !state.released).map(|e| e.id),
            floor: floor(state, held),
            held,
            now,
        })?;
        if held.is_some_and(|held| held.text() == license.text()) && !state.released {
            return Ok(format!("license sequence {} is held already", claims.seq));
        }
        if let Some(enrolled) = &mut state.enrolled {
            enrolled.serial_number = serial_number;
        }
        let message = format!(
            "license sequence {} of {} until {}",
            claims.seq, claims.environment.name, claims.subscription.ends_at
        );
        events.push(self.event_by(road.actor, Action::LicenseInstalled, message.clone()));
        state.license = Some(HeldLicense {
            text: license.text().to_owned(),
            source: road.source,
            installed_at: now,
        });
        state.floor = Some(claims.seq);
        state.environment = Some(claims.environment);
        state.revocation = None;
        state.released = false;
        time.prove(claims.iat);
        holdings.license = Some(license.clone());
        Ok(format!("installed {message}"))
    }

    /// Takes a revocation. One that is older than what is held changes nothing but the chain.
    fn take_revocation(
        &mut self,
        change: &mut Change,
        claims: &RevocationClaims,
        text: String,
        road: &Road<'_>,
    ) -> Result<String, Faults> {
        let state = &mut change.state;
        if state.floor.is_some_and(|floor| claims.seq < floor) {
            return Ok("the portal sent an older revocation; nothing changed".to_owned());
        }
        check_revoked_environment(state, claims)?;
        if state.revocation.as_ref() != Some(&text) {
            let detail = format!("sequence {}: {}", claims.seq, claims.reason);
            change.events.push(self.event_by(road.actor, Action::Revoked, detail));
        }
        state.floor = Some(claims.seq);
        state.revocation = Some(text);
        Ok(format!("the vendor revoked the license: {}", claims.reason))
    }

    /// The Serial Number that a license must name: the enrolled one, or at first the one that the portal knows of the same
    /// hardware.
    fn serial_number_for(
        &self,
        state: &AgentState,
        claims: &LicenseClaims,
    ) -> Result<SerialNumber, Faults> {
        let enrolled = state.enrolled.as_ref().map(|enrolled| enrolled.serial_number);
        let named = claims.sub;
        let is_candidate = self.survey.as_ref().is_some_and(|survey| {
            survey.candidates().iter().any(|minted| minted.serial_number == named)
        });
        // Bound to this key: the portal knew the machine by the rest of its hardware, and gave its own number back.
        let is_ours = claims.cnf.is_some_and(|cnf| cnf.jwk == self.parts.key.public());
        match enrolled {
            Some(_) if state.license.is_none() && (is_candidate || is_ours) => Ok(named),
            Some(enrolled) => Ok(enrolled),
            None => Err(DocumentError::Request {
                member: "the Serial Number",
                reason: "this machine has none: `entitlectl hardware` says why".to_owned(),
            }
            .into()),
        }
    }

    /// Makes a change the current state, with the documents in it.
    fn adopt(&mut self, change: Change) {
        let Change { state, time, events, .. } = change;
        self.time = time;
        self.holdings = Holdings::of(&state, &self.parts.product, &self.parts.roots);
        self.conclude(state, events);
    }

    /// Takes note of a refused document, which changes nothing else.
    pub(super) fn note_refusal(&mut self, faults: &Faults, actor: &str) {
        self.parts.metrics.refused_document();
        let event = self.event_by(actor, Action::DocumentRefused, faults.to_string());
        let state = self.draft();
        self.conclude(state, vec![event]);
    }
}

fn check_revoked_environment(
    state: &AgentState,
    claims: &RevocationClaims,
) -> Result<(), DocumentError> {
    let serial = state.enrolled.as_ref().map(|enrolled| enrolled.serial_number);
    match serial {
        Some(expected) if expected != claims.sub => {
            Err(DocumentError::Serial { expected, found: claims.sub })
        }
        _ => Ok(()),
    }
}

/// By which road a document came, and who brought it.
pub(super) struct Road<'a> {
    pub(super) source: LicenseSource,
    pub(super) actor: &'a str,
}

/// The lowest sequence that may be installed. After a revocation or a release only a higher one.
fn floor(state: &AgentState, held: Option<&VerifiedLicense>) -> Option<Sequence> {
    let floor = state.floor?;
    let is_held = held.is_some_and(|held| held.claims().seq == floor) && !state.released;
    Some(if is_held { floor } else { Sequence(floor.0.saturating_add(1)) })
}

fn release(state: &mut AgentState, sequence: Sequence) {
    state.released = true;
    state.license = None;
    state.revocation = None;
    state.environment = None;
    state.floor = state.floor.max(Some(sequence));
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

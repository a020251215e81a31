//! Documents on their way into the state: everything is checked first, and a refused one changes nothing.

use super::{Agent, Holdings};
use crate::{
    codes::SerialNumber,
    entitlement::LicenseSource,
    license::{
        Document, DocumentError, Faults, InstallCheck, LicenseClaims, OpenedAnswer, Outcome,
        RequestId, RevocationClaims, Sequence, TrustClaims, Unverified, VerifiedLicense,
        open_answer, verify_license,
    },
    store::{Action, AgentState, Event, HeldLicense},
};
use jiff::Timestamp;

impl Agent {
    /// Installs what a file holds: an answer, or a license with or without its trust document before it.
    pub(super) fn install_text(&mut self, text: &str, actor: &str) -> Result<String, Faults> {
        let mut state = self.draft();
        let mut holdings = self.holdings.clone();
        let mut events = Vec::new();
        let mut message = None;
        for document in text.split_whitespace() {
            let kind = Unverified::parse(document)?.typ().to_owned();
            match kind.as_str() {
                TrustClaims::TYPE => {
                    let held = holdings.trust.as_ref();
                    let product = &self.parts.product;
                    let trust = self.parts.roots.verify_trust(document, product, held)?;
                    if state.trust.as_deref() != Some(trust.text()) {
                        let detail = format!("trust document {}", trust.claims().version);
                        events.push(self.event_by(actor, Action::TrustUpdated, detail));
                        state.trust = Some(trust.text().to_owned());
                        message
                            .get_or_insert_with(|| "the trust document was installed".to_owned());
                    }
                    holdings.trust = Some(trust);
                }
                LicenseClaims::TYPE => {
                    let trust = holdings.trust.as_ref().ok_or(DocumentError::NoTrust)?;
                    let license = verify_license(document, &self.parts.product, trust)?;
                    let road = Road { source: LicenseSource::File, actor };
                    let told =
                        self.take_license(&mut state, &holdings, &license, &road, &mut events);
                    message = Some(told?);
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
        self.adopt(state, events);
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
        answer: OpenedAnswer,
        road: &Road<'_>,
    ) -> Result<String, Faults> {
        let mut state = self.draft();
        let mut holdings = self.holdings.clone();
        let answered = answer.in_reply_to;
        if !state.chain.unsettled.contains(&answered) {
            return Err(not_asked(&state, answered).into());
        }
        let actor = road.actor;
        let mut events =
            vec![self.event_by(actor, Action::Answered, format!("request {answered}"))];
        if let Some(trust) = answer.trust {
            if state.trust.as_deref() != Some(trust.text()) {
                let detail = format!("trust document {}", trust.claims().version);
                events.push(self.event_by(actor, Action::TrustUpdated, detail));
            }
            state.trust = Some(trust.text().to_owned());
            holdings.trust = Some(trust);
        }
        // A word of the portal that is older than what is held changes nothing but the chain.
        let message = match answer.outcome {
            Outcome::License(_) => match answer.license {
                Some(license) => {
                    self.take_license(&mut state, &holdings, &license, road, &mut events)?
                }
                None => return Err(DocumentError::Signature.into()),
            },
            Outcome::Revocation(text) => match answer.revocation {
                Some(claims) if state.floor.is_none_or(|floor| claims.seq >= floor) => {
                    check_revoked_environment(&state, &claims)?;
                    let detail = format!("sequence {}: {}", claims.seq, claims.reason);
                    events.push(self.event_by(actor, Action::Revoked, detail));
                    state.floor = Some(claims.seq);
                    state.revocation = Some(text);
                    format!("the vendor revoked the license: {}", claims.reason)
                }
                _ => "the portal sent an older revocation; nothing changed".to_owned(),
            },
            Outcome::NothingNew { .. } => "the license is the newest".to_owned(),
            Outcome::Released { sequence } => {
                events.push(self.event_by(actor, Action::Released, format!("sequence {sequence}")));
                release(&mut state, sequence);
                self.forget_code();
                "the license was released; its slot is free again".to_owned()
            }
        };
        self.time.settle(answer.portal_time);
        state.chain.settle(answered);
        state.last_contact = Some(self.now());
        self.adopt(state, events);
        Ok(message)
    }

    /// Puts a license into `state`, where nothing speaks against it.
    fn take_license(
        &mut self,
        state: &mut AgentState,
        holdings: &Holdings,
        license: &VerifiedLicense,
        road: &Road<'_>,
        events: &mut Vec<Event>,
    ) -> Result<String, Faults> {
        let claims = license.claims().clone();
        // A license is a word of the portal as well: its time is proven.
        let now = self.now().max(claims.iat);
        let serial_number = self.serial_number_for(state, claims.sub)?;
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
        self.time.prove(claims.iat);
        Ok(format!("installed {message}"))
    }

    /// The Serial Number that a license must name: the enrolled one, or the one that the portal knows of the same
    /// hardware, which was among the candidates of the request.
    fn serial_number_for(
        &self,
        state: &AgentState,
        named: SerialNumber,
    ) -> Result<SerialNumber, Faults> {
        let enrolled = state.enrolled.as_ref().map(|enrolled| enrolled.serial_number);
        let first = state.license.is_none();
        let candidate = first
            && self.survey.as_ref().is_some_and(|survey| {
                survey.candidates().iter().any(|minted| minted.serial_number == named)
            });
        match enrolled {
            Some(_) if candidate => Ok(named),
            Some(enrolled) => Ok(enrolled),
            None => Err(DocumentError::Request {
                member: "the Serial Number",
                reason: "this machine has none: `entitlectl hardware` says why".to_owned(),
            }
            .into()),
        }
    }

    /// Makes `state` the current one, with the documents in it.
    fn adopt(&mut self, state: AgentState, events: Vec<Event>) {
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

//! A license, or the word that it is over, on its way into the state.

use super::{
    Agent,
    documents::{Change, Road},
};
use crate::{
    codes::SerialNumber,
    entitlement::HardwareStanding,
    identity::Enrolled,
    license::{
        DocumentError, Faults, InstallCheck, KeyPair, LicenseClaims, RevocationClaims, Sequence,
        Thumbprint, VerifiedLicense,
    },
    store::{Action, AgentState, HeldLicense, Retired},
};
use jiff::Timestamp;
use uuid::Uuid;

/// What a license must fit, and what it brings along.
struct Binding {
    serial_number: SerialNumber,
    key: Thumbprint,
    /// Whether that is the key that waits beside the present one.
    is_next: bool,
    /// The hardware that takes the place of the enrolled one.
    enrolled: Option<Enrolled>,
}

impl Agent {
    /// Takes a license, where nothing speaks against it at the time `now`.
    pub(super) fn take_license(
        &mut self,
        change: &mut Change,
        license: &VerifiedLicense,
        road: &Road<'_>,
        now: Timestamp,
    ) -> Result<String, Faults> {
        let claims = license.claims().clone();
        // A license is a word of the portal as well: its time is proven.
        let now = now.max(claims.iat);
        let binding = self.binding_for(&change.state, &claims, now)?;
        let Change { state, holdings, time, .. } = change;
        let held = holdings.license.as_ref();
        license.check_install(&InstallCheck {
            serial_number: binding.serial_number,
            environment_key: &binding.key,
            environment: state.environment.as_ref().filter(|_| !state.released).map(|e| e.id),
            floor: floor(state, held, claims.environment.id),
            held,
            now,
        })?;
        if held.is_some_and(|held| held.text() == license.text()) && !state.released {
            return Ok(format!("license sequence {} is held already", claims.seq));
        }
        let message = format!(
            "license sequence {} of {} until {}",
            claims.seq, claims.environment.name, claims.subscription.ends_at
        );
        let waiting = state.arrival.as_ref().and_then(|_| self.waiting_members());
        state.license = Some(HeldLicense {
            text: license.text().to_owned(),
            source: road.source,
            installed_at: now,
        });
        state.floor = Some(claims.seq);
        state.ended.remove(&claims.environment.id);
        state.environment = Some(claims.environment);
        state.revocation = None;
        state.released = false;
        (state.retired, state.offer, state.pending_license) = (None, None, None);
        if binding.is_next {
            state.carried_key = state.arrival.is_some();
        }
        (state.arrival, state.departure, state.signpost) = (None, None, None);
        state.rebind_waits = false;
        time.prove(claims.iat);
        holdings.license = Some(license.clone());
        let event = self.event_by(road.actor, Action::LicenseInstalled, message.clone());
        change.events.push(event);
        self.take_binding(change, binding, road);
        Ok(format!("installed {message}{}", waiting.unwrap_or_default()))
    }

    /// Takes the Serial Number of a license and, with the key that waited for it, that key and its hardware.
    fn take_binding(&mut self, change: &mut Change, binding: Binding, road: &Road<'_>) {
        let Binding { serial_number, key, is_next, enrolled } = binding;
        if is_next {
            let detail = format!("{key} in the place of {}", self.parts.key.thumbprint());
            change.events.push(self.event_by(road.actor, Action::KeyReplaced, detail));
            change.replaces_key = true;
        }
        let state = &mut change.state;
        match enrolled {
            Some(new) => {
                let old = state.enrolled.as_ref().map(|old| old.serial_number.to_string());
                let old = old.unwrap_or_else(|| "none".to_owned());
                let detail = format!("Serial Number {serial_number} in the place of {old}");
                state.hardware = Some(HardwareStanding::of_new(new.overridden));
                state.enrolled = Some(new);
                change.events.push(self.event_by(road.actor, Action::Reenrolled, detail));
            }
            None => {
                if let Some(enrolled) = &mut state.enrolled {
                    enrolled.serial_number = serial_number;
                }
            }
        }
    }

    fn binding_for(
        &self,
        state: &AgentState,
        claims: &LicenseClaims,
        now: Timestamp,
    ) -> Result<Binding, Faults> {
        let present = self.parts.key.public();
        let next = self.next_key.as_ref().map(KeyPair::public);
        let bound = claims.cnf.map(|cnf| cnf.jwk);
        let Some(key) = next.filter(|next| bound == Some(*next) && *next != present) else {
            let serial_number = self.serial_number_for(state, claims)?;
            let key = present.thumbprint();
            return Ok(Binding { serial_number, key, is_next: false, enrolled: None });
        };
        // What can't be minted was not asked for either.
        let other = self.other_hardware(state).ok().flatten();
        let other = other.filter(|minted| minted.serial_number == claims.sub);
        let enrolled = other
            .zip(self.survey.as_ref())
            .map(|(minted, survey)| Enrolled::enroll(&minted, survey, &self.parts.secret, now));
        let serial_number = match &enrolled {
            Some(enrolled) => enrolled.serial_number,
            None => self.serial_number_for(state, claims)?,
        };
        Ok(Binding { serial_number, key: key.thumbprint(), is_next: true, enrolled })
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
        let is_ours = claims.cnf.is_some_and(|cnf| {
            let next = self.next_key.as_ref().map(KeyPair::public);
            cnf.jwk == self.parts.key.public() || Some(cnf.jwk) == next
        });
        // Unless it was asked for on other hardware, before this one was enrolled in its place.
        let is_ours = is_ours && !state.left.contains(&named);
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

    /// Takes a revocation. One that is older than what is held changes nothing but the chain.
    pub(super) fn take_revocation(
        &mut self,
        change: &mut Change,
        claims: &RevocationClaims,
        text: String,
        road: &Road<'_>,
    ) -> Result<String, Faults> {
        let state = &mut change.state;
        check_revoked_environment(state, claims)?;
        let known = match state.environment {
            Some(_) => state.floor,
            None => state.ended.get(&claims.environment_id).copied(),
        };
        if known.is_some_and(|known| claims.seq < known) {
            return Ok("the portal sent an older revocation; nothing changed".to_owned());
        }
        if state.revocation.as_ref() != Some(&text) {
            let detail = format!("sequence {}: {}", claims.seq, claims.reason);
            change.events.push(self.event_by(road.actor, Action::Revoked, detail));
        }
        if state.environment.is_some() {
            state.floor = Some(claims.seq);
        } else {
            state.ended.insert(claims.environment_id, claims.seq);
        }
        state.revocation = Some(text);
        Ok(format!("the vendor revoked the license: {}", claims.reason))
    }

    /// Takes the portal's word that the environment goes on under another key. Where that is the one that waits here, the
    /// license for it is still to come: its answer was lost, or is with a courier.
    pub(super) fn take_retirement(
        &mut self,
        change: &mut Change,
        environment: Option<Uuid>,
        sequence: Sequence,
        retired: Retired,
        road: &Road<'_>,
    ) -> String {
        let waits = self.next_key.as_ref().map(|next| next.public().thumbprint());
        if waits.is_some() && waits == retired.key {
            self.next_is_bound = true;
            return "the environment is bound to this machine's new key already: the license for it is fetched next, `entitlectl refresh`".to_owned();
        }
        let Retired { by, serial_number, key, .. } = &retired;
        let key = key.as_ref().map_or_else(|| "no key".to_owned(), ToString::to_string);
        let detail = format!(
            "sequence {sequence}, by {}, to Serial Number {serial_number} and {key}",
            by.as_str()
        );
        change.events.push(self.event_by(road.actor, Action::Retired, detail.clone()));
        let now = retired.at;
        self.leave_signpost(&mut change.state, &retired, now);
        end(&mut change.state, environment, sequence);
        change.state.retired = Some(retired);
        format!("this key is retired, the environment goes on under another: {detail}")
    }

    /// Whether a license is one that this environment does not have yet.
    pub(super) fn is_news(&self, license: &LicenseClaims) -> bool {
        let state = self.parts.keeper.state();
        let is_ours = state.environment.as_ref().is_none_or(|e| e.id == license.environment.id);
        let held = self.holdings.license.as_ref();
        let is_held = held.is_some_and(|held| held.claims().seq == license.seq);
        is_ours
            && !is_held
            && floor(state, held, license.environment.id).is_none_or(|f| license.seq >= f)
    }
}

fn check_revoked_environment(
    state: &AgentState,
    claims: &RevocationClaims,
) -> Result<(), DocumentError> {
    if let Some(expected) = state.environment.as_ref().map(|environment| environment.id)
        && expected != claims.environment_id
    {
        return Err(DocumentError::OtherEnvironment { expected, found: claims.environment_id });
    }
    let serial = state.enrolled.as_ref().map(|enrolled| enrolled.serial_number);
    match serial {
        Some(expected) if expected != claims.sub => {
            Err(DocumentError::Serial { expected, found: claims.sub })
        }
        _ => Ok(()),
    }
}

/// The lowest sequence of that environment that may be installed. After a revocation or its end only a higher one.
fn floor(
    state: &AgentState,
    held: Option<&VerifiedLicense>,
    environment: Uuid,
) -> Option<Sequence> {
    let after = |sequence: Sequence| Sequence(sequence.0.saturating_add(1));
    let ended = state.ended.get(&environment).copied().map(after);
    let is_other = state.environment.as_ref().is_some_and(|held| held.id != environment);
    let current = state.floor.filter(|_| !is_other).map(|floor| {
        let is_held = held.is_some_and(|held| held.claims().seq == floor) && !state.released;
        if is_held { floor } else { after(floor) }
    });
    ended.max(current)
}

/// Ends an environment here, with every document up to that sequence; others than that are not touched by it.
pub(super) fn end(state: &mut AgentState, environment: Option<Uuid>, sequence: Sequence) {
    state.released = true;
    state.license = None;
    state.revocation = None;
    state.rebind_waits = false;
    let sequence = state.floor.max(Some(sequence)).unwrap_or(sequence);
    let held = state.environment.take().map(|environment| environment.id);
    match held.or(environment) {
        Some(id) => {
            state.floor = None;
            let ended = state.ended.entry(id).or_insert(sequence);
            *ended = sequence.max(*ended);
        }
        // An older portal does not say which.
        None => state.floor = Some(sequence),
    }
}

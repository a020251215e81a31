//! From surveys to the enrolled identity and its verdict.

use super::Agent;
use crate::{
    entitlement::HardwareStanding,
    identity::{
        Enrolled, HardwareReport, MintError, Minted, Survey, Verdict, judge, mint_override,
    },
    store::Action,
};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio::sync::oneshot;

/// So far a clock may fall behind what it said before without anything being wrong with that: what is observed trails it by
/// a day.
const BEHIND: SignedDuration = SignedDuration::from_hours(25);

impl Agent {
    /// Begins to read the hardware, beside the loop: a probe may hang.
    pub(super) fn start_survey(&mut self) {
        if self.surveying.is_some() {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        let hardware = Arc::clone(&self.parts.hardware);
        tokio::task::spawn_blocking(move || {
            // The loop may have ended meanwhile.
            let _ = sender.send(hardware.survey());
        });
        self.surveying = Some(receiver);
    }

    /// Takes a survey: enrols the machine, or judges whether it is still the same.
    pub(super) fn surveyed(&mut self, survey: Survey) {
        let judged_by = match &self.parts.keeper.state().enrolled {
            Some(enrolled) if !self.is_named_anew(enrolled) => self.compare(&survey),
            _ => {
                self.enroll(&survey);
                None
            }
        };
        let survey = self.survey.insert(survey).clone();
        // What changed is enrolled by now: the report shows what the verdict was found by.
        let judged_by = judged_by
            .filter(|_| !self.enroll_anew(&survey))
            .or_else(|| self.parts.keeper.state().enrolled.clone());
        let now = self.now();
        let report = HardwareReport::new(&survey, judged_by.as_ref(), &self.parts.secret, now);
        self.report = Some(Arc::new(report));
        let sure = self.parts.keeper.state().hardware.is_some_and(|hardware| {
            !matches!(hardware.verdict, Verdict::Degraded | Verdict::DifferentMachine)
        });
        let uptime = self.uptime();
        self.schedule.surveyed(uptime, !sure);
    }

    fn enroll(&mut self, survey: &Survey) {
        let minted = match self.mint(survey) {
            Ok(minted) => minted,
            Err(error) => {
                if self.mint_error.as_ref() != Some(&error) {
                    tracing::error!(code = error.code(), "{error}");
                }
                self.mint_error = Some(error);
                return;
            }
        };
        self.mint_error = None;
        let now = self.now();
        let enrolled = Enrolled::enroll(&minted, survey, &self.parts.secret, now);
        let detail = format!("Serial Number {} from {}", minted.serial_number, minted.source);
        let mut state = self.draft();
        state.hardware = Some(HardwareStanding::of_new(enrolled.overridden));
        state.enrolled = Some(enrolled);
        let event = self.event(Action::Enrolled, detail);
        self.conclude(state, vec![event]);
    }

    /// Enrols other hardware than before where nothing is licensed: there is nothing that belongs to the old one. True
    /// where that was done.
    fn enroll_anew(&mut self, survey: &Survey) -> bool {
        let mut state = self.draft();
        if state.environment.is_some() || state.license.is_some() {
            return false;
        }
        let Ok(Some(minted)) = self.other_hardware(&state) else { return false };
        let now = self.now();
        let detail = format!(
            "other hardware, and nothing is licensed here: Serial Number {} from {}",
            minted.serial_number, minted.source
        );
        let enrolled = Enrolled::enroll(&minted, survey, &self.parts.secret, now);
        state.hardware = Some(HardwareStanding::of_new(enrolled.overridden));
        state.left.extend(state.enrolled.as_ref().map(|old| old.serial_number));
        state.left.remove(&enrolled.serial_number);
        state.enrolled = Some(enrolled);
        // Whatever waits to be sent asks for the other hardware. The Activation Code is kept for whoever asks for this one.
        state.chain.give_up();
        let event = self.event(Action::Reenrolled, detail);
        self.conclude(state, vec![event]);
        true
    }

    /// The Serial Number of this machine: from its hardware, or from the operator's text where that is set.
    pub(super) fn mint(&self, survey: &Survey) -> Result<Minted, MintError> {
        match &self.parts.identity_override {
            Some(text) => mint_override(text),
            None => survey.mint(),
        }
    }

    /// Whether the operator set, changed or took away the override, and nothing rests on the Serial Number yet. Once an
    /// environment was asked for under it, the license says what it is.
    fn is_named_anew(&self, enrolled: &Enrolled) -> bool {
        let state = self.parts.keeper.state();
        let is_asked_for = state.environment.is_some() || state.chain.pending.is_some();
        let wanted = self.parts.identity_override.as_deref().map(mint_override);
        let is_in_use = match wanted {
            Some(Ok(minted)) => enrolled.serial_number == minted.serial_number,
            Some(Err(_)) => true,
            None => !enrolled.overridden,
        };
        if !is_in_use && is_asked_for && self.survey.is_none() {
            tracing::warn!(
                "the setting identity.override is not as it was when the environment was activated: the Serial Number stays {} until `entitlectl rebind`, or set it as it was",
                enrolled.serial_number
            );
        }
        !is_in_use && !is_asked_for
    }

    /// Judges a survey by what is enrolled, and returns what that was.
    fn compare(&mut self, survey: &Survey) -> Option<Enrolled> {
        let mut state = self.draft();
        let enrolled = state.enrolled.as_mut()?;
        let now = self.now();
        let mut events = Vec::new();
        if let Some(rekeyed) = enrolled.rekeyed(survey, &self.parts.secret) {
            *enrolled = rekeyed;
            let detail = "the secret that the digests were keyed by is lost, and the Serial Number is this machine's: the hardware was enrolled again";
            events.push(self.event(Action::Reenrolled, detail));
        }
        enrolled.last_full_match = come(enrolled.last_full_match, now);
        let judgement = judge(enrolled, survey, &self.parts.secret, now);
        // Where nothing can be made a number of, nothing says that the machine is another.
        let named = self.mint(survey).ok().map(|minted| minted.serial_number);
        let is_renamed = enrolled.overridden && named.is_some_and(|n| n != enrolled.serial_number);
        let judgement = if is_renamed { judgement.of_other_override() } else { judgement };
        let judged_by = enrolled.clone();
        let before = state.hardware;
        let changed_before = before.and_then(|before| before.changed_since);
        let changed_before = changed_before.map(|since| come(since, now));
        let changed_since = match judgement.verdict {
            Verdict::DifferentMachine => changed_before.or(Some(now)),
            // Unreadable is not changed: nor is it changed back.
            Verdict::Degraded => changed_before,
            Verdict::Unchanged | Verdict::Drifted | Verdict::Overridden => None,
        };
        let standing = HardwareStanding {
            verdict: judgement.verdict,
            score: judgement.score,
            holds_until: (judgement.verdict == Verdict::Degraded)
                .then_some(judgement.holds_until)
                .flatten(),
            changed_since,
        };
        state.hardware = Some(standing);
        if before.map(|before| before.verdict) != Some(standing.verdict) {
            let detail = format!(
                "the hardware is {}: {} ({} %)",
                judgement.verdict, judgement.reason, judgement.score
            );
            events.push(self.event(Action::HardwareJudged, detail));
        }
        if let Some(reenrolled) = judgement.reenrolled {
            if judgement.verdict == Verdict::Drifted {
                let detail = "what agreed was enrolled again with what changed";
                events.push(self.event(Action::Reenrolled, detail));
            }
            state.enrolled = Some(reenrolled);
        }
        self.conclude(state, events);
        Some(judged_by)
    }
}

/// A time that was noted, or now, where it has not come by far: a clock ran ahead, and a grace would last until then.
fn come(noted: Timestamp, now: Timestamp) -> Timestamp {
    if noted.duration_since(now) > BEHIND { now } else { noted }
}

//! The whole explanation, for `entitlectl hardware --json` and for support.

use super::{
    DigestedFact, DigestedSurvey, Enrolled, FactComparison, FactState, Judgement, LocalSecret,
    MachineKind, Minted, Outcome, Reason, Source, Survey, Verdict, judge_digested,
    matching::compare,
};
use crate::codes::SerialNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was read, what it is compared with, and what follows. Digests only, so that it may leave the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareReport {
    /// The Serial Number kept, or the one that would be made where none is enrolled or this is a different machine.
    pub serial_number: Option<SerialNumber>,
    /// What the Serial Number is made from.
    pub source: Option<Source>,
    /// What the hardware says; none where nothing is enrolled.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: Option<Reason>,
    /// The reason in a sentence, with the facts that are not as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Per cent of the enrolled, readable weight that agrees.
    pub score: Option<u8>,
    /// Until when `degraded` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<Timestamp>,
    /// What kind of machine this is.
    pub machine: MachineKind,
    /// Seconds since boot, where known.
    pub uptime_seconds: Option<u64>,
    /// When it was read.
    pub read_at: Timestamp,
    /// Every fact.
    pub facts: Vec<ReportedFact>,
    /// What is stored, so that the verdict can be reproduced elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled: Option<Enrolled>,
    /// Why there is no Serial Number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One fact of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedFact {
    /// The fact, enrolled and now.
    #[serde(flatten)]
    pub comparison: FactComparison,
    /// The identifier itself, only where the operator asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

impl HardwareReport {
    /// Explains a survey: against what is enrolled, or as a machine that is not enrolled yet.
    ///
    /// `secret` must be the one that `enrolled` is keyed by. `now` is effective time.
    pub fn new(
        survey: &Survey,
        enrolled: Option<&Enrolled>,
        secret: &LocalSecret,
        now: Timestamp,
    ) -> Self {
        Self::explain(&survey.digested(secret), enrolled, survey.mint(), now)
    }

    fn explain(
        survey: &DigestedSurvey,
        enrolled: Option<&Enrolled>,
        minted: Result<Minted, impl ToString>,
        now: Timestamp,
    ) -> Self {
        let judgement = enrolled.map(|enrolled| judge_digested(enrolled, survey, now));
        let kept = judgement.as_ref().is_some_and(|j| j.verdict != Verdict::DifferentMachine);
        let problem = minted.as_ref().err().filter(|_| !kept).map(ToString::to_string);
        let minted = minted.ok();
        let number = match enrolled {
            Some(enrolled) if kept => Some((enrolled.serial_number, enrolled.source)),
            _ => minted.map(|minted| (minted.serial_number, minted.source)),
        };
        let facts = match &judgement {
            Some(judgement) => judgement.facts.clone(),
            None => compare(&[], &survey.facts, false),
        };
        Self {
            serial_number: number.map(|(serial_number, _)| serial_number),
            source: number.map(|(_, source)| source),
            verdict: judgement.as_ref().map(|j| j.verdict),
            reason: judgement.as_ref().map(|j| j.reason),
            message: judgement.as_ref().map(Judgement::message),
            score: judgement.as_ref().map(|j| j.score),
            holds_until: judgement.as_ref().and_then(|j| j.holds_until),
            machine: survey.machine.clone(),
            uptime_seconds: survey.uptime_seconds,
            read_at: now,
            facts: facts
                .into_iter()
                .map(|comparison| ReportedFact { comparison, raw: None })
                .collect(),
            enrolled: enrolled.cloned(),
            problem,
        }
    }

    /// Adds the identifiers themselves, for `hardware report --raw` only: whoever reads it can name this machine.
    #[must_use]
    pub fn with_raw(mut self, survey: &Survey, secret: &LocalSecret) -> Self {
        for fact in survey.facts() {
            let Some(value) = fact.value() else { continue };
            let digest = secret.digest(fact.source, value);
            for reported in &mut self.facts {
                if reported.comparison.digest == Some(digest) {
                    reported.raw = Some(value.expose_raw().to_owned());
                }
            }
        }
        self
    }

    /// The survey that the report was made from, in digests.
    pub fn survey(&self) -> DigestedSurvey {
        let found = self.facts.iter().map(|fact| &fact.comparison).filter(|c| {
            c.digest.is_some() || c.state != FactState::Absent || c.result == Outcome::Nothing
        });
        let facts = found.map(|c| DigestedFact {
            group: c.group,
            source: c.source,
            place: c.place.clone(),
            weight: c.weight,
            state: c.state,
            digest: c.digest,
            why: c.why.clone(),
        });
        DigestedSurvey {
            machine: self.machine.clone(),
            uptime_seconds: self.uptime_seconds,
            facts: facts.collect(),
        }
    }

    /// The same report, explained by another enrolment keyed by the same secret.
    #[must_use]
    pub fn explained_by(&self, enrolled: &Enrolled, now: Timestamp) -> Self {
        let minted = match (self.serial_number, self.source, self.enrolled.is_some()) {
            (Some(serial_number), Some(source), false) => Some(Minted { serial_number, source }),
            _ => None,
        };
        let mut explained = Self::explain(&self.survey(), Some(enrolled), minted.ok_or(""), now);
        let kept = explained.verdict.is_some_and(|verdict| verdict != Verdict::DifferentMachine);
        explained.problem = self.problem.clone().filter(|_| !kept);
        explained
    }

    /// Judges the report against an enrolment, its own or another keyed by the same secret.
    pub fn judge(&self, enrolled: &Enrolled, now: Timestamp) -> Judgement {
        judge_digested(enrolled, &self.survey(), now)
    }
}

//! From votes to the verdict that the status shows, with the two rules that need a clock.

use super::{
    DigestedSurvey, Enrolled, FactComparison, LocalSecret, MachineKind, Outcome, Survey,
    matching::{Decision, Tally, compare, votes},
};
use crate::terms::Verdict;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Drivers may come up this long after boot, in seconds.
const SETTLING_SECONDS: u64 = 5 * 60;
/// How long too little readable evidence holds, from the last full match.
const DEGRADED_HOLDS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How old the stored time of the last full match may grow before it is written anew.
const FULL_MATCH_IS_WRITTEN: SignedDuration = SignedDuration::from_hours(24);

/// Why the verdict is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Every enrolled fact that could be read agrees.
    AllAgree,
    /// Enough agrees; some facts changed.
    EnoughAgrees,
    /// Too few facts could be read to say.
    TooLittleReadable,
    /// Too few facts could be read, for more than 30 days.
    UnreadableTooLong,
    /// Less than 60 % of the enrolled weight agrees.
    TooLittleAgrees,
    /// A virtual machine with another system UUID or instance id: a clone.
    OtherSystemId,
    /// The identity of a machine was found in a container.
    InContainer,
    /// The operator's override is in use.
    Override,
    /// The operator's override is another text than what was enrolled by it, or it was taken away.
    OtherOverride,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllAgree => "every enrolled fact that could be read agrees",
            Self::EnoughAgrees => "some facts changed, and 60 % or more of the weight agrees",
            Self::TooLittleReadable => "too few facts could be read to say",
            Self::UnreadableTooLong => "too few facts could be read for more than 30 days",
            Self::TooLittleAgrees => "less than 60 % of the enrolled weight agrees",
            Self::OtherSystemId => "a virtual machine with another system UUID or instance id",
            Self::InContainer => "the identity of a machine was found in a container",
            Self::Override => "the operator's override stands in place of evidence",
            Self::OtherOverride => {
                "identity.override is another text than the enrolled one, or was taken away"
            }
        })
    }
}

/// The verdict with everything that explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the hardware says.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Per cent of the enrolled, readable weight that agrees; 100 under an override.
    pub score: u8,
    /// Every fact, enrolled and now.
    pub facts: Vec<FactComparison>,
    /// Until when `degraded` holds.
    pub holds_until: Option<Timestamp>,
    /// What to store in place of the enrolled identity; none where nothing changed that is worth a write.
    pub reenrolled: Option<Enrolled>,
}

impl Judgement {
    /// The same where the operator's text, in place of evidence, is not the one that was enrolled: a state directory that
    /// was copied to another container, or a setting that was changed.
    #[must_use]
    pub fn of_other_override(self) -> Self {
        let (verdict, reason) = (Verdict::DifferentMachine, Reason::OtherOverride);
        Self { verdict, reason, score: 0, ..self }
    }

    /// One sentence for a condition, a log or a check: why, and which facts are not as they were. No identifiers.
    pub fn message(&self) -> String {
        let listed = |outcome: Outcome| {
            let facts = self.facts.iter().filter(|f| f.weight > 0 && f.result == outcome);
            let named = facts.map(|f| match f.place.as_str() {
                "" => f.source.to_string(),
                place => format!("{} ({place})", f.source),
            });
            let named: Vec<_> = named.collect();
            (!named.is_empty()).then(|| format!("; {outcome}: {}", named.join(", ")))
        };
        let told =
            [Outcome::Differs, Outcome::Gone, Outcome::Unreadable].into_iter().filter_map(listed);
        std::iter::once(self.reason.to_string()).chain(told).collect()
    }
}

/// Judges a survey against the enrolled identity. `now` is effective time.
pub fn judge(
    enrolled: &Enrolled,
    survey: &Survey,
    secret: &LocalSecret,
    now: Timestamp,
) -> Judgement {
    judge_digested(enrolled, &survey.digested(secret), now)
}

/// The same over digests, for a saved report. They must be keyed by the secret that the enrolled ones are keyed by.
pub fn judge_digested(enrolled: &Enrolled, survey: &DigestedSurvey, now: Timestamp) -> Judgement {
    let settling = survey.uptime_seconds.is_some_and(|seconds| seconds < SETTLING_SECONDS);
    let facts = compare(&enrolled.facts, &survey.facts, settling);
    let tally = Tally::of(&votes(&facts));
    let virtual_machine = enrolled.virtual_machine || survey.machine.is_virtual();
    let holds_until =
        enrolled.last_full_match.checked_add(DEGRADED_HOLDS).unwrap_or(Timestamp::MAX);
    let in_container = matches!(survey.machine, MachineKind::Container { .. });

    let (verdict, reason) = match tally.decide(virtual_machine) {
        _ if enrolled.overridden => (Verdict::Overridden, Reason::Override),
        _ if in_container => (Verdict::DifferentMachine, Reason::InContainer),
        Decision::Vetoed => (Verdict::DifferentMachine, Reason::OtherSystemId),
        Decision::TooLittleAgrees => (Verdict::DifferentMachine, Reason::TooLittleAgrees),
        Decision::Undecided if now >= holds_until => {
            (Verdict::DifferentMachine, Reason::UnreadableTooLong)
        }
        Decision::Undecided => (Verdict::Degraded, Reason::TooLittleReadable),
        Decision::Kept if something_changed(&facts) => (Verdict::Drifted, Reason::EnoughAgrees),
        Decision::Kept => (Verdict::Unchanged, Reason::AllAgree),
    };
    let kept = matches!(verdict, Verdict::Unchanged | Verdict::Drifted);
    let reenrolled = kept.then(|| enrolled.reenroll(survey, &facts, now));
    Judgement {
        verdict,
        reason,
        score: if enrolled.overridden { 100 } else { tally.score() },
        holds_until: (verdict == Verdict::Degraded).then_some(holds_until),
        reenrolled: reenrolled.filter(|new| is_worth_a_write(enrolled, new)),
        facts,
    }
}

/// A fact that votes and is no longer as it was enrolled. New facts are not a change: a machine may grow.
fn something_changed(facts: &[FactComparison]) -> bool {
    facts.iter().any(|f| f.weight > 0 && matches!(f.result, Outcome::Differs | Outcome::Gone))
}

fn is_worth_a_write(old: &Enrolled, new: &Enrolled) -> bool {
    old.facts != new.facts
        || old.virtual_machine != new.virtual_machine
        || new.last_full_match.duration_since(old.last_full_match) >= FULL_MATCH_IS_WRITTEN
}

//! What the agent stores of the machine that it was enrolled on.

use super::{
    DigestedSurvey, FactComparison, FactDigest, Group, LocalSecret, Minted, Outcome, Source, Survey,
};
use crate::codes::SerialNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The stored identity: the Serial Number, and digests of the facts by which the machine is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Made once, kept ever after.
    pub serial_number: SerialNumber,
    /// Where the Serial Number came from.
    pub source: Source,
    /// The version of the algorithm that made it.
    pub algorithm: u8,
    /// Whether the operator's text stands in place of evidence.
    #[serde(rename = "override")]
    pub overridden: bool,
    /// Whether it was enrolled in a virtual machine.
    pub virtual_machine: bool,
    /// The facts by which the machine is known again.
    pub facts: Vec<EnrolledFact>,
    /// When the Serial Number was enrolled here.
    pub enrolled_at: Timestamp,
    /// When enough was last read and agreed.
    pub last_full_match: Timestamp,
}

/// One enrolled fact. It keeps the weight that it was enrolled with, so that a newer agent's weights do not judge an
/// older enrolment. The facts of a request have the same form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EnrolledFact {
    /// The group whose vote it belongs to.
    pub group: Group,
    /// Its kind.
    pub source: Source,
    /// Keyed by the local secret, or from the Activation Code in a request.
    pub digest: FactDigest,
    /// What the group's one vote weighs; 0 for facts kept for the report.
    pub weight: u8,
}

impl Enrolled {
    /// Enrols the machine of `survey` under a Serial Number: the one minted from it, the operator's, or the one that
    /// the portal returned.
    pub fn enroll(minted: &Minted, survey: &Survey, secret: &LocalSecret, now: Timestamp) -> Self {
        Self {
            serial_number: minted.serial_number,
            source: minted.source,
            algorithm: minted.serial_number.version(),
            overridden: minted.source == Source::Override,
            virtual_machine: survey.machine().is_virtual(),
            facts: found(&survey.digested(secret)),
            enrolled_at: now,
            last_full_match: now,
        }
    }

    /// The same identity in digests keyed by `secret`, where those that are stored are keyed by another, which is lost:
    /// none is known again, not even the processor's, though the Serial Number is still minted from this machine.
    pub fn rekeyed(&self, survey: &Survey, secret: &LocalSecret) -> Option<Self> {
        let is_minted_here =
            || survey.candidates().iter().any(|c| c.serial_number == self.serial_number);
        let facts = found(&survey.digested(secret));
        let is_known = |fact: &EnrolledFact| {
            self.facts
                .iter()
                .any(|known| known.source == fact.source && known.digest == fact.digest)
        };
        let lost = !self.overridden && !facts.iter().any(is_known) && is_minted_here();
        lost.then(|| Self { facts, ..self.clone() })
    }

    /// The same identity with the facts of today: what was found, and what could not be read. What is gone is dropped.
    pub(super) fn reenroll(
        &self,
        survey: &DigestedSurvey,
        compared: &[FactComparison],
        now: Timestamp,
    ) -> Self {
        let unread = |fact: &&EnrolledFact| {
            compared.iter().any(|c| {
                c.result == Outcome::Unreadable
                    && c.source == fact.source
                    && c.enrolled == Some(fact.digest)
            })
        };
        let mut facts = found(survey);
        facts.extend(self.facts.iter().filter(unread).cloned());
        facts.sort();
        facts.dedup();
        Self {
            facts,
            virtual_machine: survey.machine.is_virtual(),
            last_full_match: now.max(self.last_full_match),
            ..self.clone()
        }
    }
}

fn found(survey: &DigestedSurvey) -> Vec<EnrolledFact> {
    let with_value = survey.facts.iter().filter_map(|fact| {
        let digest = fact.digest?;
        Some(EnrolledFact { group: fact.group, source: fact.source, digest, weight: fact.weight })
    });
    let mut facts: Vec<_> = with_value.collect();
    facts.sort();
    facts
}

//! Whether a machine is the one that was enrolled: the table of the documents, without I/O and without a clock.
//!
//! 1. Facts are compared by digest, within their source. What could not be read is neither a match nor a mismatch.
//! 2. Facts that change together are one group, and a group votes once: for the machine where any of its facts agrees.
//! 3. Kept at 60 % or more of the enrolled, readable weight. A different machine only where it would stay below 60 %
//!    even if everything unreadable agreed. Undecided in between.
//! 4. In a virtual machine a differing U vetoes: a clone has everything but that. Where it cannot be heard, the vote is
//!    undecided.

use super::{DigestedFact, EnrolledFact, FactDigest, FactState, Group, Source};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Per cent of the weight that must agree. Settled together with the weights of the groups, docs/population.md.
pub(super) const KEEP: u32 = 60;

/// What one fact says about the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Enrolled, and found again.
    Agrees,
    /// Enrolled, and something else is found in its place.
    Differs,
    /// Enrolled, and no longer there.
    Gone,
    /// Enrolled, and not readable now.
    Unreadable,
    /// Found, and not enrolled yet.
    New,
    /// Neither enrolled nor found.
    Nothing,
}

impl Outcome {
    /// The word of JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
            Self::New => "new",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One fact, enrolled and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactComparison {
    /// The group whose vote it belongs to.
    pub group: Group,
    /// Its kind.
    pub source: Source,
    /// Where it was read.
    pub place: String,
    /// How the reading went.
    pub state: FactState,
    /// What was found.
    pub digest: Option<FactDigest>,
    /// What was enrolled.
    pub enrolled: Option<FactDigest>,
    /// What the one vote of its group weighs, not this fact alone.
    pub weight: u8,
    /// What it says.
    pub result: Outcome,
    /// Why it could not be read, or by which rule it is a placeholder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether the votes keep the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Kept,
    /// What could be read is too little to say.
    Undecided,
    /// Too little agrees, whatever the unreadable facts would say.
    TooLittleAgrees,
    /// A virtual machine with another U.
    Vetoed,
}

/// What one group says, and what its vote weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) group: Group,
    pub(super) outcome: Outcome,
    pub(super) weight: u32,
}

/// The vote of each group that is enrolled and weighs anything.
pub(super) fn votes(facts: &[FactComparison]) -> Vec<Vote> {
    let vote = |group| {
        let votes = |f: &&FactComparison| f.group == group && f.weight > 0 && f.enrolled.is_some();
        let enrolled: Vec<_> = facts.iter().filter(votes).collect();
        let weight = enrolled.iter().map(|fact| u32::from(fact.weight)).max()?;
        Some(Vote { group, outcome: group_vote(&enrolled), weight })
    };
    Group::ALL.into_iter().filter_map(vote).collect()
}

/// The votes of the groups, as weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) agreeing: u32,
    pub(super) against: u32,
    pub(super) unreadable: u32,
    system_id: Outcome,
}

impl Tally {
    pub(super) fn of(votes: &[Vote]) -> Self {
        let mut tally =
            Self { agreeing: 0, against: 0, unreadable: 0, system_id: Outcome::Nothing };
        for Vote { group, outcome, weight } in votes {
            match outcome {
                Outcome::Agrees => tally.agreeing += weight,
                Outcome::Unreadable => tally.unreadable += weight,
                Outcome::Differs | Outcome::Gone => tally.against += weight,
                Outcome::New | Outcome::Nothing => {}
            }
            if *group == Group::U {
                tally.system_id = *outcome;
            }
        }
        tally
    }

    pub(super) fn decide(&self, virtual_machine: bool) -> Decision {
        self.decide_at(virtual_machine, KEEP)
    }

    /// The same where `keep` per cent must agree.
    pub(super) fn decide_at(&self, virtual_machine: bool, keep: u32) -> Decision {
        let reaches = |part: u32, whole: u32| part * 100 >= whole * keep;
        let readable = self.agreeing + self.against;
        let enrolled = readable + self.unreadable;
        let veto = virtual_machine && self.system_id == Outcome::Differs;
        let veto_unheard = virtual_machine && self.system_id == Outcome::Unreadable;
        let enough_readable = readable > 0 && reaches(readable, enrolled) && !veto_unheard;
        if veto {
            Decision::Vetoed
        } else if !reaches(self.agreeing + self.unreadable, enrolled) {
            Decision::TooLittleAgrees
        } else if enough_readable && reaches(self.agreeing, readable) {
            Decision::Kept
        } else {
            Decision::Undecided
        }
    }

    /// Per cent of the enrolled, readable weight that agrees; 0 where nothing could be read.
    pub(super) fn score(&self) -> u8 {
        let readable = self.agreeing + self.against;
        let score = (self.agreeing * 100).checked_div(readable).unwrap_or(0);
        u8::try_from(score).unwrap_or(100)
    }
}

/// One vote for a group. A cloud's instance id decides alone where it can be compared: it names the instance, while
/// a UUID may be drawn anew when the cloud moves it to another hypervisor.
fn group_vote(enrolled: &[&FactComparison]) -> Outcome {
    const INSTANCE_ID: Option<Source> = Some(Source::CloudInstanceId);
    const ANY: Option<Source> = None;
    let order = [
        (INSTANCE_ID, Outcome::Agrees),
        (INSTANCE_ID, Outcome::Differs),
        (ANY, Outcome::Agrees),
        (ANY, Outcome::Unreadable),
        (ANY, Outcome::Differs),
        (ANY, Outcome::Gone),
    ];
    let is_said = |(source, outcome): &(Option<Source>, Outcome)| {
        let by = |fact: &&FactComparison| source.is_none_or(|source| fact.source == source);
        enrolled.iter().any(|fact| by(fact) && fact.result == *outcome)
    };
    order.into_iter().find(is_said).map_or(Outcome::Nothing, |(_, outcome)| outcome)
}

/// Compares every enrolled fact with what is found, and lists what is found beside.
///
/// `settling`: within five minutes of boot drivers are still coming up, and what is absent counts as unreadable.
pub(super) fn compare(
    enrolled: &[EnrolledFact],
    found: &[DigestedFact],
    settling: bool,
) -> Vec<FactComparison> {
    let mut sources: Vec<Source> =
        enrolled.iter().map(|e| e.source).chain(found.iter().map(|f| f.source)).collect();
    sources.sort_by_key(|source| (source.group(), *source));
    sources.dedup();
    sources.into_iter().flat_map(|s| compare_source(s, enrolled, found, settling)).collect()
}

fn compare_source(
    source: Source,
    enrolled: &[EnrolledFact],
    found: &[DigestedFact],
    settling: bool,
) -> Vec<FactComparison> {
    let enrolled: Vec<_> = enrolled.iter().filter(|e| e.source == source).collect();
    let found: Vec<_> = found.iter().filter(|f| f.source == source).collect();
    let is_enrolled = |f: &DigestedFact| enrolled.iter().any(|e| Some(e.digest) == f.digest);
    let unreadable = found.iter().find(|f| f.state == FactState::Unreadable);
    let without_value = found.iter().find(|f| f.digest.is_none());
    let mut unclaimed: Vec<_> =
        found.iter().filter(|f| f.digest.is_some() && !is_enrolled(f)).collect();

    let mut compared = Vec::new();
    for fact in &enrolled {
        let same = found.iter().find(|f| f.digest == Some(fact.digest));
        let (now, result) = if let Some(same) = same {
            (Some(*same), Outcome::Agrees)
        } else if let Some(unreadable) = unreadable {
            (Some(*unreadable), Outcome::Unreadable)
        } else if !unclaimed.is_empty() {
            (Some(*unclaimed.remove(0)), Outcome::Differs)
        } else if settling && without_value.is_none_or(|f| f.state == FactState::Absent) {
            (without_value.copied(), Outcome::Unreadable)
        } else {
            (without_value.copied(), Outcome::Gone)
        };
        compared.push(comparison(source, now, Some(fact), result));
    }
    compared.extend(unclaimed.iter().map(|f| comparison(source, Some(**f), None, Outcome::New)));
    let told = |f: &DigestedFact| compared.iter().any(|c| c.place == f.place && c.state == f.state);
    let rest: Vec<_> = found.iter().filter(|f| f.digest.is_none() && !told(f)).collect();
    compared.extend(rest.iter().map(|f| comparison(source, Some(**f), None, Outcome::Nothing)));
    compared
}

fn comparison(
    source: Source,
    now: Option<&DigestedFact>,
    enrolled: Option<&&EnrolledFact>,
    result: Outcome,
) -> FactComparison {
    FactComparison {
        group: source.group(),
        source,
        place: now.map(|n| n.place.clone()).unwrap_or_default(),
        state: now.map_or(FactState::Absent, |n| n.state),
        digest: now.and_then(|n| n.digest),
        enrolled: enrolled.map(|e| e.digest),
        weight: enrolled.map_or_else(|| now.map_or(0, |n| n.weight), |e| e.weight),
        result,
        why: now.and_then(|n| n.why.clone()),
    }
}

/// How far the facts of a request are those of a machine that the portal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recognition {
    /// Whether it is the same machine by the rules of this module.
    pub same_machine: bool,
    /// Per cent of the known weight that agrees.
    pub score: u8,
}

/// The portal's own vote, over digests keyed from one Activation Code. A request carries only what could be read, so a
/// group that it leaves out says nothing, and too little says no.
pub fn recognise(
    known: &[EnrolledFact],
    sent: &[EnrolledFact],
    virtual_machine: bool,
) -> Recognition {
    let found: Vec<_> = sent
        .iter()
        .map(|fact| DigestedFact {
            group: fact.group,
            source: fact.source,
            place: String::new(),
            weight: fact.weight,
            state: FactState::Read,
            digest: Some(fact.digest),
            why: None,
        })
        .collect();
    let tally = Tally::of(&votes(&compare(known, &found, true)));
    let same_machine = tally.decide(virtual_machine) == Decision::Kept;
    Recognition { same_machine, score: tally.score() }
}

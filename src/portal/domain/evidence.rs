//! The hardware in digests, as requests carry it and as the portal keeps it: the portal's own vote on a machine.

use crate::{
    identity::{EnrolledFact, recognise},
    license::EvidenceDigest,
};
use serde_json::json;

/// Facts of one request that are looked at; a machine has a handful.
const MOST_FACTS: usize = 64;

/// The facts of a request. What a newer agent sends that is not known here says nothing.
pub fn facts(sent: &[EvidenceDigest]) -> Vec<EnrolledFact> {
    let known = |sent: &EvidenceDigest| fact(&sent.source, &sent.digest, sent.weight);
    let mut facts: Vec<_> = sent.iter().take(MOST_FACTS).filter_map(known).collect();
    facts.retain(|fact| fact.weight > 0);
    facts.sort();
    facts.dedup_by_key(|fact| (fact.source, fact.digest));
    facts
}

/// One fact. Its group follows from its source, and no fact weighs more than its group may: who asks does not count
/// its own vote.
pub fn fact(source: &str, digest: &str, weight: u8) -> Option<EnrolledFact> {
    let source: crate::identity::Source = serde_json::from_value(json!(source)).ok()?;
    let digest = serde_json::from_value(json!(digest)).ok()?;
    let group = source.group();
    Some(EnrolledFact { group, source, digest, weight: weight.min(group.weight()) })
}

/// Whether the facts of a request are those of the machine that is known; none where either has no facts.
pub fn same_machine(
    known: &[EnrolledFact],
    sent: &[EnrolledFact],
    virtual_machine: bool,
) -> Option<bool> {
    let both = !known.is_empty() && !sent.is_empty();
    both.then(|| recognise(known, sent, virtual_machine).same_machine)
}

//! Other weights and other thresholds over the same population.
//!
//! A verdict depends on the votes of the groups alone, of which there are a few hundred patterns. Each is counted once and
//! decided again for every set of weights.

use crate::identity::{
    Enrolled, FactComparison, Group, MachineKind, Outcome, Survey,
    matching::{Decision, Tally, Vote, votes},
};
use std::collections::HashMap;

/// The label of changes that the table promises to keep; other changes go by their names.
pub(super) const PROMISED: &str = "promised";

/// The votes of the groups that vote, and whether this is a guest.
type Pattern = (Vec<(Group, Outcome)>, bool);

/// How often each pattern was met, by label.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Patterns(HashMap<&'static str, HashMap<Pattern, usize>>);

/// Weights of U, T, S, N and D on bare metal, of U in a guest, and the per cent that keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) of: [u32; 5],
    pub(super) guest: u32,
    pub(super) keep: u32,
}

impl Weights {
    pub(super) fn shipped() -> Self {
        let weight = |group: Group| u32::from(group.weight());
        let [t, s, n, d] = [Group::T, Group::S, Group::N, Group::D].map(weight);
        Self {
            of: [u32::from(Group::BARE_METAL_U), t, s, n, d],
            guest: weight(Group::U),
            keep: crate::identity::matching::KEEP,
        }
    }

    fn weigh(self, (group, outcome): (Group, Outcome), is_guest: bool) -> Vote {
        let at = Group::ALL.iter().position(|g| *g == group).unwrap();
        let weight = if group == Group::U && is_guest { self.guest } else { self.of[at] };
        Vote { group, outcome, weight }
    }
}

impl Patterns {
    pub(super) fn add(
        &mut self,
        label: &'static str,
        facts: &[FactComparison],
        enrolled: &Enrolled,
        survey: &Survey,
    ) {
        // A container is refused before anything is counted.
        if matches!(survey.machine(), MachineKind::Container { .. }) {
            return;
        }
        let votes = votes(facts).into_iter().map(|vote| (vote.group, vote.outcome)).collect();
        let is_guest = enrolled.virtual_machine || survey.machine().is_virtual();
        *self.0.entry(label).or_default().entry((votes, is_guest)).or_default() += 1;
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (label, patterns) in other.0 {
            let of_label = self.0.entry(label).or_default();
            for (pattern, count) in patterns {
                *of_label.entry(pattern).or_default() += count;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }

    /// How many of a label are taken for another machine.
    pub(super) fn lost(&self, label: &str, weights: Weights) -> usize {
        self.count(label, |pattern| !is_kept(pattern, weights))
    }

    /// How many are not.
    pub(super) fn kept(&self, label: &str, weights: Weights) -> usize {
        self.count(label, |pattern| is_kept(pattern, weights))
    }

    /// How many are not though several groups were enrolled.
    pub(super) fn taken(&self, label: &str, weights: Weights) -> usize {
        self.count(label, |pattern| pattern.0.len() > 1 && is_kept(pattern, weights))
    }

    /// The patterns of [`Patterns::taken`], and how often each was met.
    pub(super) fn accepted(&self, label: &str, weights: Weights) -> Vec<(String, usize)> {
        let of_label = self.0.get(label).into_iter().flatten();
        let taken = of_label.filter(|(p, _)| p.0.len() > 1 && is_kept(p, weights));
        let told = |((votes, is_guest), count): (&Pattern, &usize)| {
            let votes: Vec<_> = votes.iter().map(|(g, outcome)| format!("{g} {outcome}")).collect();
            let kind = if *is_guest { "guest" } else { "bare metal" };
            (format!("{kind}: {}", votes.join(", ")), *count)
        };
        let mut told: Vec<_> = taken.map(told).collect();
        told.sort();
        told
    }

    fn count(&self, label: &str, counts: impl Fn(&Pattern) -> bool) -> usize {
        let of_label = self.0.get(label).into_iter().flatten();
        of_label.filter(|(pattern, _)| counts(pattern)).map(|(_, count)| count).sum()
    }
}

fn is_kept((votes, is_guest): &Pattern, weights: Weights) -> bool {
    let votes: Vec<_> = votes.iter().map(|vote| weights.weigh(*vote, *is_guest)).collect();
    let decision = Tally::of(&votes).decide_at(*is_guest, weights.keep);
    !matches!(decision, Decision::TooLittleAgrees | Decision::Vetoed)
}

/// One weight changed, or the threshold, and nothing else.
pub(super) fn around_the_shipped() -> Vec<Weights> {
    let shipped = Weights::shipped();
    // Those that the measurement began with come second.
    let mut sets = vec![shipped, Weights { of: [40, 35, 25, 25, 15], guest: 40, keep: 60 }];
    let beside = |weight: u32| [-10_i64, -5, 5, 10].map(move |by| i64::from(weight) + by);
    let sound = |weight: i64| u32::try_from(weight).ok().filter(|weight| *weight > 0);
    for at in 0..5 {
        for changed in beside(shipped.of[at]).into_iter().filter_map(sound) {
            let mut weights = shipped;
            weights.of[at] = changed;
            sets.push(weights);
        }
    }
    let guests = beside(shipped.guest).into_iter().filter_map(sound);
    sets.extend(guests.map(|guest| Weights { guest, ..shipped }));
    sets.extend([45, 50, 55, 58, 62, 65, 70, 75].map(|keep| Weights { keep, ..shipped }));
    sets
}

/// Every set of weights in steps of five, at the shipped threshold; their scale does not matter.
pub(super) fn grid() -> impl Iterator<Item = Weights> {
    let steps = |from: u32, to: u32| (from..=to).step_by(5);
    let keep = Weights::shipped().keep;
    steps(20, 45).flat_map(move |u| {
        steps(20, 40).flat_map(move |t| {
            steps(15, 35).flat_map(move |s| {
                steps(15, 35).flat_map(move |n| {
                    steps(10, 25).flat_map(move |d| {
                        steps(35, 55).map(move |guest| Weights { of: [u, t, s, n, d], guest, keep })
                    })
                })
            })
        })
    })
}

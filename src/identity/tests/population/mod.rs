//! How the shipped weights do on a population of machines: how many lose their Serial Number by a change, how many
//! strangers are taken for another machine, how many Serial Numbers collide.
//!
//! A small population runs with every test. The whole one, a million machines, prints the table of the documents:
//!
//! ```text
//! cargo test --release --lib identity::tests::population -- --ignored --nocapture
//! ```

mod changes;
mod machines;

use super::captured::{secret, start};
use crate::identity::{Enrolled, Group, MachineKind, Survey, Verdict, judge};
use changes::{ROWS, Row};
use machines::{COPIED_GUEST, Model, Random};
use std::collections::{HashMap, HashSet};

/// What was counted.
#[derive(Debug, Default)]
struct Figures {
    machines: usize,
    without_evidence: usize,
    one_group: usize,
    collisions: usize,
    lost_by_row: Vec<(&'static str, usize, usize)>,
    lost_in_five_years: usize,
    strangers: Vec<(&'static str, usize, usize, usize)>,
}

fn enroll(survey: &Survey) -> Option<Enrolled> {
    Some(Enrolled::enroll(&survey.mint().ok()?, survey, &secret(), start()))
}

fn is_kept(enrolled: &Enrolled, survey: &Survey) -> bool {
    judge(enrolled, survey, &secret(), start()).verdict != Verdict::DifferentMachine
}

/// The groups that a stranger would have to agree in.
fn groups(enrolled: &Enrolled) -> usize {
    Group::ALL
        .into_iter()
        .filter(|group| enrolled.facts.iter().any(|f| f.group == *group && f.weight > 0))
        .count()
}

fn measure(count: usize) -> Figures {
    let mut random = Random::new(2026);
    let mut figures = Figures { machines: count, ..Figures::default() };
    let mut lost: Vec<(usize, usize)> = vec![(0, 0); ROWS.len()];
    let mut strangers: HashMap<&'static str, (usize, usize, usize)> = HashMap::new();
    let mut numbers = HashSet::new();
    for _ in 0..count {
        let model = Model::draw(&mut random);
        let Some(enrolled) = enroll(&model.survey()) else {
            figures.without_evidence += 1;
            continue;
        };
        let single = groups(&enrolled) == 1;
        figures.one_group += usize::from(single);
        figures.collisions += usize::from(!numbers.insert(enrolled.serial_number));
        for (row, (tried, lost)) in ROWS.iter().zip(&mut lost) {
            if let Some(changed) = row.on(&model, &enrolled, &mut random) {
                *tried += 1;
                *lost += usize::from(!is_kept(&enrolled, &changed.survey()));
            }
        }
        figures.lost_in_five_years +=
            usize::from(!survives_five_years(&model, enrolled.clone(), &mut random));
        for (name, stranger) in model.strangers(&mut random) {
            let (tried, taken, taken_single) = strangers.entry(name).or_default();
            let is_taken = is_kept(&enrolled, &stranger);
            *tried += 1;
            *taken += usize::from(is_taken && !single);
            *taken_single += usize::from(is_taken && single);
        }
    }
    figures.lost_by_row =
        ROWS.iter().zip(lost).map(|(r, (tried, lost))| (r.name, tried, lost)).collect();
    figures.strangers = strangers.into_iter().map(|(n, (a, b, c))| (n, a, b, c)).collect();
    figures.strangers.sort_unstable();
    figures
}

/// Sixty months, each with a few of the rows, and enrolled anew after each.
fn survives_five_years(model: &Model, mut enrolled: Enrolled, random: &mut Random) -> bool {
    let mut model = model.clone();
    for _ in 0..60 {
        for row in &ROWS {
            if !random.chance(row.per_month) {
                continue;
            }
            let Some(changed) = row.on(&model, &enrolled, random) else { continue };
            let judgement = judge(&enrolled, &changed.survey(), &secret(), start());
            if judgement.verdict == Verdict::DifferentMachine {
                return false;
            }
            enrolled = judgement.reenrolled.unwrap_or(enrolled);
            if row.lasts {
                model = changed;
            }
        }
    }
    true
}

fn print(figures: &Figures) {
    let &Figures { machines, without_evidence, one_group, collisions, lost_in_five_years, .. } =
        figures;
    println!(
        "{machines} machines, {without_evidence} without credible evidence, {one_group} with one group only"
    );
    println!("Serial Numbers that collide: {collisions}");
    println!("lost in five years of changes: {lost_in_five_years}");
    for (row, tried, lost) in &figures.lost_by_row {
        println!("{row}: {lost} lost of {tried}");
    }
    for (stranger, tried, taken, single) in &figures.strangers {
        println!(
            "stranger, {stranger}: {taken} accepted of {tried}, and {single} where only one group exists"
        );
    }
}

#[test]
fn a_small_population_keeps_its_numbers_and_takes_no_stranger() {
    let figures = measure(500);
    assert!(figures.lost_by_row.iter().all(|(_, _, lost)| *lost == 0), "{figures:?}");
    let mut told_apart = figures.strangers.iter().filter(|(name, ..)| *name != COPIED_GUEST);
    assert!(told_apart.all(|(_, _, taken, _)| *taken == 0), "{figures:?}");
    assert_eq!(figures.lost_in_five_years, 0);
    assert!(
        figures.strangers.len() >= 5 && figures.lost_by_row.iter().all(|(_, tried, _)| *tried > 0)
    );
    assert_eq!(figures.collisions, 0);
}

#[test]
#[ignore = "measures a million machines; see above"]
fn a_million_machines() {
    let count = std::env::var("MACHINES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    print(&measure(count));
}

/// The kind of a stranger that is the licensed host's own container.
fn container() -> MachineKind {
    MachineKind::Container { engine: "docker".to_owned() }
}

impl Row {
    /// The machine after the change, where the change can happen to it and the row promises to keep it.
    fn on(&self, model: &Model, enrolled: &Enrolled, random: &mut Random) -> Option<Model> {
        let mut changed = model.clone();
        (self.change)(&mut changed, random);
        (changed != *model && (self.promised)(model, enrolled)).then_some(changed)
    }
}

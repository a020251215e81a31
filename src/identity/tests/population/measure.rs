//! The measurement: a population in parts, each with its own random numbers, so that the number of threads changes nothing.

use super::{
    changes::{ROWS, Row},
    kind::Kind,
    machines::Model,
    random::{MILLION, Random},
    rates::Rates,
    strangers::{CARD, COPIES},
    sweep::{PROMISED, Patterns},
};
use crate::{
    codes::SerialNumber,
    identity::{
        Enrolled, FactDigest, Group, Judgement, LocalSecret, Survey, Verdict, judge,
        tests::captured::start,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// How many of how many.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Of {
    pub(super) count: usize,
    pub(super) tried: usize,
}

impl Of {
    pub(super) fn add(&mut self, counts: bool) {
        self.tried += 1;
        self.count += usize::from(counts);
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.tried += other.tried;
    }
}

/// What was counted. Names are in the keys, in the order of reports.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) counts: BTreeMap<(&'static str, &'static str), Of>,
    pub(super) patterns: Patterns,
    /// Each Serial Number, and whether it comes from evidence that other machines have too.
    pub(super) numbers: Vec<(SerialNumber, bool)>,
}

impl Figures {
    pub(super) fn add(&mut self, table: &'static str, name: &'static str, counts: bool) {
        self.counts.entry((table, name)).or_default().add(counts);
    }

    fn merge(&mut self, other: Self) {
        for (key, of) in other.counts {
            self.counts.entry(key).or_default().merge(of);
        }
        self.patterns.merge(other.patterns);
        self.numbers.extend(other.numbers);
    }

    pub(super) fn of(&self, table: &'static str, name: &'static str) -> Of {
        self.counts.get(&(table, name)).copied().unwrap_or_default()
    }

    pub(super) fn table(&self, table: &'static str) -> impl Iterator<Item = (&'static str, Of)> {
        self.counts.iter().filter(move |((t, _), _)| *t == table).map(|((_, n), of)| (*n, *of))
    }

    /// Machines whose Serial Number another machine has: of evidence of their own, and of evidence that is copied.
    pub(super) fn collisions(&self) -> (usize, usize) {
        let mut holders: HashMap<SerialNumber, (usize, usize)> = HashMap::new();
        for (number, is_copied) in &self.numbers {
            let (own, copied) = holders.entry(*number).or_default();
            *(if *is_copied { copied } else { own }) += 1;
        }
        let shared = holders.values().filter(|(own, copied)| own + copied > 1);
        shared.fold((0, 0), |(a, b), (own, copied)| (a + own, b + copied))
    }
}

const PART: usize = 100;

/// One key for every population: what is compared are equal digests, and which they are does not matter.
fn secret() -> LocalSecret {
    LocalSecret::from_bytes([7; 32])
}

pub(super) fn measure(rates: &Rates, count: usize) -> Figures {
    let (next, parts) = (AtomicUsize::new(0), count.div_ceil(PART));
    let work = || {
        let mut figures = Figures::default();
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return figures;
            }
            let mut run = Run::new(rates, part as u64, &mut figures);
            (0..PART.min(count - part * PART)).for_each(|_| run.machine());
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut figures = Figures::default();
        for thread in running {
            figures.merge(thread.join().unwrap());
        }
        figures.numbers.sort_unstable_by_key(|(number, _)| number.to_string());
        figures
    })
}

struct Run<'a> {
    rates: &'a Rates,
    monthly: Vec<u64>,
    random: Random,
    secret: LocalSecret,
    figures: &'a mut Figures,
}

fn is_kept(judgement: &Judgement) -> bool {
    judgement.verdict != Verdict::DifferentMachine
}

/// The facts that vote.
fn voting(enrolled: &Enrolled) -> impl Iterator<Item = (Group, FactDigest)> {
    enrolled.facts.iter().filter(|f| f.weight > 0).map(|f| (f.group, f.digest))
}

fn groups(enrolled: &Enrolled) -> usize {
    Group::ALL.into_iter().filter(|group| voting(enrolled).any(|(g, _)| g == *group)).count()
}

impl<'a> Run<'a> {
    fn new(rates: &'a Rates, part: u64, figures: &'a mut Figures) -> Self {
        let monthly = ROWS.iter().map(|row| rates.changes[row.rate].per_million / 12).collect();
        let random = Random::new(2026 * MILLION + part);
        Self { rates, monthly, random, secret: secret(), figures }
    }

    fn judge(&self, enrolled: &Enrolled, survey: &Survey) -> Judgement {
        judge(enrolled, survey, &self.secret, start())
    }

    fn machine(&mut self) {
        let model = Model::draw(self.rates, &mut self.random);
        let kind = Kind::ALL.iter().find(|(kind, _)| *kind == model.kind).map_or("", |(_, n)| n);
        let survey = model.survey();
        let minted = survey.mint();
        self.figures.add("kinds", kind, minted.is_ok());
        let Ok(minted) = minted else { return };
        let enrolled = Enrolled::enroll(&minted, &survey, &self.secret, start());
        self.figures.numbers.push((enrolled.serial_number, model.is_copied));
        self.figures.add("one group", kind, groups(&enrolled) == 1);
        self.single_changes(&model, &enrolled);
        self.strangers("strangers", &model, &enrolled);
        // Pairs of changes and years of them cost ten times as much as all the rest: one machine in ten.
        if !self.random.chance(100_000) {
            return;
        }
        self.pairs(&model, &enrolled);
        self.promised_years(&model, enrolled.clone());
        if let Some((model, later)) = self.years(&model, enrolled.clone(), kind) {
            let left = voting(&later).any(|fact| voting(&enrolled).any(|first| first == fact));
            self.figures.add("years", "nothing left of the first enrolment", !left);
            self.strangers("strangers after five years", &model, &later);
        }
    }

    fn single_changes(&mut self, model: &Model, enrolled: &Enrolled) {
        for row in &ROWS {
            let Some(changed) = row.on(model, &mut self.random) else { continue };
            let survey = changed.survey();
            let judgement = self.judge(enrolled, &survey);
            let (table, label) = match (row.promises(model, enrolled), row.is_promised()) {
                (true, _) => ("promised", PROMISED),
                (false, true) => ("beyond", row.name),
                (false, false) => ("not promised", row.name),
            };
            self.figures.add(table, row.name, !is_kept(&judgement));
            self.figures.patterns.add(label, &judgement.facts, enrolled, &survey);
        }
    }

    fn pairs(&mut self, model: &Model, enrolled: &Enrolled) {
        let lasting = || ROWS.iter().filter(|row| row.lasts && row.is_promised());
        for (i, first) in lasting().enumerate() {
            let Some(once) = first.on(model, &mut self.random) else { continue };
            for second in lasting().skip(i + 1) {
                let Some(twice) = second.on(&once, &mut self.random) else { continue };
                let survey = twice.survey();
                let judgement = self.judge(enrolled, &survey);
                let promised = first.promises(model, enrolled) && second.promises(model, enrolled);
                let name = if promised { "each promised alone" } else { "one beyond the promise" };
                self.figures.add("pairs", name, !is_kept(&judgement));
                self.figures.patterns.add("pairs", &judgement.facts, enrolled, &survey);
            }
        }
    }

    fn strangers(&mut self, table: &'static str, model: &Model, enrolled: &Enrolled) {
        let single = groups(enrolled) == 1;
        for (name, survey) in model.strangers(self.rates, &mut self.random) {
            let judgement = self.judge(enrolled, &survey);
            let taken = is_kept(&judgement);
            self.figures.add(table, name, taken && !single);
            if single && taken {
                self.figures.add("strangers of one group", name, true);
            }
            let label = match name {
                CARD => CARD,
                name if COPIES.contains(&name) => "copies",
                _ => "strangers",
            };
            self.figures.patterns.add(label, &judgement.facts, enrolled, &survey);
        }
    }

    fn month(&mut self) -> Vec<&'static Row> {
        let happens = |(row, rate): (&'static Row, &u64)| self.random.chance(*rate).then_some(row);
        ROWS.iter().zip(&self.monthly).filter_map(happens).collect()
    }

    /// Sixty months of what the table promises, enrolled anew after each change.
    fn promised_years(&mut self, model: &Model, mut enrolled: Enrolled) {
        let mut model = model.clone();
        for _ in 0..60 {
            for row in self.month() {
                let Some(changed) = row.on(&model, &mut self.random) else { continue };
                if !row.promises(&model, &enrolled) {
                    continue;
                }
                let judgement = self.judge(&enrolled, &changed.survey());
                if !is_kept(&judgement) {
                    return self.figures.add("years", "lost by what is promised", true);
                }
                enrolled = judgement.reenrolled.unwrap_or(enrolled);
                if row.lasts {
                    model = changed;
                }
            }
        }
        self.figures.add("years", "lost by what is promised", false);
    }

    /// Sixty months of everything, up to the first loss.
    fn years(
        &mut self,
        model: &Model,
        mut enrolled: Enrolled,
        kind: &'static str,
    ) -> Option<(Model, Enrolled)> {
        let mut model = model.clone();
        for _ in 0..60 {
            for row in self.month() {
                let Some(changed) = row.on(&model, &mut self.random) else { continue };
                let judgement = self.judge(&enrolled, &changed.survey());
                if !is_kept(&judgement) {
                    self.figures.add("lost in five years by", row.name, true);
                    self.figures.add("lost in five years of", kind, true);
                    return None;
                }
                enrolled = judgement.reenrolled.unwrap_or(enrolled);
                if row.lasts {
                    model = changed;
                }
            }
        }
        self.figures.add("lost in five years of", kind, false);
        Some((model, enrolled))
    }
}

//! The tables, as `docs/population.md` has them.

use super::{
    changes::{ROWS, Row},
    measure::{Figures, Of},
    random::MILLION,
    rates::Rates,
    strangers::{CARD, COPIES},
    sweep::{PROMISED, Weights, around_the_shipped, grid},
};

/// What a set of weights loses and accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Score {
    promised: usize,
    strangers: usize,
    /// Lost in a year by all that is not promised, at the rates of the table.
    yearly: usize,
    card: usize,
    pairs: usize,
    copies: usize,
}

impl Score {
    fn of(figures: &Figures, rates: &Rates, weights: Weights) -> Self {
        let patterns = &figures.patterns;
        let lost_in_a_year = |row: &Row| {
            // Of guests whose UUID is drawn at each start, each is lost once.
            let rate = rates.changes[row.rate].per_million.min(MILLION);
            patterns.lost(row.name, weights) as u64 * rate
        };
        let yearly = ROWS.iter().map(lost_in_a_year).sum::<u64>() / MILLION;
        Self {
            promised: patterns.lost(PROMISED, weights),
            strangers: patterns.taken("strangers", weights),
            yearly: usize::try_from(yearly).unwrap(),
            card: patterns.taken(CARD, weights),
            pairs: patterns.lost("pairs", weights),
            copies: patterns.taken("copies", weights),
        }
    }
}

pub(super) fn print(figures: &Figures, rates: &Rates, count: usize, times: u64) {
    println!("## {count} machines, assumed rates times {times}\n");
    kinds(figures);
    for (title, table) in [
        ("Changes that the table keeps", "promised"),
        ("The same where less remains than the table asks for", "beyond"),
        ("Changes of which the table promises nothing", "not promised"),
        ("Two changes between two looks", "pairs"),
        ("Five years", "years"),
        ("Lost in five years of everything, by what", "lost in five years by"),
    ] {
        println!("\n| {title} | lost | of |\n| --- | ---: | ---: |");
        figures.table(table).for_each(|(name, Of { count, tried })| {
            println!("| {name} | {count} | {tried} |");
        });
    }
    for table in ["strangers", "strangers after five years"] {
        strangers(figures, table);
    }
    println!("\n| accepted where only one group exists | |\n| --- | ---: |");
    figures
        .table("strangers of one group")
        .for_each(|(name, of)| println!("| {name} | {} |", of.count));
    accepted(figures);
    sweep(figures, rates);
}

/// The votes by which a stranger of several groups was accepted.
fn accepted(figures: &Figures) {
    println!("\n| strangers that were accepted agree and differ in | |\n| --- | ---: |");
    for (votes, count) in figures.patterns.accepted("strangers", Weights::shipped()) {
        println!("| {votes} | {count} |");
    }
}

fn kinds(figures: &Figures) {
    let total = |table| {
        figures.table(table).fold(Of::default(), |sum, (_, of)| Of {
            count: sum.count + of.count,
            tried: sum.tried + of.tried,
        })
    };
    println!(
        "| kind | machines | with credible evidence | one group only | lost in five years, of a tenth |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    let row = |name, of: Of, one: Of, lost: Of| {
        println!("| {name} | {} | {} | {} | {} |", of.tried, of.count, one.count, lost.count);
    };
    for (kind, of) in figures.table("kinds") {
        let lost = figures.of("lost in five years of", kind);
        row(kind, of, figures.of("one group", kind), lost);
    }
    row("all", total("kinds"), total("one group"), total("lost in five years of"));
    let (own, copied) = figures.collisions();
    let of_copied = figures.numbers.iter().filter(|(_, is_copied)| *is_copied).count();
    println!("\nSerial Numbers that another machine has too: {own} of evidence of their own;");
    println!(
        "{copied} of the {of_copied} machines whose UUID or serial is a copy that no table knows"
    );
}

fn strangers(figures: &Figures, table: &'static str) {
    println!("\n| {table} | accepted | of |\n| --- | ---: | ---: |");
    let (copies, others): (Vec<_>, Vec<_>) =
        figures.table(table).partition(|(name, _)| COPIES.contains(name));
    for (name, of) in others.into_iter().chain(copies) {
        println!("| {name} | {} | {} |", of.count, of.tried);
    }
}

fn line(weights: Weights, score: Score) {
    let of: Vec<_> = weights.of.iter().map(u32::to_string).collect();
    let Score { promised, strangers, yearly, card, pairs, copies } = score;
    println!(
        "| {} ({}) | {} | {} | {promised} | {strangers} | {yearly} | {card} | {pairs} | {copies} |",
        of[0],
        weights.guest,
        of[1..].join(" | "),
        weights.keep
    );
}

fn head() {
    println!(
        "\n| U (guest) | T | S | N | D | % | promised lost | strangers taken | lost a year by the rest | card taken | pairs lost | copies taken |"
    );
    println!("| --- | --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
}

fn sweep(figures: &Figures, rates: &Rates) {
    let scored = |weights| (Score::of(figures, rates, weights), weights);
    println!("\n{} patterns of votes", figures.patterns.len());
    head();
    for weights in around_the_shipped() {
        line(weights, scored(weights).0);
    }
    let all: Vec<_> = grid().map(scored).collect();
    let sound = all.iter().filter(|(score, _)| score.promised == 0);
    let fewest = sound.clone().map(|(score, _)| score.strangers).min().unwrap_or_default();
    let mut best: Vec<_> = sound.clone().filter(|(s, _)| s.strangers == fewest).collect();
    println!(
        "\nOf a grid of {} sets {} lose nothing that is promised, and {} of those accept the fewest strangers, {fewest}. \
         Those that lose the least by the rest:",
        all.len(),
        sound.count(),
        best.len()
    );
    best.sort_by_key(|(score, _)| (score.yearly, score.pairs));
    head();
    best.iter().take(12).for_each(|(score, weights)| line(*weights, *score));
    best.sort_by_key(|(score, _)| (score.card, score.copies, score.yearly));
    println!("\nThose that are taken for another the least:");
    head();
    best.iter().take(6).for_each(|(score, weights)| line(*weights, *score));
}

//! How the shipped weights do on a population of machines: how many lose their Serial Number by a change, how many
//! strangers are taken for another machine, how many Serial Numbers collide; and how other weights would do.
//!
//! A small population runs with every test. The whole one, a million machines, prints the tables of `docs/population.md`:
//!
//! ```text
//! cargo test --config 'profile.dev.package.entitled.opt-level=2' --lib a_million_machines -- --ignored --nocapture
//! ```

mod changes;
mod kind;
mod machines;
mod measure;
mod printed;
mod random;
mod rates;
mod smbios;
mod strangers;
mod sweep;

use measure::{Figures, measure};
use rates::Rates;
use strangers::{CARD, COPIES};
use sweep::{PROMISED, Weights};

fn asked(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// What must hold at any size and any rate.
fn assert_promises(figures: &Figures) {
    for (row, of) in figures.table("promised") {
        assert_eq!(of.count, 0, "{row}: {of:?}");
    }
    assert_eq!(figures.of("years", "lost by what is promised").count, 0);
    assert_eq!(
        figures.collisions().0,
        0,
        "evidence of its own, and a Serial Number that another has"
    );
}

#[test]
fn a_small_population_keeps_its_numbers_and_takes_no_stranger() {
    let figures = measure(&Rates::read(), 400);
    assert_promises(&figures);
    for table in ["strangers", "strangers after five years"] {
        let told_apart =
            figures.table(table).filter(|(name, _)| !COPIES.contains(name) && *name != CARD);
        for (name, of) in told_apart {
            assert_eq!(of.count, 0, "{table}, {name}: {of:?}");
        }
    }
    assert!(figures.table("strangers").count() >= 10);
    for (row, of) in figures.table("promised") {
        assert!(of.tried > 5, "{row}: {of:?}");
    }
    assert!(figures.of("years", "lost by what is promised").tried > 20);
    assert!(figures.table("kinds").count() >= 14);
}

#[test]
fn the_sweep_decides_as_the_agent_does() {
    let figures = measure(&Rates::read(), 200);
    let shipped = Weights::shipped();
    let promised: usize = figures.table("promised").map(|(_, of)| of.tried).sum();
    assert_eq!(figures.patterns.kept(PROMISED, shipped), promised);
    for (row, of) in figures.table("not promised") {
        assert_eq!(figures.patterns.lost(row, shipped), of.count, "{row}");
    }
    // Weights that no change could survive, so that the sweep is seen to count.
    let strict = Weights { keep: 100, ..shipped };
    assert!(figures.patterns.kept(PROMISED, strict) < promised);
}

#[test]
fn the_number_of_threads_and_of_machines_changes_no_machine() {
    let (rates, mut half) = (Rates::read(), 0);
    let of_two_parts = measure(&rates, 200);
    for (number, _) in measure(&rates, 100).numbers {
        half += 1;
        assert!(of_two_parts.numbers.iter().any(|(other, _)| *other == number));
    }
    assert!(half > 90);
}

#[test]
#[ignore = "measures a million machines; see above"]
fn a_million_machines() {
    let count = asked("MACHINES", 1_000_000);
    let times = asked("ASSUMED_TIMES", 1) as u64;
    let rates = Rates::read().with_assumed_times(times);
    let figures = measure(&rates, count);
    printed::print(&figures, &rates, count, times);
    assert_promises(&figures);
}

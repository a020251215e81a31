//! Lives of an environment, each by one seed: the real loop before the real portal, with everything outside going wrong at
//! random. After each thing that happens what may never happen is looked for ([`invariants`]) and the status is compared
//! with one that an independent [`model`] expects; at the end everything is mended, and the agent must find its way back.
//!
//! Time, network, disk, clock, hardware and death are simulated; loop, chain, documents, signatures, portal and its SQLite are
//! the real ones. A simulated TCP stack below them (turmoil) would add nothing that this does not do to whole messages, and
//! reqwest takes no connector of its own; the HTTP client and server are tried by `upstream::tests` and the behaviour tests.
//! The same seed gives the same story: the loop's `select!` is biased, every message takes a tick of the clock at least,
//! and what is random by nature (keys, ids) stands in no story.
//!
//! `SIMULATION_SEEDS=10000 cargo test --lib simulation` lives more of them, `SIMULATION_SEED=42` one again, with its story
//! (`-- --nocapture`).

mod chance;
mod coverage;
mod invariants;
mod life;
mod machine;
mod model;
mod network;
mod vendor;

use chance::Tally;
use life::Life;
use sha2::{Digest, Sha256};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Seeds in `cargo test`.
const SEEDS: u64 = 200;

/// How a life went.
struct Lived {
    tally: Tally,
    /// Of everything that happened and what came of it.
    digest: String,
    ended_well: bool,
}

/// One life, in a runtime of its own, whose time stands still while anybody works.
fn live(seed: u64, aloud: bool) -> Lived {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut life = Life::begin(seed).await;
        // A future is taken away whole where it panics; the story is told by what is left.
        let lived = {
            let living = AssertUnwindSafe(life.live());
            futures_util::FutureExt::catch_unwind(living).await
        };
        let story = life.story.join("\n");
        if aloud || lived.is_err() {
            eprintln!("seed {seed}:\n{story}");
        }
        let digest = format!("{:x?}", &Sha256::digest(&story)[..]);
        Lived { tally: life.tally, digest, ended_well: lived.is_ok() }
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Lives all of them, as many beside each other as there are processors.
fn live_all(seeds: u64) -> Tally {
    let (next, all, failed) =
        (AtomicU64::new(0), Mutex::<Tally>::default(), Mutex::new(Vec::new()));
    let lives = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            match catch_unwind(|| live(seed, false)) {
                Ok(lived) if lived.ended_well => all.lock().unwrap().add(&lived.tally),
                _ => failed.lock().unwrap().push(seed),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(lives);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds {failed:?} failed: SIMULATION_SEED=… replays one");
    all.into_inner().unwrap()
}

#[test]
fn simulation_of_many_lives() {
    if let Some(seed) = number("SIMULATION_SEED") {
        assert!(live(seed, true).ended_well, "seed {seed} failed");
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let tally = live_all(seeds);
    if seeds >= SEEDS {
        coverage::assert_rich(&tally);
    }
}

#[test]
fn simulation_of_one_seed_twice_is_one_story() {
    for seed in [7, 23, 42] {
        assert_eq!(live(seed, false).digest, live(seed, false).digest, "seed {seed}");
    }
}

//! A life of an environment by one seed: the real loop and the real portal, with everything outside going wrong at random.
//! After each thing that happens what may never happen is looked for; at the end everything is mended, and the agent
//! must find its way back by itself.
//!
//! `SIMULATION_SEEDS=10000 cargo test --release --lib simulation` runs more of them, `SIMULATION_SEED=42` one again.

use super::stage::*;
use crate::{
    agent::Clock,
    api::{Command, Reply, RequestByHand},
    entitlement::State,
    license::RequestKind,
    store::{AgentState, Store},
};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

const STEPS: u32 = 30;
/// Seeds in `cargo test`, in as many tests as may run beside each other.
const SEEDS: u64 = 200;
const TESTS: u64 = 4;

#[test]
fn simulation_of_the_first_quarter_of_seeds() {
    quarter(0);
}

#[test]
fn simulation_of_the_second_quarter_of_seeds() {
    quarter(1);
}

#[test]
fn simulation_of_the_third_quarter_of_seeds() {
    quarter(2);
}

#[test]
fn simulation_of_the_last_quarter_of_seeds() {
    quarter(3);
}

fn quarter(part: u64) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("SIMULATION_SEED") {
        if part == 0 {
            live(seed);
        }
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    (0..seeds).filter(|seed| seed % TESTS == part).for_each(live);
}

/// One life, in a runtime of its own, whose time stands still while anybody works.
fn live(seed: u64) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut life = Life::begin(seed).await;
            for _ in 0..STEPS {
                life.step().await;
                life.check();
            }
            life.mend().await;
        });
    }));
    assert!(lived.is_ok(), "seed {seed} failed: SIMULATION_SEED={seed} replays it");
}

/// Numbers by a seed, by `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % end
    }
}

/// What must not fall.
#[derive(Default)]
struct Highest {
    generation: u64,
    sequence: u64,
    proven: Option<Timestamp>,
    entries: usize,
}

struct Life {
    chance: Chance,
    stage: Stage,
    highest: Highest,
    disk_fails: bool,
    /// What was sent before the disk failed, and what was given to a courier since.
    sent_before: usize,
    carried: usize,
    snapshot: Option<AgentState>,
    /// Whether a snapshot was restored, which the portal takes for a fork for a while.
    restored: bool,
    /// Steps for which the hardware stays unreadable: 30 days of that are put up with, and no step is longer than 20.
    unreadable: u32,
    story: Vec<String>,
}

impl Life {
    async fn begin(seed: u64) -> Self {
        let stage = Stage::activated().await;
        Self {
            chance: Chance(seed),
            stage,
            highest: Highest::default(),
            disk_fails: false,
            sent_before: 0,
            carried: 0,
            snapshot: None,
            restored: false,
            unreadable: 0,
            story: Vec::new(),
        }
    }

    async fn step(&mut self) {
        let what = self.chance.below(20);
        self.story.push(format!("{what}"));
        self.unreadable = self.unreadable.saturating_sub(1);
        if self.unreadable == 1 {
            self.stage.hardware.is_the_first();
        }
        match what {
            0..5 => self.pass().await,
            5 => self.stage.link.cut(),
            6 => self.stage.link.lose_answers(),
            7 => self.stage.link.be_busy(Some(MINUTE * 2)),
            8 | 9 => self.stage.link.mend(),
            10 => self.refresh().await,
            11 => self.crash().await,
            12 => {
                self.forget_what_is_not_stored().await;
                self.stage.restart().await;
            }
            13 => self.renew(),
            14 => self.set_clock().await,
            15 => self.disk().await,
            16 => self.hardware(),
            17 => self.courier().await,
            18 => self.snapshot = Some(self.stage.state()),
            _ => self.restore().await,
        }
        // Long enough for what follows at once.
        self.stage.pass(MINUTE).await;
    }

    async fn pass(&mut self) {
        let hours = [1, 6, 30, 24 * 8, 24 * 20];
        let most = hours[usize::try_from(self.chance.below(5)).unwrap()];
        let steps = self.chance.below(6) + 1;
        for _ in 0..steps {
            self.stage.leap(HOUR * u32::try_from(most / steps + 1).unwrap()).await;
        }
    }

    async fn refresh(&mut self) {
        self.stage.link.delay(Duration::from_millis(self.chance.below(20_000)));
        // It may well be refused; what it may change is looked for afterwards.
        let _ = self.stage.refresh().await;
        self.stage.link.delay(Duration::ZERO);
    }

    /// Ends the agent somewhere within an exchange, as `kill -9` does.
    async fn crash(&mut self) {
        self.forget_what_is_not_stored().await;
        self.stage.link.delay(Duration::from_millis(self.chance.below(2_000)));
        let handle = self.stage.handle().clone();
        let asked = tokio::spawn(async move {
            let _ = handle.call("tester".to_owned(), Command::Refresh).await;
        });
        self.stage.pass(Duration::from_millis(self.chance.below(3_000))).await;
        self.stage.kill().await;
        asked.abort();
        self.stage.link.delay(Duration::ZERO);
        self.stage.start().await;
    }

    /// What stands in memory alone is lost with the process that ends next; but the portal takes it for no copy.
    async fn forget_what_is_not_stored(&mut self) {
        if !self.disk_fails {
            return;
        }
        // No more can be kept in reserve than so much.
        if self.stage.link.count_sent() - self.sent_before + self.carried > 24 {
            self.mend_disk().await;
        } else {
            self.highest = Highest::default();
        }
    }

    fn renew(&mut self) {
        let days = i64::try_from(self.chance.below(400)).unwrap() - 20;
        let ends_at = self.stage.world.truth() + SignedDuration::from_hours(24 * days);
        let id = self.stage.subscription.id;
        let renewed = self.stage.portal.update_subscription(id, move |terms| {
            terms.ends_at = ends_at.max(terms.starts_at + SignedDuration::from_hours(1));
        });
        renewed.unwrap();
    }

    /// A clock is set wrong, and mended within the day.
    async fn set_clock(&mut self) {
        let far = SignedDuration::from_hours(24 * 365);
        let truth = self.stage.world.truth();
        let wrong = [truth - far * 50, truth - far, truth + SignedDuration::from_hours(2)];
        let wrong = wrong[usize::try_from(self.chance.below(3)).unwrap()];
        self.stage.world.set_clock(wrong);
        self.stage.leap(HOUR * 5).await;
        self.stage.world.mend_clock();
    }

    async fn disk(&mut self) {
        if self.disk_fails {
            self.mend_disk().await;
        } else {
            self.disk_fails = true;
            (self.sent_before, self.carried) = (self.stage.link.count_sent(), 0);
            self.stage.store.fail(true);
        }
    }

    async fn mend_disk(&mut self) {
        self.disk_fails = false;
        self.stage.store.fail(false);
        self.stage.pass(MINUTE * 2).await;
    }

    fn hardware(&mut self) {
        match self.chance.below(3) {
            0 => self.stage.hardware.has_another_disk(),
            1 => {
                self.stage.hardware.can_not_be_read();
                self.unreadable = 3;
            }
            _ => self.stage.hardware.is_the_first(),
        }
    }

    /// A request goes by hand, and its answer comes by hand, while the way may be open as well.
    async fn courier(&mut self) {
        let request = RequestByHand {
            kind: RequestKind::Refresh,
            code: None,
            name: None,
            purpose: None,
            rebind_code: None,
        };
        let Ok(Reply::Document(request)) = self.stage.call(Command::Request(request)).await else {
            return;
        };
        self.carried += 1;
        self.stage.leap(HOUR * u32::try_from(self.chance.below(30) + 1).unwrap()).await;
        if let Ok(answer) = self.stage.portal.handle_request(request.as_bytes()) {
            // An answer that a newer one has overtaken is refused.
            let _ = self.stage.install(answer).await;
        }
    }

    async fn restore(&mut self) {
        let Some(snapshot) = self.snapshot.take() else { return };
        self.mend_disk().await;
        self.stage.kill().await;
        self.stage.store.clone().commit(&snapshot, &[]).unwrap();
        self.stage.start().await;
        self.restored = true;
        self.highest = Highest::default();
    }

    /// What may never happen.
    fn check(&mut self) {
        let status = self.stage.status();
        let story = self.story.join(" ");
        let license = status.license.as_ref();
        let license = license.unwrap_or_else(|| panic!("the license is lost: {story}"));
        assert!(license.sequence.0 >= self.highest.sequence, "an older license: {story}");
        assert!(status.generation >= self.highest.generation, "an older generation: {story}");
        let state = self.stage.state();
        assert!(state.time.proven >= self.highest.proven, "proven time fell: {story}");
        let entries = self.stage.events().len();
        assert!(entries >= self.highest.entries || self.restored, "the audit shrank: {story}");

        // Only the calendar takes entitlement away here: nobody revoked, nobody released.
        let now = self.stage.world.read().clock.max(state.time.proven.unwrap_or(Timestamp::MIN));
        let now = now.max(state.time.observed.unwrap_or(Timestamp::MIN));
        let to_the_end = license.grace_ends_at.duration_since(now);
        if to_the_end.abs() > SignedDuration::from_mins(2) && !self.disk_fails {
            assert_eq!(status.entitled, to_the_end.is_positive(), "{status:?}: {story}");
        }
        assert!(!matches!(status.state, State::Unlicensed | State::Invalid), "{status:?}: {story}");
        if !self.restored {
            let forked = self.stage.environment().chain.is_forked();
            assert!(!forked, "a fork without a copy: {story}");
        }
        self.highest = Highest {
            generation: status.generation,
            sequence: license.sequence.0,
            proven: state.time.proven,
            entries,
        };
    }

    /// Everything is mended: the agent must come to the newest license by itself.
    async fn mend(&mut self) {
        self.stage.link.mend();
        self.stage.hardware.is_the_first();
        self.mend_disk().await;
        // A restored snapshot is closed as such once the other branch was silent for two weeks.
        for _ in 0..if self.restored { 20 } else { 3 } {
            self.stage.leap(DAY).await;
            self.stage.pass(MINUTE).await;
        }
        let ends_at = self.stage.world.truth() + SignedDuration::from_hours(24 * 300);
        let id = self.stage.subscription.id;
        self.stage.portal.update_subscription(id, move |terms| terms.ends_at = ends_at).unwrap();
        self.stage.leap(DAY * 2).await;
        self.stage.pass(MINUTE).await;
        let (status, story) = (self.stage.status(), self.story.join(" "));
        assert_eq!(status.state, State::Active, "{status:?}: {story}");
        let license = status.license.as_ref().unwrap();
        assert_eq!(license.sequence, self.stage.environment().sequence, "{story}");
        assert_eq!(status.conditions, [], "{story}");
        assert!(self.stage.state().license.is_some(), "{story}");
    }
}

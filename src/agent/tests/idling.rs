//! An agent with nothing to do does nothing.

use super::{props::at, stage::*};
use crate::agent::Clock as _;

#[tokio::test(start_paused = true)]
async fn nothing_changes_where_nothing_happens() {
    let stage = Stage::activated().await;
    stage.link.forget_sent();
    let (before, kept, entries) = (stage.status(), stage.state(), stage.events().len());
    let commits = stage.store.commits();
    stage.pass(HOUR * 20).await;
    assert_eq!(stage.link.sent().len(), 0);
    assert_eq!(stage.status(), before);
    assert_eq!(stage.events().len(), entries);
    assert_eq!(stage.state(), kept);
    assert_eq!(stage.store.commits(), commits);
}

/// Turns of the loop are seen by its reading of the clock; an hour of them.
async fn readings_in_an_hour(stage: &Stage) -> u64 {
    let before = stage.world.readings();
    stage.pass(HOUR).await;
    stage.world.readings() - before
}

#[tokio::test(start_paused = true)]
async fn the_loop_seldom_turns_whatever_it_waits_for() {
    // A turn reads the clocks a dozen times; every 30 seconds it makes 120 turns an hour.
    const MOST: u64 = 3_000;
    let activated = Stage::activated().await;
    assert!(readings_in_an_hour(&activated).await < MOST, "activated");

    let unlicensed = Stage::started().await;
    assert!(readings_in_an_hour(&unlicensed).await < MOST, "unlicensed");

    let mut off_line = Stage::new();
    off_line.is_on_line = false;
    off_line.start().await;
    assert!(readings_in_an_hour(&off_line).await < MOST, "without a portal");

    let mut stage = Stage::activated().await;
    stage.stop().await;
    stage.is_on_line = false;
    stage.leap(DAY * 3).await;
    stage.start().await;
    assert!(readings_in_an_hour(&stage).await < MOST, "with a portal no more");
    stage.stop().await;
    stage.is_on_line = true;
    stage.hardware.crashes_its_reader();
    stage.start().await;
    assert!(readings_in_an_hour(&stage).await < MOST, "without a survey");

    let lost = Stage::activated().await;
    lost.link.cut();
    lost.leap(DAY * 2).await;
    assert!(readings_in_an_hour(&lost).await < MOST, "without an answer");
}

#[tokio::test(start_paused = true)]
async fn the_stage_itself_keeps_time() {
    let stage = Stage::new();
    let start = stage.world.truth();
    stage.pass(DAY).await;
    assert_eq!(stage.world.truth(), start + jiff::SignedDuration::from_hours(24));
    stage.world.set_clock(at("1999-01-01T00:00:00Z"));
    assert_eq!(stage.world.read().clock, at("1999-01-01T00:00:00Z"));
    stage.world.boot();
    assert_eq!(stage.world.read().uptime, std::time::Duration::ZERO);
}

//! Gauges of usage: summed, compared with the limit, and forgotten when nobody repeats them.

use super::stage::*;
use crate::{
    api::{Command, Problem, UsageReport},
    entitlement::{ConditionType, LimitState},
};
use std::time::Duration;

async fn report(stage: &Stage, reporter: &str, value: u64, live: Duration) -> Result<(), Problem> {
    let report = UsageReport {
        limit: "users".to_owned(),
        reporter: reporter.to_owned(),
        value,
        time_to_live: live,
    };
    stage.change(Command::ReportUsage(report)).await.map(drop)
}

fn users(stage: &Stage) -> (Option<u64>, LimitState) {
    let users = stage.status().limits["users"];
    (users.used, users.state)
}

#[tokio::test(start_paused = true)]
async fn gauges_are_summed_and_compared() {
    let stage = Stage::activated().await;
    assert_eq!(users(&stage), (None, LimitState::Unreported));
    let generation = stage.generation();
    report(&stage, "one", 79, HOUR).await.unwrap();
    assert_eq!(users(&stage), (Some(79), LimitState::Within));
    report(&stage, "other", 1, HOUR).await.unwrap();
    assert_eq!(users(&stage), (Some(80), LimitState::Near));
    report(&stage, "one", 99, HOUR).await.unwrap();
    assert_eq!(users(&stage), (Some(100), LimitState::Reached));
    assert_eq!(stage.conditions(), []);
    report(&stage, "other", 2, HOUR).await.unwrap();
    assert_eq!(users(&stage), (Some(101), LimitState::Exceeded));
    assert_eq!(stage.conditions(), [ConditionType::LimitExceeded]);
    assert!(stage.status().entitled);
    assert_eq!(stage.generation(), generation + 4);
    // The same again changes nothing.
    report(&stage, "other", 2, HOUR).await.unwrap();
    assert_eq!(stage.generation(), generation + 4);
}

#[tokio::test(start_paused = true)]
async fn a_gauge_that_moves_within_its_state_is_shown_and_not_stored() {
    let stage = Stage::activated().await;
    report(&stage, "one", 1, HOUR).await.unwrap();
    let (generation, entries) = (stage.generation(), stage.events().len());
    for value in 2..79 {
        report(&stage, "one", value, HOUR).await.unwrap();
        assert_eq!(users(&stage), (Some(value), LimitState::Within));
    }
    assert_eq!((stage.generation(), stage.events().len()), (generation, entries));
}

#[tokio::test(start_paused = true)]
async fn a_gauge_that_is_not_repeated_expires_at_its_second() {
    let stage = Stage::activated().await;
    report(&stage, "one", 60, MINUTE * 5).await.unwrap();
    report(&stage, "other", 50, MINUTE * 7).await.unwrap();
    let generation = stage.generation();
    stage.pass(Duration::from_secs(299)).await;
    assert_eq!(users(&stage), (Some(110), LimitState::Exceeded));
    stage.pass(Duration::from_secs(1) + Duration::from_millis(20)).await;
    assert_eq!(users(&stage), (Some(50), LimitState::Within));
    assert_eq!(stage.conditions(), []);
    // One that is repeated goes on.
    report(&stage, "other", 50, MINUTE * 7).await.unwrap();
    stage.pass(MINUTE * 6).await;
    assert_eq!(users(&stage), (Some(50), LimitState::Within));
    stage.pass(MINUTE * 2).await;
    assert_eq!(users(&stage), (None, LimitState::Unreported));
    assert_eq!(stage.generation(), generation + 2);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_can_not_be_counted_is_refused() {
    let stage = Stage::activated().await;
    let code = |result: Result<(), Problem>| result.unwrap_err().code().to_owned();
    assert_eq!(code(report(&stage, "", 1, HOUR).await), "bad-reporter");
    assert_eq!(code(report(&stage, &"x".repeat(201), 1, HOUR).await), "bad-reporter");
    let report = |limit: &str| UsageReport {
        limit: limit.to_owned(),
        reporter: "one".to_owned(),
        value: 1,
        time_to_live: HOUR,
    };
    let unknown = stage.change(Command::ReportUsage(report("unknown"))).await;
    assert_eq!(unknown.unwrap_err().code(), "no-such-limit");
    stage.change(Command::Release).await.unwrap();
    let released = stage.change(Command::ReportUsage(report("users"))).await;
    assert_eq!(released.unwrap_err().code(), "no-such-limit");
}

#[tokio::test(start_paused = true)]
async fn the_largest_gauges_overflow_nothing() {
    let stage = Stage::activated().await;
    report(&stage, "one", u64::MAX, Duration::MAX).await.unwrap();
    report(&stage, "other", u64::MAX, Duration::MAX).await.unwrap();
    assert_eq!(users(&stage), (Some(u64::MAX), LimitState::Exceeded));
    stage.pass(MINUTE).await;
    assert_eq!(users(&stage), (Some(u64::MAX), LimitState::Exceeded));
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_gauges_and_nothing_else() {
    let mut stage = Stage::activated().await;
    report(&stage, "one", 7, DAY).await.unwrap();
    stage.restart().await;
    assert_eq!(users(&stage), (None, LimitState::Unreported));
    assert!(stage.status().entitled);
}

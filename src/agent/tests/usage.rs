//! Gauges of usage: summed, compared with the limit, and forgotten when nobody repeats them.

use super::stage::*;
use crate::{
    api::{Command, Problem, Reply, UsageReport, UserNames, UsersReport},
    entitlement::{Allowance, ConditionType, LimitState},
    license::{Enforcement, Limit, UsageDocument, verify_usage},
    store::Store,
    usage::{DayPeak, check},
};
use jiff::civil::Date;
use std::time::Duration;
use zeroize::Zeroizing;

fn names(names: &[&str]) -> UserNames {
    UserNames(names.iter().map(|name| Zeroizing::new((*name).to_owned())).collect())
}

pub(super) async fn report_users(
    stage: &Stage,
    there: &[&str],
    left: &[&str],
    live: Duration,
) -> Result<(), Problem> {
    let report = UsersReport {
        limit: "users".to_owned(),
        users: names(there),
        left: names(left),
        time_to_live: live,
    };
    assert!(!format!("{report:?}").contains("ada@"), "{report:?}");
    stage.change(Command::ReportUsers(report)).await.map(drop)
}

/// As `/v1/limits/users/check` answers, were the limit a hard one.
fn ask(stage: &Stage, amount: u64) -> Allowance {
    let knowledge = stage.handle().usage.borrow().of("users", None);
    let hard = Limit { limit: Some(100), enforcement: Enforcement::Hard };
    check("users", amount, Some(hard), &knowledge, (true, 1))
}

fn stored_peaks(stage: &Stage) -> Vec<DayPeak> {
    stage.store.clone().peaks(Date::MIN, Date::MAX).unwrap()
}

pub(super) async fn report(
    stage: &Stage,
    reporter: &str,
    value: u64,
    live: Duration,
) -> Result<(), Problem> {
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
    assert_eq!(stage.conditions(), [ConditionType::LimitNear]);
    report(&stage, "one", 99, HOUR).await.unwrap();
    assert_eq!(users(&stage), (Some(100), LimitState::Reached));
    assert_eq!(stage.conditions(), [ConditionType::LimitNear]);
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

#[tokio::test(start_paused = true)]
async fn distinct_users_are_counted_beside_gauges_and_only_as_hashes() {
    let stage = Stage::activated().await;
    report_users(&stage, &["ada@example.org", "bob@example.org", "ada@example.org"], &[], HOUR)
        .await
        .unwrap();
    assert_eq!(users(&stage), (Some(2), LimitState::Within));
    report_users(&stage, &["bob@example.org", "eve@example.org"], &["ada@example.org"], HOUR)
        .await
        .unwrap();
    assert_eq!(users(&stage), (Some(2), LimitState::Within));
    report(&stage, "app", 5, MINUTE).await.unwrap();
    assert_eq!(users(&stage), (Some(7), LimitState::Within));
    for (name, code) in [("", "bad-user"), (&"x".repeat(201)[..], "bad-user")] {
        let refused =
            report_users(&stage, &["carol@example.org", name], &[], HOUR).await.unwrap_err();
        assert_eq!(refused.code(), code);
        assert_names_mend(&refused);
    }
    assert_eq!(users(&stage), (Some(7), LimitState::Within));
    stage.pass(HOUR + Duration::from_millis(20)).await;
    assert_eq!(users(&stage), (None, LimitState::Unreported));
    let kept = format!("{:?}{:?}", stage.store.state(), stage.events());
    // An "@" stands in no hash, so that no hash holds a name by chance.
    assert!(!kept.contains("ada@") && !kept.contains("eve@"));
}

#[tokio::test(start_paused = true)]
async fn each_step_towards_a_limit_is_told_once() {
    let stage = Stage::activated().await;
    let crossed = |stage: &Stage| {
        let events = stage.events().into_iter().filter(|event| event.action == "limit-crossed");
        events.map(|event| event.detail).collect::<Vec<_>>()
    };
    for value in [10, 80, 85, 90, 89, 79, 91, 100, 101, 150] {
        report(&stage, "app", value, HOUR).await.unwrap();
    }
    assert_eq!(
        crossed(&stage),
        [
            "users: 80 of 100 used, 80 % or more",
            "users: 90 of 100 used, 90 % or more",
            "users: 91 of 100 used, 90 % or more",
            "users: 100 of 100 used, all of it",
            "users: 101 of 100 used, more than it",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_on_the_controller_knows_each_report_at_once() {
    let stage = Stage::activated().await;
    assert_eq!((ask(&stage, 100).allowed, ask(&stage, 101).allowed), (true, false));
    report(&stage, "app", 60, MINUTE).await.unwrap();
    let answer = ask(&stage, 40);
    assert_eq!((answer.allowed, answer.fresh, answer.used), (true, true, Some(60)));
    assert_eq!((answer.age_seconds, answer.overshoot.at_most), (Some(0), Some(0)));
    assert!(!ask(&stage, 41).allowed);
    stage.pass(MINUTE + Duration::from_millis(20)).await;
    assert!(ask(&stage, 41).allowed);
}

#[tokio::test(start_paused = true)]
async fn the_peak_of_each_day_is_stored_without_a_commit_for_each_report() {
    let mut stage = Stage::activated().await;
    let commits = stage.store.commits();
    for value in 1..=70 {
        report(&stage, "app", value, DAY).await.unwrap();
    }
    // The first report is news; after it, nothing but the peak changed.
    assert_eq!(stage.store.commits(), commits + 1);
    stage.pass(MINUTE * 6).await;
    let peaks = stored_peaks(&stage);
    assert_eq!((peaks.len(), peaks[0].peak, peaks[0].limit), (1, 70, Some(100)));
    // A disk that takes nothing costs no peak, and a restart neither.
    stage.store.fail(true);
    report(&stage, "app", 75, DAY).await.unwrap();
    stage.pass(MINUTE * 6).await;
    assert_eq!(stored_peaks(&stage)[0].peak, 70);
    stage.store.fail(false);
    stage.pass(MINUTE * 6).await;
    assert_eq!(stored_peaks(&stage)[0].peak, 75);
    stage.restart().await;
    report(&stage, "app", 3, DAY).await.unwrap();
    stage.pass(HOUR * 23).await;
    report(&stage, "app", 4, DAY).await.unwrap();
    stage.pass(HOUR).await;
    let peaks: Vec<_> = stored_peaks(&stage).iter().map(|peak| peak.peak).collect();
    assert_eq!(peaks, [75, 4]);
}

#[tokio::test(start_paused = true)]
async fn the_usage_report_is_verified_from_the_roots_down_and_word_for_word() {
    let stage = Stage::activated().await;
    report(&stage, "app", 42, HOUR).await.unwrap();
    report_users(&stage, &["ada"], &[], HOUR).await.unwrap();
    let asked = stage.call(Command::UsageReport { from: None, to: None }).await;
    let Ok(Reply::UsageReport(UsageDocument { claims, text })) = asked else { panic!("{asked:?}") };
    assert_eq!(
        (claims.peaks.len(), claims.peaks[0].peak, claims.peaks[0].limit),
        (1, 43, Some(100))
    );
    let page = crate::license::usage_page(&claims, &text);
    assert!(page.contains("43") && page.contains("users (soft)"), "{page}");
    let verify = |text: &str| {
        let verified = verify_usage(text, Some(PRODUCT), &stage.roots(), None);
        verified.map(|verified| verified.claims().clone())
    };
    assert_eq!(verify(&page), Ok(claims.clone()));
    assert_eq!(verify(&text), Ok(claims.clone()));
    // A courier may change the ends of lines.
    assert_eq!(verify(&page.replace('\n', "\r\n")), Ok(claims));
    let changed = page.replacen("43  ", "12  ", 1);
    assert_eq!(verify(&changed).unwrap_err().code(), "document-usage-page");
    let (head, signature) = text.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{other}{}", &signature[1..]);
    assert_eq!(verify(&forged).unwrap_err().code(), "document-signature");
    let other = verify_usage(&page, Some("other"), &stage.roots(), None).unwrap_err();
    assert_eq!(other.code(), "document-audience");
    for (from, to) in [("2026-03-02", "2026-03-01"), ("2024-01-01", "2026-03-01")] {
        let days = Command::UsageReport {
            from: Some(from.parse().unwrap()),
            to: Some(to.parse().unwrap()),
        };
        assert_eq!(stage.call(days).await.unwrap_err().code(), "bad-parameter");
    }
    assert!(stage.events().iter().any(|event| event.action == "usage-reported"));
}

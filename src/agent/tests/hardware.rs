//! Hardware that drifts, can't be read, or is another machine's.

use super::stage::*;
use crate::{
    api::Command,
    entitlement::{ConditionType, Reason, State},
    identity::{Outcome, Verdict},
    license::{AnswerClaims, Outcome as Answered, Unverified},
};
use jiff::SignedDuration;

fn verdict(stage: &Stage) -> Verdict {
    stage.status().hardware.unwrap().verdict
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_replaced_is_enrolled() {
    let mut stage = Stage::activated().await;
    let before = stage.status();
    let enrolled = stage.state().enrolled.unwrap();
    stage.hardware.has_another_disk();
    let entries = stage.events().len();
    stage.pass(HOUR + MINUTE).await;
    assert_eq!(verdict(&stage), Verdict::Drifted);
    assert_eq!(stage.conditions(), [ConditionType::HardwareDrift]);
    assert_eq!(stage.generation(), before.generation + 1);
    assert!(stage.status().entitled);
    assert_eq!(stage.status().serial_number, before.serial_number);
    // The condition sends people to the report, which shows what was found, not what was enrolled upon it.
    let report = stage.handle().current().unwrap().hardware.clone().unwrap();
    assert_eq!(report.verdict, Some(Verdict::Drifted));
    assert!(report.facts.iter().any(|fact| fact.comparison.result == Outcome::Differs));
    let reenrolled = stage.state().enrolled.unwrap();
    assert_ne!(reenrolled.facts, enrolled.facts);
    assert_eq!(stage.actions_after(entries), ["hardware-judged", "reenrolled", "status-changed"]);

    // By the next survey it belongs to the machine.
    stage.pass(HOUR + MINUTE).await;
    assert_eq!((verdict(&stage), stage.conditions()), (Verdict::Unchanged, vec![]));
    assert_eq!(stage.generation(), before.generation + 2);
    stage.restart().await;
    assert_eq!(verdict(&stage), Verdict::Unchanged);
}

#[tokio::test(start_paused = true)]
async fn what_root_collected_anew_is_looked_at_within_the_longest_pause() {
    let stage = Stage::activated().await;
    stage.hardware.has_another_disk();
    stage.pass(MINUTE).await;
    assert_eq!(verdict(&stage), Verdict::Unchanged, "nobody says so, and an hour is not over");
    stage.hardware.is_collected_anew();
    stage.pass(MINUTE / 2).await;
    assert_eq!(verdict(&stage), Verdict::Drifted);
}

#[tokio::test(start_paused = true)]
async fn another_machine_is_put_up_with_for_its_grace() {
    let mut stage = Stage::activated().await;
    stage.link.cut();
    let before = stage.status();
    stage.hardware.is_another();
    stage.pass(HOUR + MINUTE).await;
    assert_eq!(verdict(&stage), Verdict::DifferentMachine);
    assert!(stage.conditions().contains(&ConditionType::HardwareChanged));
    assert_eq!(stage.status().serial_number, before.serial_number);
    let since = stage.state().hardware.unwrap().changed_since.unwrap();
    let deadline = since + SignedDuration::from_hours(72);
    // A restart does not begin it anew.
    stage.leap(DAY).await;
    stage.restart().await;
    assert_eq!(stage.state().hardware.unwrap().changed_since, Some(since));
    stage.leap_to(deadline - SignedDuration::from_secs(20)).await;
    stage.pass(MINUTE / 4).await;
    assert_eq!(stage.status().state, State::Active);
    stage.pass(MINUTE / 6).await;
    let status = stage.status();
    assert_eq!((status.state, status.reason), (State::Restricted, Reason::HardwareChanged));
    assert_eq!(status.since, deadline);

    // The right machine again, and everything is as it was.
    stage.hardware.is_the_first();
    stage.pass(MINUTE * 2).await;
    assert_eq!((stage.status().state, verdict(&stage)), (State::Active, Verdict::Unchanged));
    assert_eq!(stage.state().hardware.unwrap().changed_since, None);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_is_not_changed() {
    let mut stage = Stage::activated().await;
    let enrolled = stage.state().enrolled;
    stage.hardware.can_not_be_read();
    stage.pass(HOUR + MINUTE).await;
    assert_eq!(verdict(&stage), Verdict::Degraded);
    assert_eq!(stage.conditions(), [ConditionType::HardwareUnreadable]);
    stage.restart().await;
    stage.leap(DAY * 20).await;
    stage.pass(MINUTE * 2).await;
    assert!(stage.status().entitled);
    assert_eq!(stage.state().enrolled, enrolled);
    // After 30 days it is treated as what it may be, with its grace.
    stage.leap(DAY * 10).await;
    stage.pass(MINUTE * 2).await;
    assert_eq!(verdict(&stage), Verdict::DifferentMachine);
    assert!(stage.status().entitled);
    stage.leap(DAY * 3).await;
    assert_eq!(stage.status().reason, Reason::HardwareChanged);
    stage.hardware.is_the_first();
    stage.pass(MINUTE * 2).await;
    assert_eq!((stage.status().state, verdict(&stage)), (State::Active, Verdict::Unchanged));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_does_not_make_another_machine_the_right_one() {
    let stage = Stage::activated().await;
    stage.link.cut();
    stage.hardware.is_another();
    stage.pass(HOUR + MINUTE).await;
    let since = stage.state().hardware.unwrap().changed_since;
    stage.leap(DAY * 2).await;
    stage.hardware.can_not_be_read();
    stage.pass(MINUTE * 2).await;
    assert_eq!(verdict(&stage), Verdict::Degraded);
    stage.hardware.is_another();
    stage.pass(MINUTE * 2).await;
    // The grace goes on where it was.
    assert_eq!(stage.state().hardware.unwrap().changed_since, since);
    stage.leap(DAY).await;
    assert_eq!(stage.status().reason, Reason::HardwareChanged);
}

#[tokio::test(start_paused = true)]
async fn a_survey_that_fails_keeps_the_last_verdict() {
    let stage = Stage::activated().await;
    let before = stage.status();
    stage.hardware.crashes_its_reader();
    stage.pass(HOUR * 3).await;
    assert_eq!(stage.status().hardware, before.hardware);
    assert_eq!(stage.generation(), before.generation);
    stage.hardware.is_the_first();
    stage.pass(MINUTE * 2).await;
    assert_eq!(stage.generation(), before.generation);
}

#[tokio::test(start_paused = true)]
async fn a_lost_secret_makes_no_other_machine() {
    let mut stage = Stage::activated().await;
    let before = stage.status();
    stage.stop().await;
    std::fs::remove_file(stage.directory.path().join("hardware.secret")).unwrap();
    let entries = stage.events().len();
    stage.start().await;
    assert_eq!(verdict(&stage), Verdict::Unchanged);
    assert_eq!(stage.generation(), before.generation);
    assert_eq!(stage.status().serial_number, before.serial_number);
    assert_eq!(stage.actions_after(entries), ["reenrolled"]);
    stage.restart().await;
    assert_eq!((verdict(&stage), stage.conditions()), (Verdict::Unchanged, vec![]));

    // With the secret of the first machine gone as well, another one is still another one.
    stage.stop().await;
    std::fs::remove_file(stage.directory.path().join("hardware.secret")).unwrap();
    stage.hardware.is_another();
    stage.start().await;
    assert_eq!(verdict(&stage), Verdict::DifferentMachine);
}

/// An activation was asked for on one machine and is answered on another, where the disk went: it makes that one no other.
#[tokio::test(start_paused = true)]
async fn a_license_that_other_hardware_asked_for_is_not_taken_for_this_one() {
    let mut stage = Stage::started().await;
    let first = stage.status().serial_number;
    stage.link.lose_answers();
    assert_eq!(stage.activate().await.unwrap_err().code(), "portal-unreachable");
    let asked = stage.link.sent().pop().unwrap();
    assert_eq!(stage.environment().serial_number, first.unwrap());
    stage.hardware.is_another();
    stage.restart().await;
    assert_ne!(stage.status().serial_number, first);
    stage.link.mend();
    stage.link.forget_sent();
    stage.pass(HOUR * 3).await;
    assert_eq!(stage.status().state, State::Unlicensed);
    assert_eq!(stage.link.sent(), [""; 0]);

    // Neither by a courier, with or without the answer around it.
    let answer = stage.portal.handle_request(asked.as_bytes()).unwrap();
    let claims: AnswerClaims = Unverified::parse(&answer).unwrap().peek().unwrap();
    let Answered::License(license) = claims.outcome else { panic!("{claims:?}") };
    let trust = std::fs::read_to_string(stage.portal.directory().trust()).unwrap();
    for text in [answer.clone(), format!("{trust}\n{license}")] {
        let refused = stage.install(text).await.unwrap_err();
        assert_eq!(refused.code(), "document-serial");
        assert_names_mend(&refused);
    }
    assert_eq!(stage.status().state, State::Unlicensed);

    // On the first machine it is as good as ever.
    stage.hardware.is_the_first();
    stage.restart().await;
    assert_eq!(stage.status().serial_number, first);
    stage.install(answer).await.unwrap();
    assert_eq!((stage.status().state, verdict(&stage)), (State::Active, Verdict::Unchanged));
    stage.assert_no_fork();

    // Another one gets an environment of its own.
    stage.change(Command::Release).await.unwrap();
    stage.hardware.is_another();
    stage.restart().await;
    stage.activate().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
    assert_ne!(stage.status().serial_number, first);
}

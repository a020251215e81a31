//! The clock of this machine: whether something keeps it, and what the portal's says beside it.

use super::{Code, Finding};
use jiff::{SignedDuration, Timestamp};
use std::{process::Stdio, time::Duration};
use tokio::process::Command;

/// How long a program of the system may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// A clock that is off by so much is worth a word.
const MUCH: SignedDuration = SignedDuration::from_mins(1);
/// By so much the agent raises `ClockSkewed`.
const TOO_MUCH: SignedDuration = SignedDuration::from_hours(1);
const MEND: &str = "`timedatectl set-ntp true`, or set it by `timedatectl set-time`";

pub(super) async fn check_synchronised(findings: &mut Vec<Finding>) {
    let code = Code::ClockSynchronised;
    let asking = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let told = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => String::new(),
    };
    findings.push(match told.as_str() {
        "yes" => Finding::ok(code, "the system says that its clock is synchronised"),
        "no" => Finding::warning(code, "nothing synchronises the clock of this machine", MEND),
        _ => Finding::skipped(code, "`timedatectl` does not say whether the clock is synchronised"),
    });
}

/// Compares this machine's clock with what the portal's answer says of its own.
pub(super) fn compare(there: Option<Timestamp>, here: Timestamp) -> Finding {
    let code = Code::Clock;
    let Some(there) = there else {
        return Finding::skipped(
            code,
            "the portal's answer has no date to compare this clock with",
        );
    };
    let ahead = here.duration_since(there);
    let amount = ahead.abs();
    let word = if ahead.is_negative() { "behind" } else { "ahead of" };
    let seconds = amount.as_secs();
    let message =
        format!("expected the portal's time, found this clock {seconds} seconds {word} it");
    if amount > TOO_MUCH {
        Finding::failed(code, message, MEND)
    } else if amount > MUCH {
        Finding::warning(code, message, MEND)
    } else {
        Finding::ok(code, format!("this clock and the portal's are {seconds} seconds apart"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Result, *};

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let there = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(400_000);
        let judged = |seconds| compare(Some(there), there + SignedDuration::from_secs(seconds));
        for (seconds, result) in [
            (0, Result::Ok),
            (60, Result::Ok),
            (-61, Result::Warning),
            (3_601, Result::Failed),
            (-3_601, Result::Failed),
        ] {
            let found = judged(seconds);
            assert_eq!(found.result, result, "{found:?}");
            assert_eq!(found.mend.is_some(), result > Result::Ok, "{found:?}");
        }
        assert!(judged(-100_000).message.contains("100000 seconds behind"));
        assert_eq!(compare(None, there).result, Result::Skipped);
    }
}

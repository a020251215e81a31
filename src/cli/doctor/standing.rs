//! What the agent itself says of its license, its hardware and its clock.

use super::Finding;
use crate::entitlement::{Condition, ConditionType, Status};

pub(super) fn check(status: Option<&Status>, findings: &mut Vec<Finding>) {
    let Some(status) = status else {
        findings.push(Finding::skipped("license", "the agent does not answer"));
        return;
    };
    let message = format!("{}: {}", status.state, status.message);
    findings.push(if status.entitled {
        Finding::ok("license", message)
    } else {
        Finding::failed("license", message, "the sentence names the command")
    });
    let serial = status.serial_number.map_or("none".to_owned(), |serial| serial.to_string());
    findings.push(if let (Some(_), Some(hardware)) = (&status.serial_number, &status.hardware) {
        let (verdict, score) = (hardware.verdict, hardware.score);
        Finding::ok("hardware", format!("Serial Number {serial}, hardware {verdict} ({score} %)"))
    } else {
        let mend = "`entitlectl hardware` shows each fact";
        Finding::failed("hardware", format!("Serial Number {serial}"), mend)
    });
    for condition in &status.conditions {
        let message = format!("{}: {}", condition.kind.as_str(), condition.message);
        findings.push(match condition.kind {
            kind if kind.informs() => Finding::ok("condition", message),
            ConditionType::CloneSuspected | ConditionType::HardwareChanged => {
                Finding::failed("condition", message, mend(condition))
            }
            _ => Finding::warning("condition", message, mend(condition)),
        });
    }
}

fn mend(condition: &Condition) -> &'static str {
    match (condition.kind, condition.reason.as_str()) {
        // What is wrong comes from a parser there, which knows no commands.
        (ConditionType::ConfigInvalid, "RootKeys") => {
            "install the vendor's package again, then `systemctl reload entitled`"
        }
        (ConditionType::ConfigInvalid, _) => {
            "mend the settings, try them by `entitled run --check-config`, then `systemctl reload entitled`"
        }
        _ => "the sentence says how",
    }
}

//! The hardware behind the Serial Number: whether it is known, what could not be read, and whether root has collected anew.

use super::{Code, Finding, Patient};
use crate::{
    entitlement::Status,
    identity::{COLLECTED_FACTS, FactState, Group, HardwareReport, Verdict},
};
use std::{fs, io, os::unix::fs::MetadataExt};

const COLLECT: &str = "`systemctl start entitled-hardware.service` reads what only root may; `entitlectl hardware` shows each fact";

pub(super) async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let Some(status) = &patient.status else {
        return findings.push(Finding::skipped(Code::Hardware, "the agent does not answer"));
    };
    findings.push(judge(status));
    findings.push(check_collected());
    match patient.agent.get::<HardwareReport>("/v1/hardware").await {
        Ok(report) => findings.push(check_tpm(&report)),
        Err(error) => findings.push(Finding::skipped(Code::Tpm, error.to_string())),
    }
}

fn judge(status: &Status) -> Finding {
    let code = Code::Hardware;
    let serial = status.serial_number.map_or("none".to_owned(), |serial| serial.to_string());
    let (Some(_), Some(hardware)) = (&status.serial_number, &status.hardware) else {
        let message = format!(
            "expected a Serial Number, found {serial}: there is no credible evidence, or it could not be read"
        );
        return Finding::failed(
            code,
            message,
            format!("{COLLECT}; a machine without evidence needs [identity] override"),
        );
    };
    let (verdict, score) = (hardware.verdict, hardware.score);
    let message = format!("Serial Number {serial}, hardware {verdict} ({score} %)");
    match verdict {
        Verdict::DifferentMachine => Finding::failed(
            code,
            message,
            "on the machine that it was: put the parts back; on this one: `entitlectl rebind`",
        ),
        Verdict::Degraded => Finding::warning(code, message, COLLECT),
        _ => Finding::ok(code, message),
    }
}

/// What the unit of a moment has left for an agent without root. It is written anew at each boot.
fn check_collected() -> Finding {
    let code = Code::HardwareFacts;
    let found = match fs::metadata(COLLECTED_FACTS) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!(
                "there is no {COLLECTED_FACTS}: the agent reads by itself, as root or with less"
            );
            return Finding::skipped(code, message);
        }
        Err(error) => {
            let message = format!("{COLLECTED_FACTS} can't be looked at: {error}");
            return Finding::skipped(code, message);
        }
    };
    let mode = found.mode() & 0o7777;
    if found.uid() != 0 || mode & 0o022 != 0 {
        let message = format!(
            "expected {COLLECTED_FACTS} to be root's and writable by root only, found owner {} and mode {mode:04o}: it is not believed",
            found.uid()
        );
        return Finding::failed(
            code,
            message,
            format!("`rm {COLLECTED_FACTS}`, then `systemctl start entitled-hardware.service`"),
        );
    }
    Finding::ok(
        code,
        format!("root has collected in {COLLECTED_FACTS} what the agent may not read"),
    )
}

fn check_tpm(report: &HardwareReport) -> Finding {
    let code = Code::Tpm;
    let of_tpm: Vec<_> = report
        .facts
        .iter()
        .map(|fact| &fact.comparison)
        .filter(|fact| fact.group == Group::T)
        .collect();
    let unreadable = of_tpm.iter().find(|fact| fact.state == FactState::Unreadable);
    if let Some(fact) = unreadable {
        let why = fact.why.as_deref().unwrap_or("no reason was told");
        let message = format!("expected the TPM's endorsement key, found it unreadable: {why}");
        return Finding::warning(code, message, COLLECT);
    }
    let read = of_tpm.iter().any(|fact| fact.state == FactState::Read);
    let message = if read {
        "its endorsement key is read"
    } else {
        "there is none, or it has no endorsement key"
    };
    Finding::ok(code, message)
}

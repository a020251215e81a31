//! One line for monitors, by the guidelines of the Monitoring Plugins project.

use super::{
    CliError, Output,
    arguments::CheckOptions,
    client::Agent,
    output::{print, print_json, shown},
};
use crate::entitlement::{ConditionType, State, Status};
use std::fmt::Write;

/// What a monitor makes of it; its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Service {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl Service {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Checks. Whatever happens there is one line, and an exit code that monitors know.
pub(super) async fn check(agent: &Agent, output: Output, options: &CheckOptions) -> u8 {
    let (service, line) = match agent.status().await {
        Ok(status) => {
            let service = judge(&status, options);
            (service, line(service, &status, options))
        }
        Err(error) => (Service::Unknown, unknown(&error)),
    };
    let written = if output.json {
        print_json(&serde_json::json!({ "service": service.word(), "line": line }))
    } else {
        print(&line)
    };
    match written {
        Ok(()) => service as u8,
        Err(_) => Service::Unknown as u8,
    }
}

fn judge(status: &Status, options: &CheckOptions) -> Service {
    let by_state = match status.state {
        State::Active | State::Expiring => by_days(status, options),
        State::Grace | State::Restricted | State::Invalid | State::Unlicensed => Service::Critical,
    };
    let by_conditions = status.conditions.iter().map(|condition| match condition.kind {
        kind if kind.informs() => Service::Ok,
        ConditionType::HardwareChanged | ConditionType::CloneSuspected => Service::Critical,
        _ => Service::Warning,
    });
    by_conditions.max().unwrap_or(Service::Ok).max(by_state)
}

fn by_days(status: &Status, options: &CheckOptions) -> Service {
    match status.license.as_ref().map(|license| license.days_left) {
        Some(days) if days <= options.critical => Service::Critical,
        Some(days) if days <= options.warning => Service::Warning,
        _ => Service::Ok,
    }
}

fn line(service: Service, status: &Status, options: &CheckOptions) -> String {
    let mut line = format!("ENTITLED {} - {}", service.word(), status.state);
    if let Some(environment) = &status.environment {
        // Writing to a string does not fail.
        let _ = write!(line, " for {}", text(&environment.name));
    }
    let _ = write!(line, ": {}", text(&status.message));
    for condition in &status.conditions {
        let _ = write!(line, "; {}", condition.kind.as_str());
    }
    line + &performance(status, options)
}

/// Performance data, by the same thresholds as the verdict: an alert inside `@0:30`, and for a limit above it.
fn performance(status: &Status, options: &CheckOptions) -> String {
    let mut line = String::new();
    if let Some(license) = &status.license {
        let CheckOptions { warning, critical } = options;
        // Writing to a string does not fail.
        let _ = write!(line, " days_left={};@0:{warning};@0:{critical};0", license.days_left);
    }
    for (name, limit) in &status.limits {
        let Some(used) = limit.used else { continue };
        let most = limit.limit.map_or(String::new(), |most| most.to_string());
        let _ = write!(line, " '{}'={used};{most};;0", label(name));
    }
    if line.is_empty() { line } else { format!(" |{line}") }
}

fn unknown(error: &CliError) -> String {
    format!("ENTITLED UNKNOWN - {}", text(&error.to_string()))
}

/// Text that can stand before the performance data: `|` begins those.
fn text(text: &str) -> String {
    shown(text).replace('|', "/")
}

/// A label of performance data may have neither quotes nor equal signs.
fn label(name: &str) -> String {
    shown(name).replace(['\'', '=', '|'], "_")
}

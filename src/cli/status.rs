//! The status for people.

use super::{CliError, DONE, NOT_ENTITLED, Output, client::Agent, output::shown};
use crate::entitlement::{LicenseSource, LicenseStatus, LimitState, LimitStatus, Role, Status};
use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write;

pub(super) async fn show(agent: &Agent, output: Output) -> Result<u8, CliError> {
    let status = agent.status().await?;
    output.answer(&status, |status| summary(status, Timestamp::now()))?;
    Ok(if status.entitled { DONE } else { NOT_ENTITLED })
}

/// The status as a page of text; `now` is for 'an hour ago'.
pub fn summary(status: &Status, now: Timestamp) -> String {
    let mut page = Page(String::new());
    let colour = if status.entitled { AnsiColor::Green } else { AnsiColor::Red };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let environment = status.environment.as_ref();
    let name = environment
        .map_or("This environment".to_owned(), |e| format!("{} ({})", shown(&e.name), e.purpose));
    let verdict = if status.entitled { "entitled" } else { "not entitled" };
    page.line(&format!("{name}: {style}{}, {verdict}{style:#}", status.state));
    page.line(&format!("  {}", shown(&status.message)));
    let serial = status.serial_number.map_or("none".to_owned(), |serial| serial.to_string());
    page.row("Serial Number", &serial);
    if let Some(license) = &status.license {
        page.license(license, now);
    }
    let features: Vec<_> =
        status.features.iter().map(|(name, value)| feature(name, value)).collect();
    page.rows("Features", &features);
    let limits: Vec<_> = status.limits.iter().map(|(name, value)| limit(name, value)).collect();
    page.rows("Limits", &limits);
    let upstream = if status.role == Role::Member { "Controller" } else { "Portal" };
    page.row(upstream, &portal(status, now));
    if let Some(hardware) = &status.hardware {
        page.row("Hardware", &format!("{} ({} % agrees)", hardware.verdict, hardware.score));
    }
    let conditions: Vec<_> = (status.conditions.iter())
        .map(|condition| {
            let (kind, message) = (condition.kind.as_str(), shown(&condition.message));
            format!("{kind} since {}: {message}", day(condition.since))
        })
        .collect();
    page.rows("Conditions", &conditions);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn row(&mut self, name: &str, value: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "  {name:<16} {value}");
    }

    fn rows(&mut self, name: &str, values: &[String]) {
        for (i, value) in values.iter().enumerate() {
            self.row(if i == 0 { name } else { "" }, value);
        }
    }

    fn license(&mut self, license: &LicenseStatus, now: Timestamp) {
        let trial = if license.trial { ", a trial" } else { "" };
        self.row(
            "Subscription",
            &format!(
                "{}, support {}{trial}",
                shown(&license.edition),
                shown(&license.support_level)
            ),
        );
        if let Some(code) = &license.activation_code {
            self.row("Activation Code", code);
        }
        let left = match license.days_left {
            ..=0 => format!("ended {}", ago(license.ends_at, now)),
            1 => "1 day left".to_owned(),
            days => format!("{days} days left"),
        };
        let (from, to) = (day(license.starts_at), day(license.ends_at));
        self.row("Term", &format!("{from} to {to}, {left}"));
        self.row("Grace", &format!("to {}", day(license.grace_ends_at)));
        let source = match license.source {
            LicenseSource::Portal => "from the portal",
            LicenseSource::File => "carried by hand",
            LicenseSource::Controller => "from the controller",
            LicenseSource::Member => "from a member that had kept it",
            LicenseSource::Other => "by a road that this program does not know",
        };
        self.row(
            "License",
            &format!(
                "sequence {}, issued {}, {source}",
                license.sequence,
                ago(license.issued_at, now)
            ),
        );
    }
}

fn feature(name: &str, value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Bool(true) => shown(name),
        serde_json::Value::Bool(false) => format!("{} (no)", shown(name)),
        serde_json::Value::String(text) => format!("{} = {}", shown(name), shown(text)),
        other => format!("{} = {other}", shown(name)),
    }
}

fn limit(name: &str, limit: &LimitStatus) -> String {
    let name = shown(name);
    let Some(most) = limit.limit else {
        let used = limit.used.map_or(String::new(), |used| format!(", {used} in use"));
        return format!("{name}: unlimited{used}");
    };
    let note = match limit.state {
        LimitState::Exceeded => ", exceeded",
        LimitState::Reached => ", reached",
        LimitState::Near => ", near",
        _ => "",
    };
    let hard = match limit.enforcement {
        crate::license::Enforcement::Hard => "hard",
        crate::license::Enforcement::Soft => "soft",
    };
    match limit.used {
        Some(used) => format!("{name}: {used} of {most} ({hard}{note})"),
        None => format!("{name}: {most} at most, usage is not reported ({hard})"),
    }
}

fn portal(status: &Status, now: Timestamp) -> String {
    let upstream = &status.upstream;
    let Some(url) = &upstream.url else {
        return match status.role {
            Role::Controller => "none is set; licenses are carried by hand".to_owned(),
            Role::Member => "none is known; `entitlectl join ADDRESS`".to_owned(),
        };
    };
    let heard = match upstream.last_contact {
        Some(at) => format!("last answered {}", ago(at, now)),
        None => "never answered yet".to_owned(),
    };
    let reachable = if upstream.reachable == Some(false) { ", can't be reached" } else { "" };
    let next =
        upstream.next_refresh.map_or(String::new(), |at| format!(", asked next {}", ago(at, now)));
    format!("{}: {heard}{reachable}{next}", shown(url))
}

pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2 hours ago`, `in 3 days`, `just now`.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let distance = now.duration_since(at);
    let amount = distance.abs();
    if amount < SignedDuration::from_secs(2) {
        return "just now".to_owned();
    }
    let (seconds, word) = match amount.as_secs() {
        0..120 => (1, "seconds"),
        120..7_200 => (60, "minutes"),
        7_200..172_800 => (3_600, "hours"),
        _ => (86_400, "days"),
    };
    let count = amount.as_secs() / seconds;
    if distance.is_negative() {
        format!("in {count} {word}")
    } else {
        format!("{count} {word} ago")
    }
}

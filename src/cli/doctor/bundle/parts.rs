//! What goes into the archive, each part by itself: one that can't be had is named, and the others are still of use.

use crate::{
    cli::{
        CliError,
        doctor::{Finding, Patient, masking::MASK, settings::fragments},
    },
    config::Fragment,
    entitlement::Role,
    license::{TrustClaims, Unverified},
    store::{inspect, read_events},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Stdio, time::Duration};
use tokio::process::Command;

/// So many audit entries.
const EVENTS: u32 = 1_000;
/// How long a program of the system may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What of a unit is told: not its environment, where people put secrets.
const OF_UNITS: &str = "--property=Id,LoadState,ActiveState,SubState,Result,UnitFileState,NRestarts,ExecMainStatus,ExecMainCode,ActiveEnterTimestamp,FragmentPath,DropInPaths,NeedDaemonReload,MemoryCurrent";
const UNITS: [&str; 6] = [
    "entitled.service",
    "entitled.socket",
    "entitled-usage.socket",
    "entitled-admin.socket",
    "entitled-hardware.service",
    "entitled-hardware.timer",
];

/// The texts by their names, and what could not be had.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) texts: Vec<(String, String)>,
    pub(super) missing: Vec<String>,
}

impl Parts {
    fn add(&mut self, name: &str, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.texts.push((name.to_owned(), text + "\n")),
            Err(error) => self.miss(name, &error.to_string()),
        }
    }

    fn miss(&mut self, name: &str, why: &str) {
        self.missing.push(format!("{name}: {why}"));
    }

    fn take(&mut self, name: &str, value: Result<Value, CliError>) {
        match value {
            Ok(value) => self.add(name, &value),
            Err(error) => self.miss(name, &error.to_string()),
        }
    }
}

/// Collects everything, in bounded time.
pub(super) async fn collect(patient: &Patient<'_>, findings: &[Finding]) -> Parts {
    let mut parts = Parts::default();
    parts.add("findings.json", &findings);
    of_agent(patient, &mut parts).await;
    of_settings(patient, &mut parts);
    of_store(&patient.state_directory(), &mut parts);
    of_versions(&mut parts);
    let show = ["show", "--no-pager", OF_UNITS].into_iter().chain(UNITS);
    of_program("unit.txt", Command::new("systemctl").args(show), &mut parts).await;
    let tail = ["--unit=entitled.service", "--lines=1000", "--no-pager", "--output=short-iso"];
    of_program("journal.txt", Command::new("journalctl").args(tail), &mut parts).await;
    parts
}

async fn of_agent(patient: &Patient<'_>, parts: &mut Parts) {
    let agent = patient.agent;
    let Some(status) = &patient.status else {
        // The audit is in the database as well.
        match read_events(&patient.state_directory(), EVENTS) {
            Ok(events) => parts.add("events.json", &events),
            Err(error) => parts.miss("events.json", &error.to_string()),
        }
        return parts
            .miss("status, license, hardware, metrics, members", "the agent does not answer");
    };
    parts.add("status.json", status);
    parts.take("hardware.json", agent.get("/v1/hardware").await);
    match agent.metrics().await {
        Ok(metrics) => parts.texts.push(("metrics.txt".to_owned(), metrics)),
        Err(error) => parts.miss("metrics.txt", &error.to_string()),
    }
    if status.role == Role::Controller {
        parts.take("members.json", agent.get_as_admin("/v1/members").await);
    }
    let events = agent.get_as_admin(&format!("/v1/events?limit={EVENTS}")).await;
    parts.take("events.json", events);
    match agent.get("/v1/license").await {
        Ok(held) => of_license(&held, parts),
        Err(error) => parts.miss("license.json", &error.to_string()),
    }
}

/// Claims alone: a license that is bound to the Serial Number only would be of use to whoever has it whole.
fn of_license(held: &Value, parts: &mut Parts) {
    parts.add("license.json", &held.get("claims"));
    let trust = held.get("trust").and_then(Value::as_str).unwrap_or_default();
    match Unverified::parse(trust).and_then(|document| document.peek::<TrustClaims>()) {
        Ok(claims) => parts.add("trust.json", &claims),
        Err(error) => parts.miss("trust.json", &error.to_string()),
    }
}

/// As they are read, not as they are written: comments may say anything.
fn of_settings(patient: &Patient<'_>, parts: &mut Parts) {
    let mut files = fragments(&patient.file);
    if files.is_empty() {
        parts.miss("settings", &format!("{} can't be read", patient.file.display()));
    }
    let last_good = patient.state_directory().join("last-good.toml");
    files.extend(Fragment::read(&last_good).ok().map(|fragment| (last_good, fragment)));
    for (path, fragment) in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let in_folder = path.parent().and_then(Path::file_name).is_some_and(|n| n == "conf.d");
        let folder = if in_folder { "settings/conf.d" } else { "settings" };
        match toml::to_string(&masked(fragment)) {
            Ok(text) => parts.texts.push((format!("{folder}/{name}"), text)),
            Err(error) => parts.miss(&name, &error.to_string()),
        }
    }
}

fn masked(mut fragment: Fragment) -> Fragment {
    // Passwords in addresses are masked with every other text.
    let over = &mut fragment.identity.r#override;
    *over = over.as_ref().map(|_| MASK.to_owned());
    let url = &mut fragment.webhook.url;
    *url = url.take().map(|url| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
        let authority = rest.split('/').next().unwrap_or_default();
        format!("{scheme}://{authority}/{MASK}")
    });
    fragment
}

fn of_store(directory: &Path, parts: &mut Parts) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return parts.miss("store.json", &error.to_string()),
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let found = entry.metadata().ok()?;
            let changed_at = Timestamp::from_second(found.mtime()).ok();
            Some(json!({
                "name": entry.file_name().to_string_lossy(),
                "bytes": found.len(),
                "mode": format!("{:04o}", found.mode() & 0o7777),
                "owner": found.uid(),
                "changed_at": changed_at,
            }))
        })
        .collect();
    files.sort_by_key(|file| file["name"].to_string());
    let database = match inspect(directory) {
        Ok(found) => found.map_or(Value::Null, |found| {
            json!({
                "layout": found.layout,
                "known_layout": found.known_layout,
                "bytes": found.bytes,
                "revision": found.revision,
                "events": found.events,
                "copy": found.copy.map(|copy| json!({ "revision": copy.revision, "waiting": copy.waiting })),
            })
        }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    parts.add("store.json", &json!({ "database": database, "files": files }));
}

fn of_versions(parts: &mut Parts) {
    let system = rustix::system::uname();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let release = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    parts.add(
        "versions.json",
        &json!({
            "entitlectl": env!("CARGO_PKG_VERSION"),
            "system": release.map(|name| name.trim_matches('"')),
            "kernel": system.release().to_string_lossy(),
            "architecture": system.machine().to_string_lossy(),
            "user": rustix::process::geteuid().as_raw(),
            "collected_at": Timestamp::now(),
        }),
    );
}

/// What a program of the system says, where it is there and answers in time.
async fn of_program(name: &str, program: &mut Command, parts: &mut Parts) {
    let asking = program.stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(output)) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            parts.texts.push((name.to_owned(), text));
        }
        Ok(Ok(output)) => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            parts.miss(name, &why);
        }
        Ok(Err(error)) => parts.miss(name, &error.to_string()),
        Err(_) => parts.miss(name, "it took too long"),
    }
}

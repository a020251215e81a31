//! `entitlectl doctor`: tries what can be wrong, and says how to mend it.
//!
//! Each check is a small function in the file of its subject, with stable codes (`code`). None of them changes anything, each
//! has its time, and each says what it tried where nothing is wrong. `bundle` writes what was found, and what support asks for
//! next, into an archive; `masking` keeps secrets out of both.

mod agent;
mod bundle;
mod clock;
mod code;
mod controller;
mod files;
mod hardware;
mod masking;
mod members;
mod monitors;
mod portal;
mod reach;
mod settings;
mod sockets;
mod standing;
mod store;
mod trust;

use super::{CliError, DONE, Output, client::Agent, output::shown};
use crate::{
    config::Settings,
    entitlement::{Role, Status},
};
use code::Code;
use masking::Masking;
use serde::Serialize;
use std::{fmt::Write, path::PathBuf};

/// The options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorOptions {
    /// The agent's settings
    #[arg(long, default_value = "/etc/entitled/entitled.toml", value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Also write an archive for support (tar.gz, every secret masked): a new file, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Result {
    /// Nothing is wrong.
    Ok,
    /// It could not be tried.
    Skipped,
    /// Something may become wrong.
    Warning,
    /// Something is wrong.
    Failed,
}

/// One finding.
#[derive(Debug, Serialize)]
struct Finding {
    /// A stable code, by which the documents have it.
    code: Code,
    /// What was found.
    result: Result,
    /// A sentence.
    message: String,
    /// What mends it, with the command.
    mend: Option<String>,
}

impl Finding {
    fn ok(code: Code, message: impl Into<String>) -> Self {
        Self { code, result: Result::Ok, message: message.into(), mend: None }
    }

    fn skipped(code: Code, message: impl Into<String>) -> Self {
        Self { code, result: Result::Skipped, message: message.into(), mend: None }
    }

    fn warning(code: Code, message: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { code, result: Result::Warning, message: message.into(), mend }
    }

    fn failed(code: Code, message: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { code, result: Result::Failed, message: message.into(), mend }
    }
}

/// What the checks go by.
struct Patient<'a> {
    agent: &'a Agent,
    /// The file of the settings.
    file: PathBuf,
    /// The settings, where they can be read and are sound.
    settings: Option<Settings>,
    /// What the agent says, where it answers.
    status: Option<Status>,
}

impl Patient<'_> {
    fn state_directory(&self) -> PathBuf {
        match &self.settings {
            Some(settings) => settings.state_directory.clone(),
            None => settings::state_directory(&self.file),
        }
    }

    fn role(&self) -> Role {
        let status = self.status.as_ref().map(|status| status.role);
        let configured = || self.settings.as_ref().map(|settings| settings.role);
        status.or_else(configured).unwrap_or(Role::Controller)
    }
}

/// Tries everything, in the order in which things depend on each other; writes the archive where one is asked for.
pub(super) async fn doctor(
    agent: &Agent,
    output: Output,
    options: DoctorOptions,
) -> std::result::Result<u8, CliError> {
    // What can't be written is said before anything is tried.
    let archive = options.bundle.map(bundle::Target::open).transpose()?;
    let mut findings = Vec::new();
    let settings = settings::check(&options.config, &mut findings);
    let mut patient = Patient { agent, file: options.config, settings, status: None };
    examine(&mut patient, &mut findings).await;
    let masking = Masking::of(&patient);
    for finding in &mut findings {
        finding.message = masking.mask(&finding.message);
        finding.mend = finding.mend.as_deref().map(|mend| masking.mask(mend));
    }
    let mut note = String::new();
    if let Some(target) = archive {
        match target.write(&patient, &findings, &masking).await? {
            Some(place) => {
                let place = place.display();
                note = format!("\nwritten: {place}; README.txt in it says what is there\n");
            }
            // On standard output there is the archive alone.
            None => return Ok(verdict(&findings)),
        }
    }
    output.answer(&findings, |findings| page(findings) + &note)?;
    Ok(verdict(&findings))
}

fn verdict(findings: &[Finding]) -> u8 {
    let failed = findings.iter().any(|finding| finding.result == Result::Failed);
    if failed { 1 } else { DONE }
}

async fn examine(patient: &mut Patient<'_>, findings: &mut Vec<Finding>) {
    files::check(patient, findings);
    store::check(patient, findings);
    sockets::check(patient.agent, findings);
    patient.status = agent::check(patient.agent, findings).await;
    trust::check(patient, findings).await;
    clock::check_synchronised(findings).await;
    if patient.role() == Role::Member {
        controller::check(patient, findings).await;
    } else {
        portal::check(patient, findings).await;
        members::check(patient, findings).await;
    }
    monitors::check(patient, findings).await;
    hardware::check(patient, findings).await;
    standing::check(patient.status.as_ref(), findings);
}

fn page(findings: &[Finding]) -> String {
    let mut page = String::new();
    for Finding { code, result, message, mend } in findings {
        let word = match result {
            Result::Ok => "ok",
            Result::Skipped => "-",
            Result::Warning => "warning",
            Result::Failed => "FAILED",
        };
        // Writing to a string does not fail.
        let _ = writeln!(page, "{word:<8} {code:<18} {}", shown(message));
        if let Some(mend) = mend {
            let _ = writeln!(page, "{:<8} {:<18} mend: {}", "", "", shown(mend));
        }
    }
    let count = |wanted| findings.iter().filter(|finding| finding.result == wanted).count();
    let (failed, warnings) = (count(Result::Failed), count(Result::Warning));
    let _ = writeln!(page, "\n{} checks: {failed} failed, {warnings} warnings", findings.len());
    page
}

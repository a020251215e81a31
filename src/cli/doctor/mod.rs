//! `entitlectl doctor`: tries what can be wrong, and says how to mend it.
//!
//! Each check is a small function in the file of its subject, with a stable code. None of them changes anything.

mod agent;
mod controller;
mod files;
mod portal;
mod settings;
mod standing;

use super::{CliError, DONE, Output, client::Agent, output::shown};
use crate::entitlement::Role;
use serde::Serialize;
use std::{fmt::Write, path::PathBuf};

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
pub(super) struct Finding {
    /// A stable code, by which the documents have it.
    code: &'static str,
    /// What was found.
    result: Result,
    /// A sentence.
    message: String,
    /// What mends it.
    mend: Option<String>,
}

impl Finding {
    fn ok(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, result: Result::Ok, message: message.into(), mend: None }
    }

    fn skipped(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, result: Result::Skipped, message: message.into(), mend: None }
    }

    fn warning(code: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { code, result: Result::Warning, message: message.into(), mend }
    }

    fn failed(code: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { code, result: Result::Failed, message: message.into(), mend }
    }
}

/// Tries everything, in the order in which things depend on each other.
pub(super) async fn doctor(
    agent: &Agent,
    output: Output,
    config: PathBuf,
) -> std::result::Result<u8, CliError> {
    let mut findings = Vec::new();
    let settings = settings::check(&config, &mut findings);
    files::check(settings.as_ref(), &mut findings);
    let status = agent::check(agent, &mut findings).await;
    let url = status.as_ref().and_then(|status| status.upstream.url.clone());
    let role = status.as_ref().map(|status| status.role);
    let role = role.or(settings.as_ref().map(|settings| settings.role));
    if role == Some(Role::Member) {
        controller::check(url, settings.as_ref(), &mut findings).await;
    } else {
        let configured = settings.as_ref().and_then(|settings| settings.portal_url.clone());
        portal::check(url.or(configured), settings.as_ref(), &mut findings).await;
    }
    standing::check(status.as_ref(), &mut findings);
    output.answer(&findings, |findings| page(findings))?;
    let failed = findings.iter().any(|finding| finding.result == Result::Failed);
    Ok(if failed { 1 } else { DONE })
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

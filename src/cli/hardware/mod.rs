//! The Serial Number, and the hardware behind it.

mod files;

use super::{
    CliError, DONE, Output,
    arguments::{HardwareCommand, HardwareOptions},
    client::Agent,
    output::shown,
    status::day,
};
use crate::{
    codes::SerialNumber,
    identity::{
        COLLECTED_FACTS, FactState, Hardware, HardwareReport, Machine, ReportedFact, Survey,
    },
};
use comfy_table::{ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// Where the agent keeps its state on this machine, for the disk below it.
const STATE_DIRECTORY: &str = "/var/lib/entitled";

#[derive(Debug, Serialize, Deserialize)]
struct Serial {
    serial_number: SerialNumber,
}

/// Prints the Serial Number: the agent's, or the one that a tree would give.
pub(super) async fn serial(
    agent: &Agent,
    output: Output,
    root: Option<PathBuf>,
) -> Result<u8, CliError> {
    let serial = match root {
        Some(root) => Serial { serial_number: survey(&root)?.mint()?.serial_number },
        None => agent.get("/v1/serial").await?,
    };
    output.answer(&serial, |serial| serial.serial_number.to_string())?;
    Ok(DONE)
}

/// Shows each fact: as the agent read it, or of a captured tree or a saved report; or does what the subcommand says.
pub(super) async fn hardware(
    agent: &Agent,
    output: Output,
    options: HardwareOptions,
) -> Result<u8, CliError> {
    let HardwareOptions { command, from } = options;
    match command {
        None => {
            let report = match files::read(&from)? {
                Some(report) => report,
                None => agent.get("/v1/hardware").await?,
            };
            output.answer(&report, page)?;
        }
        Some(HardwareCommand::Enroll { root }) => files::enroll(&root)?,
        Some(HardwareCommand::Explain { from, enrolled }) => {
            output.answer(&files::explain(&from, &enrolled)?, page)?;
        }
        Some(HardwareCommand::Report { root, raw }) => files::report(&root, raw)?,
        Some(HardwareCommand::Collect { output: file }) => files::collect(&file)?,
    }
    Ok(DONE)
}

fn survey(root: &Path) -> Result<Survey, CliError> {
    let found = root.metadata();
    let found = found.and_then(|m| {
        if m.is_dir() { Ok(()) } else { Err(std::io::ErrorKind::NotADirectory.into()) }
    });
    found.map_err(|source| CliError::File { path: root.to_owned(), source })?;
    Ok(Machine::at(root, STATE_DIRECTORY).with_collected(COLLECTED_FACTS).survey())
}

fn page(report: &HardwareReport) -> String {
    let mut page = String::new();
    let serial = match (&report.serial_number, &report.source) {
        (Some(serial), Some(source)) => format!("{serial}, from {source}"),
        _ => "none".to_owned(),
    };
    // Writing to a string does not fail.
    let _ = writeln!(page, "Serial Number  {serial}");
    let _ = writeln!(page, "Machine        {}", report.machine);
    if let (Some(verdict), Some(score)) = (report.verdict, report.score) {
        let why = report.message.as_deref().map_or(String::new(), |why| format!(": {why}"));
        let _ = writeln!(page, "Verdict        {verdict}, {score} % agrees{}", shown(&why));
    }
    let _ = writeln!(page, "Read           {}", day(report.read_at));
    if let Some(problem) = &report.problem {
        let _ = writeln!(page, "{}", shown(problem));
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["GROUP", "FACT", "WHERE", "NOW", "ENROLLED", "WEIGHT", "RESULT"]);
    for fact in &report.facts {
        table.add_row(row(fact));
    }
    let _ = write!(page, "\n{table}");
    page
}

fn row(fact: &ReportedFact) -> [String; 7] {
    let fact = &fact.comparison;
    let now = match (&fact.digest, &fact.why) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(why)) => format!("{}: {}", state(fact.state), shown(why)),
        (None, None) => state(fact.state).to_owned(),
    };
    [
        fact.group.name().to_owned(),
        fact.source.name().to_owned(),
        shown(&fact.place),
        now,
        fact.enrolled.map_or("-".to_owned(), |digest| digest.to_string()),
        fact.weight.to_string(),
        fact.result.to_string(),
    ]
}

const fn state(state: FactState) -> &'static str {
    match state {
        FactState::Read => "read",
        FactState::Absent => "absent",
        FactState::Unreadable => "unreadable",
        FactState::Placeholder => "placeholder",
    }
}

//! Trees, reports and enrolments as files, so that a support engineer reproduces a verdict without the machine.
//!
//! Their digests are keyed by a key that is the same everywhere ([`LocalSecret::for_files`]): any two of them can be
//! compared, and whoever has one can try out identifiers against it.

use super::{STATE_DIRECTORY, survey};
use crate::{
    cli::{CliError, arguments::HardwareSource, output::print_json},
    identity::{Enrolled, HardwareReport, LocalSecret, Machine},
    store::write_durably_for_group,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};
use zeroize::Zeroizing;

/// The report of a captured tree or of a file; nothing where the agent is to be asked.
pub(super) fn read(from: &HardwareSource) -> Result<Option<HardwareReport>, CliError> {
    match from {
        HardwareSource { root: Some(root), .. } => {
            let secret = LocalSecret::for_files();
            Ok(Some(HardwareReport::new(&survey(root)?, None, &secret, Timestamp::now())))
        }
        HardwareSource { report: Some(file), .. } => read_json(file, A_REPORT).map(Some),
        HardwareSource { root: None, report: None } => Ok(None),
    }
}

/// Prints what would be stored for the machine of a tree.
pub(super) fn enroll(root: &Path) -> Result<(), CliError> {
    let survey = survey(root)?;
    let minted = survey.mint()?;
    let now = Timestamp::now();
    print_json(&Enrolled::enroll(&minted, &survey, &LocalSecret::for_files(), now))
}

/// Judges a tree or a report by an enrolment.
pub(super) fn explain(from: &HardwareSource, enrolled: &Path) -> Result<HardwareReport, CliError> {
    let enrolled: Enrolled = read_json(enrolled, "what `entitlectl hardware enroll` printed")?;
    let now = Timestamp::now();
    match from {
        HardwareSource { report: Some(file), .. } => {
            let report: HardwareReport = read_json(file, A_REPORT)?;
            Ok(report.explained_by(&enrolled, now))
        }
        HardwareSource { root, .. } => {
            let root = root.as_deref().unwrap_or(Path::new("/"));
            let secret = LocalSecret::for_files();
            Ok(HardwareReport::new(&survey(root)?, Some(&enrolled), &secret, now))
        }
    }
}

/// Prints a report for support: digests, and the identifiers themselves where they are asked for.
pub(super) fn report(root: &Path, raw: bool) -> Result<(), CliError> {
    let survey = survey(root)?;
    let secret = LocalSecret::for_files();
    let report = HardwareReport::new(&survey, None, &secret, Timestamp::now());
    print_json(&if raw { report.with_raw(&survey, &secret) } else { report })
}

/// Leaves what root can read for the agent, in a file that its directory's group may read.
pub(super) fn collect(file: &Path) -> Result<(), CliError> {
    let error = |source| CliError::File { path: file.to_owned(), source };
    let facts = Machine::live(STATE_DIRECTORY).collect();
    let text = facts.to_json().map_err(|e| error(io::Error::other(e)))?;
    if is_there(file, text.as_bytes()) {
        // What is written is news to the agent, which then reads the hardware; nothing new is none.
        return Ok(());
    }
    // Whole, and for the group from the first: the agent looks as soon as it is there.
    write_durably_for_group(file, text.as_bytes())
        .map_err(|e| error(io::Error::other(e.to_string())))
}

/// Whether the file has these contents already, and nobody but root can have written them.
fn is_there(file: &Path, contents: &[u8]) -> bool {
    const FOR_THE_GROUP: u32 = 0o100_640;
    let as_written = |found: fs::Metadata| found.uid() == 0 && found.mode() == FOR_THE_GROUP;
    file.symlink_metadata().is_ok_and(as_written)
        && fs::read(file).is_ok_and(|found| Zeroizing::new(found).as_slice() == contents)
}

const A_REPORT: &str = "what `entitlectl hardware report` printed";

fn read_json<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<T, CliError> {
    let error = |source| CliError::File { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(error)?;
    serde_json::from_str(&text).map_err(|e| {
        let found = format!("expected {expected}, found something else ({e})");
        error(io::Error::new(io::ErrorKind::InvalidData, found))
    })
}

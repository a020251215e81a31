//! What is wrong with the settings.

use crate::identity::MintError;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ConfigError {
    #[error(
        "could not read the settings {path} ({source}): `entitled run --config FILE` names another file"
    )]
    Read { path: PathBuf, source: io::Error },
    #[error("the settings {path} can't be used: {}{}", on_one_line(source), hint(nearest.as_ref()))]
    Syntax { path: PathBuf, nearest: Option<String>, source: Box<toml::de::Error> },
    #[error("the setting {name} is missing: {mend}")]
    Missing { name: &'static str, mend: &'static str },
    #[error("the setting {name}: expected {expected}, found {found:?}")]
    Value { name: &'static str, expected: &'static str, found: String },
    #[error(
        "the Activation Code in {path} can't be used: {reason}: [activation] code_file names the file that holds it"
    )]
    ActivationCode { path: PathBuf, reason: String },
    #[error("the setting identity.override: {reason}")]
    Override { reason: MintError },
    #[error("the portal can't be asked with these settings: {reason}")]
    Portal { reason: String },
    #[error("the settings of {file} can't be used: {source}")]
    In { file: PathBuf, source: Box<ConfigError> },
}

impl ConfigError {
    /// The same with the file that it is about, where it names none.
    pub(super) fn of(self, file: &Path) -> Self {
        match self {
            Self::Read { .. }
            | Self::Syntax { .. }
            | Self::ActivationCode { .. }
            | Self::In { .. } => self,
            other => Self::In { file: file.to_owned(), source: Box::new(other) },
        }
    }
}

/// What the parser says without its drawing of the line: conditions, monitors and logs have one line.
fn on_one_line(error: &toml::de::Error) -> String {
    let is_drawn = |line: &str| {
        line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|')
    };
    let told = error.to_string();
    let lines: Vec<_> =
        told.lines().map(str::trim).filter(|line| !line.is_empty() && !is_drawn(line)).collect();
    lines.join(": ")
}

fn hint(nearest: Option<&String>) -> String {
    nearest.map_or(String::new(), |name| format!("; did you mean {name}?"))
}

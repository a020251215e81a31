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
    #[error("the settings {path} can't be used: {}{}", source.to_string().trim_end(), hint(nearest.as_ref()))]
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

fn hint(nearest: Option<&String>) -> String {
    nearest.map_or(String::new(), |name| format!("\ndid you mean {name}?"))
}

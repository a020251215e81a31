//! How the log is written, and how much.

use super::ConfigError;
use tracing_subscriber::EnvFilter;

/// What [`log_directives`] takes.
pub const LOG_DIRECTIVES: &str =
    "error, warn, info, debug or trace, or directives as in `info,entitled=debug`";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Reads the setting; text where there is none.
    pub(super) fn read(text: Option<&str>) -> Result<Self, ConfigError> {
        match text {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(found) => Err(ConfigError::Value {
                name: "log.format",
                expected: "text or json",
                found: found.to_owned(),
            }),
        }
    }
}

/// Checks what says how much is logged. A word that is no level would silently turn the log off.
///
/// # Errors
/// The part that can't be used.
pub fn log_directives(text: &str) -> Result<&str, String> {
    let part = text.split(',').map(str::trim).find(|part| {
        let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part));
        !is_level && !part.contains('=')
    });
    match part {
        Some(part) => Err(part.to_owned()),
        None => EnvFilter::try_new(text).map(|_| text).map_err(|_| text.to_owned()),
    }
}

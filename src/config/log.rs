//! How the log is written, and how much.

use super::ConfigError;
use std::{env, io};
use tracing_subscriber::filter::Targets;

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
    /// To the journal, each field a field of its own.
    Journal,
}

impl LogFormat {
    /// Reads the setting. Where there is none: the journal where standard error leads there, as the service manager says, else
    /// text.
    pub(super) fn read(text: Option<&str>) -> Result<Self, ConfigError> {
        match text {
            None if leads_to_the_journal() => Ok(Self::Journal),
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some("journal") => Ok(Self::Journal),
            Some(found) => Err(ConfigError::Value {
                name: "log.format",
                expected: "text, json or journal",
                found: found.to_owned(),
            }),
        }
    }
}

/// Whether standard error is the stream that systemd connected to the journal (`$JOURNAL_STREAM`, systemd.exec(5)): a
/// program that was started from such a service and writes to a file of its own has the variable as well.
fn leads_to_the_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// Reads what says how much is logged. A word that is no level would silently turn the log off.
///
/// # Errors
/// The part that can't be used.
pub fn log_directives(text: &str) -> Result<Targets, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let part = parts.iter().find(|part| {
        let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part));
        !is_level && !part.contains('=')
    });
    match part {
        Some(part) => Err((*part).to_owned()),
        None => parts.join(",").parse().map_err(|_| text.to_owned()),
    }
}

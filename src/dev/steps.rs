//! Shows each step as it happens. A reader that went away does not stop the session.

use std::{
    fmt::Display,
    io::{self, Write},
    path::Path,
};

/// One step: a word for what, and what came of it.
pub(super) fn show(what: &str, outcome: impl Display) {
    let bold = anstyle::Style::new().bold();
    line(format_args!("{bold}{what:>13}{bold:#}  {outcome}"));
}

/// A line of its own.
pub(super) fn line(text: impl Display) {
    let mut out = anstream::AutoStream::auto(io::stdout());
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A file of the session's directory, named as the user named the directory.
pub(super) fn relative(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

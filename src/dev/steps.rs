//! Shows each step as it happens.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes steps for people. A reader that went away does not stop the session.
#[derive(Debug, Default)]
pub(super) struct Steps;

impl Steps {
    /// One step: a word for what, and what came of it.
    pub(super) fn show(&self, what: &str, outcome: impl Display) {
        let bold = anstyle::Style::new().bold();
        self.line(format_args!("{bold}{what:>13}{bold:#}  {outcome}"));
    }

    /// A line of its own.
    pub(super) fn line(&self, text: impl Display) {
        let mut out = anstream::AutoStream::auto(io::stdout());
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

//! What commands print: lines and tables for people, JSON for programs.

use crate::portal::PortalError;
use comfy_table::{Row, Table, presets};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, Write},
};

/// Standard output.
pub(super) struct Output {
    json: bool,
    out: io::Stdout,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json, out: io::stdout() }
    }

    /// Prints `value` as JSON where that is asked for, else what `human` returns.
    pub(super) fn show(
        &mut self,
        value: &impl Serialize,
        human: impl FnOnce() -> String,
    ) -> Result<(), PortalError> {
        if self.json {
            let text = serde_json::to_string_pretty(value)?;
            return self.line(text);
        }
        self.line(human())
    }

    /// Prints a line, at once.
    pub(super) fn line(&mut self, text: impl Display) -> Result<(), PortalError> {
        writeln!(self.out, "{text}")?;
        Ok(self.out.flush()?)
    }
}

/// A table without lines, as other commands on Unix print them.
pub(super) fn table<R: Into<Row>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.trim_fmt()
}

/// `name  value` lines, values below one another.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

/// A day, for lists.
pub(super) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

//! Where answers go: text for people, JSON for programs.

use super::CliError;
use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;
use std::io::{self, Write};
use tokio::sync::oneshot;

/// Standard output, in one of its two ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// One answer: as JSON, or as `text` says it.
    pub(super) fn answer<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.json { print_json(value) } else { print(&text(value)) }
    }
}

/// Prints JSON for programs.
pub(super) fn print_json<T: Serialize>(value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CliError::Output(e.into()))?;
    print(&text)
}

/// Prints one line of JSON, for streams.
pub(super) fn print_json_line<T: Serialize>(value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|e| CliError::Output(e.into()))?;
    print(&text)
}

/// Done when nobody reads standard output any more, so that a stream does not outlive its reader; never for a file.
pub(super) async fn reader_gone() {
    let (sender, gone) = oneshot::channel::<()>();
    // A thread of its own, since this wait ends with the process where the reader stays.
    let waiting = std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        // Errors and hang-ups are told though nothing is asked for (poll(2)).
        let out = io::stdout();
        let mut out = [PollFd::new(&out, PollFlags::empty())];
        if poll(&mut out, None).is_ok() {
            // Nobody may wait any more.
            let _ = sender.send(());
        }
    });
    if waiting.is_err() || gone.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Prints text with a line feed at its end. A reader that went away, as `head` does, is no error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = anstream::AutoStream::auto(io::stdout());
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") })
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// Foreign text for a terminal: without characters that would move its cursor.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

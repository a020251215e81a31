//! Secrets that a person types. `cli` and `portal::cli` call this; this calls nothing.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal, Stdin, Write};
use zeroize::Zeroizing;

/// Whether a person types at standard input.
pub(crate) fn is_typed() -> bool {
    io::stdin().is_terminal()
}

/// Whether the terminal shows what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    Shown,
    Hidden,
}

impl Typed {
    /// The line that is typed after `prompt`.
    pub(crate) fn line(self, prompt: &str) -> io::Result<Zeroizing<String>> {
        let stdin = io::stdin();
        let mut stderr = io::stderr();
        // Where nobody sees it, the line is read all the same.
        let _ = write!(stderr, "{prompt}");
        let quiet = (self == Self::Hidden).then(|| Quiet::new(&stdin)).transpose()?;
        let mut line = Zeroizing::new(String::new());
        stdin.read_line(&mut line)?;
        if quiet.is_some() {
            // The line's end was not shown either.
            let _ = writeln!(stderr);
        }
        Ok(line)
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Where it fails, the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

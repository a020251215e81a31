//! Secrets that an operator gives: from a file, from standard input, or typed, and never as an argument, which every user of
//! the machine can read.

use crate::portal::{
    PortalError,
    access::{AccessError, Password},
};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    fs::File,
    io::{self, IsTerminal, Read, Stdin, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// More is no password.
const LONGEST: u64 = 4_096;

/// A new password: from `file`, `-` for standard input; without one typed twice, or read where nobody types.
pub(super) fn new_password(file: Option<&Path>) -> Result<Password, PortalError> {
    let text = match file {
        Some(path) if path.as_os_str() != "-" => {
            let failed =
                |source| PortalError::File { doing: "read", path: path.to_owned(), source };
            read(File::open(path).map_err(failed)?).map_err(failed)?
        }
        None if io::stdin().is_terminal() => return typed_twice(),
        _ => read(io::stdin().lock()).map_err(|source| PortalError::File {
            doing: "read",
            path: "standard input".into(),
            source,
        })?,
    };
    Ok(Password::chosen(&text)?)
}

fn read(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    from.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn typed_twice() -> Result<Password, PortalError> {
    let first = typed("New password: ")?;
    let password = Password::chosen(&first)?;
    if *first == *typed("The same again: ")? {
        Ok(password)
    } else {
        Err(AccessError::PasswordsDiffer.into())
    }
}

/// A line that is typed and not shown.
fn typed(prompt: &str) -> Result<Zeroizing<String>, PortalError> {
    let stdin = io::stdin();
    let mut stderr = io::stderr();
    write!(stderr, "{prompt}")?;
    let _quiet = Quiet::new(&stdin)?;
    let mut line = Zeroizing::new(String::new());
    stdin.read_line(&mut line)?;
    writeln!(stderr)?;
    Ok(line)
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

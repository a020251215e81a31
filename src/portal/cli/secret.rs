//! Secrets that an operator gives: from a file, from standard input, or typed, and never as an argument, which every user of
//! the machine can read.

use crate::{
    portal::{
        PortalError,
        access::{AccessError, Password},
    },
    terminal::{Typed, is_typed},
};
use std::{
    fs::File,
    io::{self, Read},
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
        None if is_typed() => return typed_twice(),
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
    let first = Typed::Hidden.line("New password: ")?;
    let password = Password::chosen(&first)?;
    if *first == *Typed::Hidden.line("The same again: ")? {
        Ok(password)
    } else {
        Err(AccessError::PasswordsDiffer.into())
    }
}

//! The archive for support: what was found, and what is asked for next. Every text in it passes [`Masking`] last.

mod parts;

use super::{Finding, Masking, Patient};
use crate::cli::CliError;
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What is in the archive, for whoever opens it.
const README: &str = include_str!("bundle/README.txt");

/// Where the archive goes.
pub(super) struct Target {
    path: PathBuf,
    /// The new file; none for standard output.
    file: Option<File>,
}

impl Target {
    /// Makes the file, for this user alone. One that is there already is left as it is.
    pub(super) fn open(path: PathBuf) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Ok(Self { path, file: None });
        }
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        match file {
            Ok(file) => Ok(Self { path, file: Some(file) }),
            Err(source) => Err(CliError::Archive { path, source }),
        }
    }

    /// Collects and writes it; the path of the file, where it is one.
    pub(super) async fn write(
        self,
        patient: &Patient<'_>,
        findings: &[Finding],
        masking: &Masking,
    ) -> Result<Option<PathBuf>, CliError> {
        let parts = parts::collect(patient, findings).await;
        let Self { path, file } = self;
        let packed = pack(&parts, masking);
        let written = packed.and_then(|bytes| match &file {
            Some(file) => (&*file).write_all(&bytes).and_then(|()| file.sync_all()),
            None => io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush()),
        });
        match written {
            Ok(()) => Ok(file.map(|_| path)),
            Err(source) => {
                if file.is_some() {
                    // Half an archive is of use to nobody.
                    let _ = fs::remove_file(&path);
                }
                Err(CliError::Archive { path, source })
            }
        }
    }
}

/// A gzipped tar archive with one folder, which is named after the time.
fn pack(parts: &parts::Parts, masking: &Masking) -> io::Result<Vec<u8>> {
    let now = Timestamp::now();
    let folder = now.strftime("entitled-doctor-%Y%m%dT%H%M%SZ").to_string();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut append = |name: &str, text: &str| {
        let text = masking.mask(text);
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_mtime(now.as_second().unsigned_abs());
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())
    };
    let mut readme = README.to_owned();
    if !parts.missing.is_empty() {
        readme.push_str("\nNot in it this time:\n\n");
        for missing in &parts.missing {
            readme.extend(["  ", missing, "\n"]);
        }
    }
    append("README.txt", &readme)?;
    for (name, text) in &parts.texts {
        append(name, text)?;
    }
    archive.into_inner()?.finish()
}

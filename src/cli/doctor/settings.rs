//! The settings: whether they are sound, what a start with bad ones would go on with, and the files that they name.

use super::{Code, Finding};
use crate::config::{ConfigError, Fragment, Settings, Sources};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Where systemd puts the credentials of the agent's unit; root may look.
const CREDENTIALS: &str = "/run/credentials/entitled.service";

pub(super) fn check(file: &Path, findings: &mut Vec<Finding>) -> Option<Settings> {
    let code = Code::Settings;
    let shown = file.display();
    match fs::File::open(file).map_err(|error| error.kind()) {
        Err(io::ErrorKind::NotFound) => {
            findings.push(Finding::skipped(code, format!("there is no {shown}")));
            return None;
        }
        Err(io::ErrorKind::PermissionDenied) => {
            let message = format!("{shown} is not for you: run this as root to look into it");
            findings.push(Finding::skipped(code, message));
            return None;
        }
        // Any other error is told with the settings.
        _ => {}
    }
    check_drop_ins(file, findings);
    match read(file) {
        Ok(settings) => {
            findings.push(Finding::ok(code, format!("{shown} is sound")));
            check_last_good(&settings.state_directory, findings);
            check_credentials(file, findings);
            Some(settings)
        }
        Err(error) => {
            let mend = format!(
                "mend it, try it by `entitled run --config {shown} --check-config`, then `systemctl reload entitled`"
            );
            findings.push(Finding::failed(code, error.to_string(), mend));
            check_last_good(&state_directory(file), findings);
            None
        }
    }
}

/// The settings as the agent would read them. The way to the portal has checks of its own.
fn read(file: &Path) -> Result<Settings, ConfigError> {
    let mut sources = Sources { file: file.to_owned(), flags: Fragment::default() };
    let read = sources.current(|_| Ok(()));
    let credential = Path::new(CREDENTIALS).join("webhook-secret");
    match read {
        // The service has its secret as a credential, and no other process has the variable that says so.
        Err(ConfigError::In { source, .. })
            if matches!(*source, ConfigError::Missing { name: "webhook.secret_file", .. })
                && credential.exists() =>
        {
            sources.flags.webhook.secret_file = Some(credential);
            sources.current(|_| Ok(()))
        }
        read => read,
    }
}

/// The files as they are written, the main one first. One that can't be read is left out.
pub(super) fn fragments(file: &Path) -> Vec<(PathBuf, Fragment)> {
    let folder = fs::read_dir(file.with_file_name("conf.d"));
    let mut paths: Vec<_> = folder.into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.insert(0, file.to_owned());
    let read = |path: PathBuf| Fragment::read(&path).ok().map(|fragment| (path, fragment));
    paths.into_iter().filter_map(read).collect()
}

/// Where the state is though the settings can't be used as a whole.
pub(super) fn state_directory(file: &Path) -> PathBuf {
    let named = fragments(file).into_iter().rev().find_map(|(_, found)| found.state_directory);
    named.unwrap_or_else(|| "/var/lib/entitled".into())
}

/// A drop-in that is called otherwise is not read, and nobody is told.
fn check_drop_ins(file: &Path, findings: &mut Vec<Finding>) {
    let code = Code::DropIns;
    let folder = file.with_file_name("conf.d");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return findings.push(Finding::ok(code, format!("there is no {}", folder.display())));
        }
        Err(error) => {
            let message = format!("{} can't be read: {error}", folder.display());
            return findings.push(Finding::skipped(code, message));
        }
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let (read, ignored): (Vec<_>, Vec<_>) =
        paths.partition(|path| path.extension().is_some_and(|e| e == "toml"));
    if let Some(path) = ignored.first() {
        let path = path.display();
        let message = format!("expected *.toml, found {path}: it is not read");
        let mend = format!("`mv {path} {path}.toml`, or remove it");
        findings.push(Finding::warning(code, message, mend));
    } else {
        let message = format!("{} drop-ins in {} are read", read.len(), folder.display());
        findings.push(Finding::ok(code, message));
    }
}

fn check_last_good(state_directory: &Path, findings: &mut Vec<Finding>) {
    let code = Code::LastGood;
    let path = state_directory.join("last-good.toml");
    let shown = path.display();
    let kind = |error: &ConfigError| match error {
        ConfigError::Read { source, .. } => Some(source.kind()),
        _ => None,
    };
    findings.push(match Fragment::read(&path) {
        Ok(_) => {
            let message = format!("{shown} is kept: a start with bad settings goes on with it");
            Finding::ok(code, message)
        }
        Err(error) if kind(&error) == Some(io::ErrorKind::NotFound) => {
            let message = format!("there is no {shown}: no start with good settings was seen yet");
            Finding::skipped(code, message)
        }
        Err(error) if kind(&error) == Some(io::ErrorKind::PermissionDenied) => {
            let message = format!("{shown} is for the agent alone: run this as root to look at it");
            Finding::skipped(code, message)
        }
        Err(error) => {
            let mend = format!("`rm {shown}`: the next start with good settings writes it again");
            Finding::warning(code, error.to_string(), mend)
        }
    });
}

/// Files with secrets that the settings name: whether they are there, and whether others may read them.
fn check_credentials(file: &Path, findings: &mut Vec<Finding>) {
    let mut named = Vec::new();
    for (_, fragment) in fragments(file) {
        let Fragment { activation, member, webhook, .. } = fragment;
        named.extend([activation.code_file, member.token_file, webhook.secret_file]);
    }
    let named: Vec<PathBuf> = named.into_iter().flatten().collect();
    let found: Vec<_> = named.iter().filter_map(|path| complaint(path)).collect();
    if found.is_empty() {
        let message = match named.len() {
            0 => "the settings name no files with secrets".to_owned(),
            count => format!("{count} files with secrets are there, and not for everyone"),
        };
        findings.push(Finding::ok(Code::Credentials, message));
    }
    findings.extend(found);
}

fn complaint(path: &Path) -> Option<Finding> {
    let code = Code::Credentials;
    let shown = path.display();
    match path.metadata() {
        Ok(found) if found.permissions().mode() & 0o007 != 0 => {
            let mode = found.permissions().mode() & 0o7777;
            let message = format!(
                "expected a file that is not for everyone, found mode {mode:04o} on {shown}"
            );
            let mend = format!(
                "`chmod o= {shown}`, and have the secret changed where others may have read it"
            );
            Some(Finding::warning(code, message, mend))
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let message = format!("{shown} is not for you: run this as root to look at it");
            Some(Finding::skipped(code, message))
        }
        Err(error) => {
            let message = format!("expected a file with a secret, found none: {shown}: {error}");
            let mend = "write it, or take its setting away, then `systemctl restart entitled`";
            Some(Finding::failed(code, message, mend))
        }
    }
}

//! The state directory: whether it is there, protected, its owner's as a whole, and has room.

use super::{Code, Finding, Patient};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

/// Less room than this is worth a word, bytes.
const LITTLE_ROOM: u64 = 16 << 20;
/// Files that hold secrets.
const SECRETS: [&str; 8] = [
    "environment.key",
    "environment.key.next",
    "environment-ca.key",
    "member.pem",
    "hardware.secret",
    "usage.key",
    "activation-code",
    "activation-code.asked",
];

pub(super) fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let code = Code::StateDirectory;
    let directory = patient.state_directory();
    let shown = directory.display();
    match fs::read_dir(&directory) {
        Ok(_) => {
            findings.push(check_directory(&directory));
            findings.push(check_secrets(&directory));
            check_room(&directory, findings);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let message =
                format!("{shown} is for the agent alone: run this as root to look into it");
            findings.push(Finding::skipped(code, message));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no {shown}: the agent never ran with these settings");
            findings.push(Finding::skipped(code, message));
        }
        Err(error) => {
            let mend = "check the disk and its mount: `findmnt`, `dmesg`";
            findings.push(Finding::failed(code, format!("{shown}: {error}"), mend));
        }
    }
}

/// Others may neither look in nor write, and all of it has one owner: what root has restored, the agent can't read.
fn check_directory(directory: &Path) -> Finding {
    let code = Code::StateDirectory;
    let shown = directory.display();
    let Ok(found) = directory.metadata() else {
        return Finding::skipped(code, format!("{shown} went away"));
    };
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        let message =
            format!("expected {shown} to be writable for its owner alone, found mode {mode:04o}");
        return Finding::failed(code, message, format!("`chmod 700 {shown}`"));
    }
    let foreign = fs::read_dir(directory).into_iter().flatten().flatten().find(|entry| {
        entry.metadata().is_ok_and(|file| file.uid() != found.uid() && !file.is_dir())
    });
    if let Some(file) = foreign {
        let file = file.path();
        let message = format!(
            "expected all files of {shown} to be of its owner, found another on {}: the agent may not read it",
            file.display()
        );
        return Finding::failed(
            code,
            message,
            format!("`chown --reference={shown} {}`", file.display()),
        );
    }
    Finding::ok(code, format!("{shown} can be read, and is its owner's"))
}

fn check_secrets(directory: &Path) -> Finding {
    let code = Code::KeyFiles;
    let open: Vec<String> = SECRETS
        .iter()
        .map(|name| directory.join(name))
        .filter(|path| {
            path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
        })
        .map(|path| path.display().to_string())
        .collect();
    if open.is_empty() {
        return Finding::ok(code, "the files with secrets are for the agent alone");
    }
    let files = open.join(" ");
    let message = format!("expected mode 0600, found more on {files}");
    let mend = format!(
        "`chmod 600 {files}`; where others may have read the environment key: move it away, then `entitlectl rebind`"
    );
    Finding::failed(code, message, mend)
}

fn check_room(directory: &Path, findings: &mut Vec<Finding>) {
    let code = Code::DiskRoom;
    match rustix::fs::statvfs(directory) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let message = format!("{} MiB are free below {}", free >> 20, directory.display());
            findings.push(if free < LITTLE_ROOM {
                let mend = format!(
                    "make room, `df -h {}`; the license is served from memory meanwhile",
                    directory.display()
                );
                Finding::warning(code, message, mend)
            } else {
                Finding::ok(code, message)
            });
        }
        Err(error) => findings.push(Finding::skipped(code, error.to_string())),
    }
}

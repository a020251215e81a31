//! The state directory: whether it is there, protected, and has room.

use super::Finding;
use crate::config::Settings;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
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

pub(super) fn check(settings: Option<&Settings>, findings: &mut Vec<Finding>) {
    let directory =
        settings.map_or_else(|| PathBuf::from("/var/lib/entitled"), |s| s.state_directory.clone());
    let shown = directory.display();
    match fs::read_dir(&directory) {
        Ok(_) => {
            findings.push(Finding::ok("state-directory", format!("{shown} can be read")));
            check_secrets(&directory, findings);
            check_room(&directory, findings);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let message =
                format!("{shown} is for the agent alone: run this as root to look into it");
            findings.push(Finding::skipped("state-directory", message));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no {shown}: the agent never ran with these settings");
            findings.push(Finding::skipped("state-directory", message));
        }
        Err(error) => {
            let mend = "check the disk and its mount";
            findings.push(Finding::failed("state-directory", format!("{shown}: {error}"), mend));
        }
    }
}

fn check_secrets(directory: &Path, findings: &mut Vec<Finding>) {
    const CODE: &str = "key-files";
    let open: Vec<String> = SECRETS
        .iter()
        .map(|name| directory.join(name))
        .filter(|path| {
            path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
        })
        .map(|path| path.display().to_string())
        .collect();
    if open.is_empty() {
        findings.push(Finding::ok(CODE, "the files with secrets are for the agent alone"));
    } else {
        let files = open.join(" ");
        let message = format!("expected mode 0600, found more on {files}");
        findings.push(Finding::failed(CODE, message, format!("chmod 600 {files}")));
    }
}

fn check_room(directory: &Path, findings: &mut Vec<Finding>) {
    const CODE: &str = "disk-room";
    match rustix::fs::statvfs(directory) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let message = format!("{} MiB are free below {}", free >> 20, directory.display());
            findings.push(if free < LITTLE_ROOM {
                let mend = "make room; the license is served from memory meanwhile";
                Finding::warning(CODE, message, mend)
            } else {
                Finding::ok(CODE, message)
            });
        }
        Err(error) => findings.push(Finding::skipped(CODE, error.to_string())),
    }
}

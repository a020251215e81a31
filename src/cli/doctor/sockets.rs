//! The sockets' directory, modes and groups: the file system decides who may speak.

use super::{Code, Finding};
use crate::cli::client::Agent;
use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::Path,
};

/// Each socket with the mode that it is made with, and the group that may write to it.
const SOCKETS: [(&str, u32, Option<&str>); 3] = [
    ("entitled.sock", 0o666, None),
    ("usage.sock", 0o660, Some("entitled-usage")),
    ("admin.sock", 0o660, Some("entitled-admin")),
];

pub(super) fn check(agent: &Agent, findings: &mut Vec<Finding>) {
    let read = agent.socket();
    let Some(directory) = read.parent().filter(|directory| directory.is_dir()) else {
        let message =
            format!("there is no directory for {}: the agent is not started", read.display());
        findings.push(Finding::skipped(Code::RuntimeDirectory, message));
        return;
    };
    findings.push(check_directory(directory));
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let before = findings.len();
    for (name, mode, group) in SOCKETS {
        let path = if group.is_none() { read.to_owned() } else { read.with_file_name(name) };
        findings.extend(complaint(&path, mode, group, &groups));
    }
    if findings.len() == before {
        let message = "modes and groups of the three sockets are as they are made";
        findings.push(Finding::ok(Code::Sockets, message));
    }
}

fn check_directory(directory: &Path) -> Finding {
    let code = Code::RuntimeDirectory;
    let shown = directory.display();
    let mode = directory.metadata().map_or(0, |found| found.permissions().mode() & 0o7777);
    // The sticky bit keeps others from replacing a socket, as in /tmp.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        let message = format!(
            "expected {shown} to be writable for its owner alone, found mode {mode:04o}: others may put a socket of theirs in place of the agent's"
        );
        return Finding::failed(code, message, format!("`chmod 755 {shown}`"));
    }
    Finding::ok(code, format!("{shown} is there, writable for its owner alone"))
}

/// What is wrong with one socket; one that is not there is told by the check that asks it.
fn complaint(path: &Path, wanted: u32, group: Option<&str>, groups: &str) -> Option<Finding> {
    let code = Code::Sockets;
    let found = path.metadata().ok()?;
    let shown = path.display();
    if !found.file_type().is_socket() {
        let message = format!("expected a socket, found something else: {shown}");
        let mend = format!(
            "`rm {shown}`, then `systemctl restart entitled.socket entitled-usage.socket entitled-admin.socket entitled`"
        );
        return Some(Finding::failed(code, message, mend));
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o777 != wanted {
        let message = format!("expected mode {wanted:04o} on {shown}, found {mode:04o}");
        let mend = format!("`chmod {wanted:03o} {shown}`");
        // More than is meant lets others change the license; less shuts out who should ask.
        let opens = mode & 0o777 & !wanted != 0;
        return Some(if opens {
            Finding::failed(code, message, mend)
        } else {
            Finding::warning(code, message, mend)
        });
    }
    let group = group?;
    let id = group_id(groups, group)?;
    (found.gid() != id).then(|| {
        let message = format!(
            "expected the group {group} on {shown}, found group {}: its members may not use it",
            found.gid()
        );
        Finding::warning(code, message, format!("`chgrp {group} {shown}`"))
    })
}

fn group_id(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

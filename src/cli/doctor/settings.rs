//! The settings, and the root keys that they name.

use super::Finding;
use crate::config::{Fragment, Settings, Sources, read_roots};
use std::path::Path;

pub(super) fn check(file: &Path, findings: &mut Vec<Finding>) -> Option<Settings> {
    const CODE: &str = "settings";
    if !file.exists() {
        let message = format!("there is no {}", file.display());
        findings.push(Finding::skipped(CODE, message));
        return None;
    }
    let sources = Sources { file: file.to_owned(), flags: Fragment::default() };
    // The way to the portal has a check of its own.
    match sources.current(|_| Ok(())) {
        Ok(settings) => {
            findings.push(Finding::ok(CODE, format!("{} is sound", file.display())));
            check_roots(&settings, findings);
            Some(settings)
        }
        Err(error) => {
            let mend = format!(
                "mend it, try it by `entitled run --config {} --check-config`, then `systemctl reload entitled`",
                file.display()
            );
            findings.push(Finding::failed(CODE, error.to_string(), mend));
            None
        }
    }
}

fn check_roots(settings: &Settings, findings: &mut Vec<Finding>) {
    const CODE: &str = "root-keys";
    let (roots, complaints) = read_roots(&settings.root_directories);
    let folders: Vec<_> =
        settings.root_directories.iter().map(|folder| folder.display().to_string()).collect();
    let folders = folders.join(" and ");
    let mend = "install the vendor's package again, or put the vendor's roots.jwks into /etc/entitled/roots.d";
    if !complaints.is_empty() {
        findings.push(Finding::failed(CODE, complaints.join("; "), mend));
    } else if roots.is_empty() {
        let message = format!("there is no root key in {folders}: no license can be verified");
        findings.push(Finding::failed(CODE, message, mend));
    } else {
        findings
            .push(Finding::ok(CODE, format!("the vendor's root keys in {folders} can be read")));
    }
}

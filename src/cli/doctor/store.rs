//! The database of the agent's state and the copy beside it, looked at without a change.

use super::{Code, Finding, Patient};
use crate::store::{Inspection, inspect};

pub(super) fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let code = Code::Store;
    let directory = patient.state_directory();
    // What can't be looked into is told by the check of the directory.
    let found = match inspect(&directory) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let message = format!("no database in {} can be looked at", directory.display());
            return findings.push(Finding::skipped(code, message));
        }
        Err(error) => {
            let mend = "`systemctl restart entitled` sets a damaged database aside and goes on from the copy beside it";
            return findings.push(Finding::failed(code, error.to_string(), mend));
        }
    };
    findings.push(judge(&found));
    findings.push(judge_copy(&found));
}

fn judge(found: &Inspection) -> Finding {
    let code = Code::Store;
    let path = found.path.display();
    if found.layout > found.known_layout {
        let message = format!(
            "expected layout {} or older, found {} in {path}: a newer agent wrote it",
            found.known_layout, found.layout
        );
        let mend = "install that version again (`dpkg -l entitled`, `rpm -q entitled`), then `systemctl restart entitled`";
        return Finding::failed(code, message, mend);
    }
    if let Some(aside) = found.set_aside.first() {
        let message = format!(
            "the database is sound; one that was damaged was set aside as {}",
            aside.display()
        );
        let mend = format!("keep it for support, then `rm {}`", aside.display());
        return Finding::warning(code, message, mend);
    }
    let message = format!(
        "{path} is sound: layout {}, {} audit entries, {} KiB",
        found.layout,
        found.events,
        found.bytes >> 10
    );
    Finding::ok(code, message)
}

fn judge_copy(found: &Inspection) -> Finding {
    let code = Code::StoreCopy;
    let mend = "check the disk and its room (`df -h`), then `systemctl restart entitled`, which writes it again";
    let Some(copy) = &found.copy else {
        let message =
            "expected a copy of the state beside the database, found none that can be read";
        return Finding::warning(code, message, mend);
    };
    if copy.waiting > 0 {
        let message = format!(
            "{} audit entries wait in the copy: the database takes no writes",
            copy.waiting
        );
        return Finding::failed(code, message, mend);
    }
    // Between the two writes the copy is one behind.
    if copy.revision.saturating_add(1) < found.revision {
        let message = format!(
            "expected revision {} in the copy of the state, found {}",
            found.revision, copy.revision
        );
        return Finding::warning(code, message, mend);
    }
    Finding::ok(code, format!("the copy of the state is fresh, revision {}", copy.revision))
}

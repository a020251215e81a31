//! The page of problem types: every code of the source is in it, and no other.

use crate::{codes::SerialNumber, license::Purpose, portal::domain::*};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use uuid::Uuid;

/// Where problem types come from. In these files nothing else is written as they are.
const SOURCES: [&str; 17] = [
    "src/agent/following.rs",
    "src/agent/member/calls.rs",
    "src/agent/member/usage.rs",
    "src/agent/members.rs",
    "src/license/error.rs",
    "src/members/error.rs",
    "src/members/routes.rs",
    "src/members/turns.rs",
    "src/members/token.rs",
    "src/portal/answering/error.rs",
    "src/portal/domain/refusal.rs",
    "src/portal/http/body.rs",
    "src/portal/http/documents.rs",
    "src/portal/http/mod.rs",
    "src/portal/http/requests.rs",
    "src/portal/http/vendor/refusal.rs",
    "src/usage/error.rs",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The texts in a source that have the form of a code: lower case, with hyphens.
fn codes(source: &str) -> impl Iterator<Item = String> + '_ {
    let is_code = |text: &str| {
        text.contains('-')
            && text.split('-').all(|word| !word.is_empty())
            && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    // Line by line, so that an odd quote says nothing of the next.
    let quoted = source.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    quoted.filter(move |text| is_code(text)).map(str::to_owned)
}

/// Each code of the page with its status.
fn page() -> BTreeMap<String, u16> {
    let page = read("docs/problems.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (code, rest) = row.split_once("` | ").unwrap();
        (code.to_owned(), rest[..3].parse().unwrap())
    })
    .collect()
}

#[test]
fn every_code_of_the_source_is_in_the_page_and_no_other() {
    let mut found = BTreeSet::new();
    for path in SOURCES {
        let source = read(path);
        assert!(codes(&source).next().is_some(), "{path} makes no problem any more");
        found.extend(codes(&source));
    }
    // Values of `Cache-Control`, and a cause in the metrics alone.
    for other in ["no-store", "no-cache", "broken-off"] {
        found.remove(other);
    }
    let page: BTreeSet<String> = page().into_keys().collect();
    let missing: Vec<_> = found.difference(&page).collect();
    let stale: Vec<_> = page.difference(&found).collect();
    assert!(missing.is_empty() && stale.is_empty(), "missing {missing:?}, stale {stale:?}");
}

#[test]
fn the_page_has_the_status_of_each_refusal() {
    let page = page();
    let refusals = refusals();
    for refusal in &refusals {
        assert_eq!(page.get(refusal.code()), Some(&refusal.status()), "{}", refusal.code());
        assert!(refusal.title().len() > 10 && refusal.to_string().len() > 30);
        let waiting = ["rebind-pending", "too-many-attempts", "too-many-requests"];
        let waits = waiting.contains(&refusal.code());
        assert_eq!(refusal.retry_after().is_some(), waits, "{}", refusal.code());
    }
    let source = read("src/portal/domain/refusal.rs");
    let all: BTreeSet<String> = codes(&source).collect();
    assert_eq!(refusals.iter().map(|r| r.code().to_owned()).collect::<BTreeSet<_>>(), all);
}

/// One refusal of each kind.
fn refusals() -> Vec<Refusal> {
    let (environment, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
    let serial_number = SerialNumber::mint("smbios-uuid", "a");
    let (purpose, name) = (Purpose::Production, "Site".to_owned());
    vec![
        Refusal::ActivationCodeUnknown,
        Refusal::EnvironmentUnknown,
        Refusal::RequestIdReused { id: environment },
        Refusal::RequestOvertaken { id: environment },
        Refusal::RebindRequired { environment, name, policy: RebindPolicy::Code },
        Refusal::MachineUnknown,
        Refusal::HardwareDiffers { environment, serial_number },
        Refusal::RebindCodeRequired { environment },
        Refusal::RebindCodeWrong { environment, left: 4 },
        Refusal::RebindPending { environment },
        Refusal::Forked { environment },
        Refusal::Released { environment, at },
        Refusal::KeyNotNew { environment },
        Refusal::ConsentExpired { environment, ended_at: at },
        Refusal::SerialNumberTaken { environment },
        Refusal::OfflineMovesUsed { allowed: 4, until: at },
        Refusal::TooManyAttempts { seconds: 900 },
        Refusal::TooManyRequests { seconds: 900 },
        Refusal::PurposeDiffers { environment, found: purpose, asked: Purpose::Quality },
        Refusal::SlotHeld { environment, found: purpose, until: at },
        Refusal::NoFreeSlot { purpose, used: 1, total: 1 },
        Refusal::OverrideNotAllowed,
        Refusal::NotStarted { starts_at: at },
        Refusal::Ended { ended_at: at },
        Refusal::Suspended,
        Refusal::Revoked { reason: "unpaid".to_owned() },
        Refusal::EnvironmentName,
    ]
}

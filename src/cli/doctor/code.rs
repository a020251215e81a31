//! The stable codes of findings.

use crate::entitlement::ConditionType;
use clap::ValueEnum;
use serde::{Serialize, Serializer};
use std::fmt;

/// What a finding is about. docs/troubleshooting.md has a row for each; a test holds the two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Code {
    Settings,
    LastGood,
    DropIns,
    Credentials,
    RootKeys,
    Trust,
    StateDirectory,
    KeyFiles,
    DiskRoom,
    RuntimeDirectory,
    Sockets,
    Socket,
    Loop,
    Version,
    Store,
    StoreCopy,
    ClockSynchronised,
    Clock,
    PortalAddress,
    PortalProxy,
    PortalName,
    PortalConnection,
    PortalTls,
    PortalCaFile,
    PortalCertificate,
    Portal,
    PortalProduct,
    MembersAuthority,
    MembersPort,
    MembersStanding,
    MemberCertificate,
    Controller,
    HealthPort,
    Webhook,
    License,
    Hardware,
    HardwareFacts,
    Tpm,
    /// A condition of the status is reported as it is.
    #[value(skip)]
    Condition(ConditionType),
}

/// In kebab case.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition(kind) => f.pad(&kebab(kind.as_str())),
            own => f.pad(own.to_possible_value().as_ref().map_or("", |value| value.get_name())),
        }
    }
}

fn kebab(camel: &str) -> String {
    let mut kebab = String::new();
    for symbol in camel.chars() {
        if symbol.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(symbol.to_lowercase());
    }
    kebab
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_in_the_page_with_cause_and_command_and_no_other() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
        let page = std::fs::read_to_string(page).unwrap();
        let mut told = BTreeSet::new();
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [code, tried, cause, mend] = cells[..] else { panic!("four cells in {row}") };
            assert!(tried.len() > 10 && cause.len() > 10 && mend.contains('`'), "{row}");
            assert!(told.insert(code.trim_matches('`').to_owned()), "twice: {row}");
        }
        let conditions = ConditionType::ALL.map(Code::Condition);
        let codes = Code::value_variants().iter().chain(&conditions);
        let codes: BTreeSet<_> = codes.map(ToString::to_string).collect();
        let missing: Vec<_> = codes.difference(&told).collect();
        let stale: Vec<_> = told.difference(&codes).collect();
        assert!(missing.is_empty() && stale.is_empty(), "missing {missing:?}, stale {stale:?}");
    }
}

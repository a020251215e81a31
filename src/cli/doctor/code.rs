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
    HardwareDrift,
    HardwareUnreadable,
    HardwareChanged,
    IdentityOverride,
    ClockSkewed,
    PortalUnreachable,
    LimitNear,
    LimitExceeded,
    LicensePending,
    CloneSuspected,
    LeaseAging,
    CheckInOverdue,
    StoreDegraded,
    ConfigInvalid,
}

impl From<ConditionType> for Code {
    fn from(kind: ConditionType) -> Self {
        match kind {
            ConditionType::HardwareDrift => Self::HardwareDrift,
            ConditionType::HardwareUnreadable => Self::HardwareUnreadable,
            ConditionType::HardwareChanged => Self::HardwareChanged,
            ConditionType::IdentityOverride => Self::IdentityOverride,
            ConditionType::ClockSkewed => Self::ClockSkewed,
            ConditionType::PortalUnreachable => Self::PortalUnreachable,
            ConditionType::LimitNear => Self::LimitNear,
            ConditionType::LimitExceeded => Self::LimitExceeded,
            ConditionType::LicensePending => Self::LicensePending,
            ConditionType::CloneSuspected => Self::CloneSuspected,
            ConditionType::LeaseAging => Self::LeaseAging,
            ConditionType::CheckInOverdue => Self::CheckInOverdue,
            ConditionType::StoreDegraded => Self::StoreDegraded,
            ConditionType::ConfigInvalid => Self::ConfigInvalid,
        }
    }
}

/// In kebab case.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
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
        let codes: BTreeSet<_> = Code::value_variants().iter().map(ToString::to_string).collect();
        let missing: Vec<_> = codes.difference(&told).collect();
        let stale: Vec<_> = told.difference(&codes).collect();
        assert!(missing.is_empty() && stale.is_empty(), "missing {missing:?}, stale {stale:?}");
    }
}

//! Making a Serial Number: once, from the best evidence there is, or not at all.

use super::{Fact, MachineKind, Reading, Source, Survey, canonical, placeholders};
use crate::codes::SerialNumber;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The order in which sources are asked. A later agent may put better sources in front: requests carry the candidates
/// of all, so the portal finds the Serial Number that it knows.
const ORDER: [Source; 9] = [
    Source::CloudInstanceId,
    Source::SmbiosUuid,
    // The nodes of one chassis may share a system serial, never a board's.
    Source::BoardSerial,
    Source::SystemSerial,
    Source::DeviceTreeSerial,
    Source::TpmEndorsementKey,
    Source::PermanentMac,
    Source::DiskWwid,
    Source::DiskSerial,
];

/// What mends a machine without credible evidence.
const OVERRIDE_MEND: &str = "set `override = \"a text unique to this machine\"` under `[identity]` in \
                             the settings (/etc/entitled/entitled.toml, unless `--config` names another file); the override is audited, shown in the status and part of every request";
/// The text of the mend, which is unique to no machine.
const EXAMPLE_OVERRIDE: &str = "a text unique to this machine";

/// A Serial Number made or, among the candidates of a request, one that could have been made; and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// The identity of the environment.
    pub serial_number: SerialNumber,
    /// What it was made from.
    pub source: Source,
}

/// Why no Serial Number was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// A better source may be there: a number made now would not be the number made when it can be read.
    #[error(
        "no Serial Number was made: expected to read {source_name} first, found it unreadable ({why}): run this as root, or start entitled-hardware.service, which reads it for the agent"
    )]
    Unreadable {
        /// The source that could not be read.
        source_name: Source,
        /// What went wrong.
        why: String,
    },
    /// A container has no hardware of its own.
    #[error(
        "no Serial Number was made: expected a machine, found a container ({engine}), which has no hardware of its own: run the agent on its host, or {OVERRIDE_MEND}"
    )]
    Container {
        /// The container engine.
        engine: String,
    },
    /// Nothing here tells this machine from others.
    #[error(
        "no Serial Number was made: expected one hardware fact that tells this {machine} from all others, found {}: {OVERRIDE_MEND}",
        findings(.looked_for)
    )]
    NoEvidence {
        /// What kind of machine it is.
        machine: MachineKind,
        /// Every source that was asked, and what it gave.
        looked_for: Vec<(Source, String)>,
    },
    /// The override's text is empty or one that many machines share.
    #[error(
        "no Serial Number was made: expected a text unique to this machine in identity.override, found {found}: choose another, such as the asset number of this machine"
    )]
    Override {
        /// What is wrong with it.
        found: &'static str,
    },
}

impl MintError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "identity-unreadable",
            Self::Container { .. } => "identity-container",
            Self::NoEvidence { .. } => "identity-no-evidence",
            Self::Override { .. } => "identity-override",
        }
    }
}

impl Survey {
    /// Makes the Serial Number of this machine from its best credible source.
    ///
    /// # Errors
    /// In a container, without credible evidence, and while a better source could not be read.
    pub fn mint(&self) -> Result<Minted, MintError> {
        if let MachineKind::Container { engine } = self.machine() {
            return Err(MintError::Container { engine: engine.clone() });
        }
        for source in ORDER {
            let of_source = || self.facts().iter().filter(move |f| f.source == source);
            // The smallest, so that the order in which interfaces and disks are found changes nothing.
            let credible = of_source().filter(|f| self.is_credible(f)).filter_map(Fact::value);
            if let Some(value) = credible.min_by_key(|value| value.expose_raw()) {
                let serial_number = SerialNumber::mint(source.name(), value.expose_raw());
                return Ok(Minted { serial_number, source });
            }
            let unreadable = of_source().find_map(|fact| match &fact.reading {
                Reading::Unreadable { why } if self.could_mint(source) => Some(why.clone()),
                _ => None,
            });
            if let Some(why) = unreadable {
                return Err(MintError::Unreadable { source_name: source, why });
            }
        }
        Err(MintError::NoEvidence {
            machine: self.machine().clone(),
            looked_for: self.looked_for(),
        })
    }

    /// The Serial Numbers of every credible source, best first, for requests: the portal returns the one it knows.
    pub fn candidates(&self) -> Vec<Minted> {
        let of_source = |source| self.facts().iter().filter(move |f| f.source == source);
        let candidates =
            ORDER.into_iter().flat_map(of_source).filter(|fact| self.is_credible(fact));
        candidates
            .filter_map(|fact| {
                let serial_number =
                    SerialNumber::mint(fact.source.name(), fact.value()?.expose_raw());
                Some(Minted { serial_number, source: fact.source })
            })
            .collect()
    }

    /// Whether a Serial Number may rest on this fact alone.
    fn is_credible(&self, fact: &Fact) -> bool {
        let Some(value) = fact.value() else { return false };
        let unique = match fact.source {
            // A locally administered address is somebody's choice: it may vote beside others, never stand alone.
            Source::PermanentMac => canonical::is_universal_mac(value.expose_raw()),
            _ => true,
        };
        unique && self.could_mint(fact.source)
    }

    /// Whether this kind of machine may rest its Serial Number on this kind of fact. Hypervisors draw MAC addresses
    /// from 24 bits or let people choose them, show serials of their host, and lend disks from guest to guest.
    fn could_mint(&self, source: Source) -> bool {
        match self.machine() {
            MachineKind::BareMetal => true,
            MachineKind::VirtualMachine { .. } => {
                use Source::{CloudInstanceId, DeviceTreeSerial, SmbiosUuid, TpmEndorsementKey};
                matches!(
                    source,
                    CloudInstanceId | SmbiosUuid | DeviceTreeSerial | TpmEndorsementKey
                )
            }
            MachineKind::Container { .. } => false,
        }
    }

    fn looked_for(&self) -> Vec<(Source, String)> {
        let in_order = ORDER
            .into_iter()
            .flat_map(|source| self.facts().iter().filter(move |fact| fact.source == source));
        in_order
            .map(|fact| {
                let found = match &fact.reading {
                    Reading::Absent => "absent".to_owned(),
                    Reading::Unreadable { why } => format!("unreadable ({why})"),
                    Reading::Placeholder { rule } => format!("a placeholder ({rule})"),
                    Reading::Value(_) => format!("not unique by itself in {}", self.machine()),
                };
                (fact.source, found)
            })
            .collect()
    }
}

fn findings(looked_for: &[(Source, String)]) -> String {
    let mut text = String::new();
    for (source, found) in looked_for {
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{source} {found}");
    }
    if text.is_empty() { "nothing at all".to_owned() } else { text }
}

/// The Serial Number of the operator's text, for containers and odd machines.
///
/// # Errors
/// Where the text is empty or one that many machines would share.
pub fn mint_override(text: &str) -> Result<Minted, MintError> {
    let text = text.trim();
    let found = if text.is_empty() {
        Some("nothing")
    } else if text.eq_ignore_ascii_case(EXAMPLE_OVERRIDE) {
        Some("the example of the documents")
    } else if placeholders::table().rule_for_serial(&canonical::serial(text)).is_some() {
        Some("a text that many machines share")
    } else {
        None
    };
    match found {
        Some(found) => Err(MintError::Override { found }),
        None => Ok(Minted {
            serial_number: SerialNumber::mint(Source::Override.name(), text),
            source: Source::Override,
        }),
    }
}

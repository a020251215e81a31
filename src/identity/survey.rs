//! One look at the hardware, with its raw values, and the same in digests.

use super::{EnrolledFact, Fact, FactDigest, FactState, Group, LocalSecret, Reading, Source};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// What kind of machine this is; it decides which facts count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MachineKind {
    /// Real hardware.
    BareMetal,
    /// A guest: its system UUID vetoes, its serials may be its host's.
    VirtualMachine {
        /// `kvm`, `vmware`, `hyper-v`, …, or `unknown`.
        hypervisor: String,
    },
    /// A container: it has no hardware of its own, whatever of its host's it may see.
    Container {
        /// `docker`, `podman`, `lxc`, …, or `unknown`.
        engine: String,
    },
}

impl MachineKind {
    /// Whether this is a guest of a hypervisor.
    pub const fn is_virtual(&self) -> bool {
        matches!(self, Self::VirtualMachine { .. })
    }
}

impl fmt::Display for MachineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BareMetal => f.write_str("bare metal"),
            Self::VirtualMachine { hypervisor } => write!(f, "virtual machine ({hypervisor})"),
            Self::Container { engine } => write!(f, "container ({engine})"),
        }
    }
}

/// One look at the hardware. It holds raw identifiers and therefore has no JSON; see [`Survey::digested`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    machine: MachineKind,
    uptime: Option<Duration>,
    facts: Vec<Fact>,
}

impl Survey {
    /// A survey from its parts. Equal readings of one source are kept once, because bonded ports and multipath disks
    /// show the same identifier several times.
    pub fn new(
        machine: MachineKind,
        uptime: Option<Duration>,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Self {
        let mut kept: Vec<Fact> = Vec::new();
        for fact in facts {
            let known = |k: &Fact| k.source == fact.source && k.reading == fact.reading;
            if !kept.iter().any(known) {
                kept.push(fact);
            }
        }
        // The order of discovery (interfaces come in any) must not show: stable within a source.
        kept.sort_by_key(|fact| fact.source);
        Self { machine, uptime, facts: kept }
    }

    /// What kind of machine this is.
    pub const fn machine(&self) -> &MachineKind {
        &self.machine
    }

    /// Time since boot, where known.
    pub const fn uptime(&self) -> Option<Duration> {
        self.uptime
    }

    /// Every fact, by source.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// What the vote of the fact's group weighs on this machine: nothing for a serial that may be the host's, nor
    /// for MAC addresses from which the UUID is made, because that would be one fact voting twice; less for a UUID that is
    /// firmware's.
    pub fn weight_of(&self, fact: &Fact) -> u8 {
        match fact.group() {
            Group::S if self.machine.is_virtual() => 0,
            Group::N if self.uuid_is_made_from_a_mac() => 0,
            Group::U if !self.machine.is_virtual() => Group::BARE_METAL_U,
            group => group.weight(),
        }
    }

    fn uuid_is_made_from_a_mac(&self) -> bool {
        let values = |source| {
            let of_source = self.facts.iter().filter(move |f| f.source == source);
            of_source.filter_map(Fact::value)
        };
        values(Source::SmbiosUuid).any(|uuid| {
            let node: String = uuid
                .expose_raw()
                .chars()
                .rev()
                .take(12)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            values(Source::PermanentMac).any(|mac| mac.expose_raw().replace(':', "") == node)
        })
    }

    /// The survey in digests keyed by the local secret: what may be stored, shown and sent to support.
    pub fn digested(&self, secret: &LocalSecret) -> DigestedSurvey {
        let facts = self.facts.iter().map(|fact| DigestedFact {
            group: fact.group(),
            source: fact.source,
            place: fact.place.clone(),
            weight: self.weight_of(fact),
            state: fact.reading.state(),
            digest: fact.value().map(|value| secret.digest(fact.source, value)),
            why: match &fact.reading {
                Reading::Unreadable { why } => Some(why.clone()),
                Reading::Placeholder { rule } => Some((*rule).to_owned()),
                Reading::Value(_) | Reading::Absent => None,
            },
        });
        DigestedSurvey {
            machine: self.machine.clone(),
            uptime_seconds: self.uptime.map(|uptime| uptime.as_secs()),
            facts: facts.collect(),
        }
    }

    /// The facts that a request carries to the portal, keyed from the Activation Code so that they are of no use to
    /// anyone else and differ from one subscription to the next. Facts without weight stay here.
    pub fn portal_facts(&self, code: &crate::codes::ActivationCode) -> Vec<EnrolledFact> {
        let digest = |fact: &Fact| {
            let weight = self.weight_of(fact);
            let digest = FactDigest::for_portal(code, fact.source, fact.value()?);
            (weight > 0).then_some(EnrolledFact {
                group: fact.group(),
                source: fact.source,
                digest,
                weight,
            })
        };
        self.facts.iter().filter_map(digest).collect()
    }
}

/// A [`Survey`] with digests in place of identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestedSurvey {
    /// What kind of machine this is.
    pub machine: MachineKind,
    /// Seconds since boot, where known.
    pub uptime_seconds: Option<u64>,
    /// Every fact, by source.
    pub facts: Vec<DigestedFact>,
}

/// A [`Fact`] with a digest in place of its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestedFact {
    /// The group whose vote it belongs to.
    pub group: Group,
    /// Its kind.
    pub source: Source,
    /// Where it was read.
    pub place: String,
    /// What its group's vote weighs on this machine.
    pub weight: u8,
    /// How the reading went.
    pub state: FactState,
    /// The digest of a value that was read.
    pub digest: Option<FactDigest>,
    /// Why it could not be read, or by which rule it is a placeholder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

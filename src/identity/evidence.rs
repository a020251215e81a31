//! The vocabulary of evidence: groups, sources, and what reading one of them gave.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// Facts that change together, and therefore vote together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Group {
    /// The system's own id: SMBIOS UUID, cloud instance id, or a device tree's serial where there is no SMBIOS.
    U,
    /// The TPM 2.0 endorsement key.
    T,
    /// System and board serial; on bare metal only, because guests may see their host's.
    S,
    /// Permanent MAC addresses of the physical network interfaces.
    N,
    /// Identity of the disks below the state directory.
    D,
    /// Kept for the report, never voting.
    #[serde(rename = "noted")]
    Noted,
}

impl Group {
    /// Every group, in the order of reports.
    pub const ALL: [Self; 6] = [Self::U, Self::T, Self::S, Self::N, Self::D, Self::Noted];

    /// What the group's one vote weighs at the most, settled by measurement (docs/population.md). At 60 per cent it follows
    /// that any one group may change where two others remain.
    pub const fn weight(self) -> u8 {
        match self {
            Self::U => 45,
            Self::T | Self::N => 30,
            Self::S => 25,
            Self::D => 20,
            Self::Noted => 0,
        }
    }

    /// What U weighs on bare metal. A hypervisor draws a guest's, and it is the guest's best evidence: there it suffices
    /// against any other group. Firmware's may be that of a whole model, its serials too, and an update may lose it.
    pub(super) const BARE_METAL_U: u8 = 30;

    /// The letter of the documents, or `noted`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U => "U",
            Self::T => "T",
            Self::S => "S",
            Self::N => "N",
            Self::D => "D",
            Self::Noted => "noted",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The kind of a fact. Its name is part of every Serial Number and every digest, so names never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The instance id that a cloud puts into SMBIOS.
    CloudInstanceId,
    /// The system UUID of SMBIOS type 1.
    SmbiosUuid,
    /// `serial-number` of the device tree.
    DeviceTreeSerial,
    /// The public endorsement key of a TPM 2.0.
    TpmEndorsementKey,
    /// The system serial of SMBIOS type 1.
    SystemSerial,
    /// The board serial of SMBIOS type 2.
    BoardSerial,
    /// A permanent MAC address.
    PermanentMac,
    /// The World Wide Identifier of a disk: NAA, EUI-64, NGUID or UUID.
    DiskWwid,
    /// The serial of a disk.
    DiskSerial,
    /// Vendor and model of the processor.
    Processor,
    /// The operating system's `machine-id`.
    MachineId,
    /// The operator's text in place of evidence: never a fact, only where a Serial Number comes from.
    Override,
}

impl Source {
    /// Its name in Serial Numbers, digests and reports; the same as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CloudInstanceId => "cloud-instance-id",
            Self::SmbiosUuid => "smbios-uuid",
            Self::DeviceTreeSerial => "device-tree-serial",
            Self::TpmEndorsementKey => "tpm-endorsement-key",
            Self::SystemSerial => "system-serial",
            Self::BoardSerial => "board-serial",
            Self::PermanentMac => "permanent-mac",
            Self::DiskWwid => "disk-wwid",
            Self::DiskSerial => "disk-serial",
            Self::Processor => "processor",
            Self::MachineId => "machine-id",
            Self::Override => "override",
        }
    }

    /// The group whose vote it belongs to.
    pub const fn group(self) -> Group {
        match self {
            Self::CloudInstanceId | Self::SmbiosUuid | Self::DeviceTreeSerial => Group::U,
            Self::TpmEndorsementKey => Group::T,
            Self::SystemSerial | Self::BoardSerial => Group::S,
            Self::PermanentMac => Group::N,
            Self::DiskWwid | Self::DiskSerial => Group::D,
            Self::Processor | Self::MachineId | Self::Override => Group::Noted,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A raw identifier in canonical form. It never leaves the machine: no text of it in `Debug`, no `Display`, no JSON,
/// and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Canonical(Zeroizing<String>);

impl Canonical {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The raw identifier, for `hardware report --raw` only; every other caller is a place to review.
    pub fn expose_raw(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canonical(..)")
    }
}

/// What reading one source gave. The four are told apart everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A value that tells machines apart.
    Value(Canonical),
    /// The machine does not have it.
    Absent,
    /// It may be there, and could not be read: neither a match nor a mismatch.
    Unreadable {
        /// What went wrong and, where known, the mend.
        why: String,
    },
    /// It was read and says nothing: a text that many machines share.
    Placeholder {
        /// The rule of the placeholder table that says so.
        rule: &'static str,
    },
}

impl Reading {
    /// The reading without its value.
    pub const fn state(&self) -> FactState {
        match self {
            Self::Value(_) => FactState::Read,
            Self::Absent => FactState::Absent,
            Self::Unreadable { .. } => FactState::Unreadable,
            Self::Placeholder { .. } => FactState::Placeholder,
        }
    }

    pub(super) fn unreadable(why: impl Into<String>) -> Self {
        Self::Unreadable { why: why.into() }
    }
}

/// A [`Reading`] without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactState {
    /// See [`Reading::Value`].
    Read,
    /// See [`Reading::Absent`].
    Absent,
    /// See [`Reading::Unreadable`].
    Unreadable,
    /// See [`Reading::Placeholder`].
    Placeholder,
}

/// One source, as one place of this machine gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its kind.
    pub source: Source,
    /// Where it was read: a path below the root, an interface, a disk. For people; nothing depends on it.
    pub place: String,
    /// What was found there.
    pub reading: Reading,
}

impl Fact {
    /// A fact of `source` as `place` gave it.
    pub fn new(source: Source, place: impl Into<String>, reading: Reading) -> Self {
        Self { source, place: place.into(), reading }
    }

    /// A fact with a value already in canonical form: for the simulation and for tests.
    pub fn of(source: Source, canonical: impl Into<String>) -> Self {
        Self::new(source, "given", Reading::Value(Canonical::new(canonical.into())))
    }

    /// The group whose vote it belongs to.
    pub const fn group(&self) -> Group {
        self.source.group()
    }

    /// The value, where there is one.
    pub const fn value(&self) -> Option<&Canonical> {
        match &self.reading {
            Reading::Value(value) => Some(value),
            _ => None,
        }
    }
}

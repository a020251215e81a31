//! The probes: each reads one kind of evidence, and tells absent, unreadable and placeholder apart.
//!
//! A new probe is a file here and a line in [`ALL`].

mod container;
mod device_tree;
mod disk;
mod netlink;
mod network;
mod noted;
mod smbios;
mod tpm;
mod virtualization;

use super::{Fact, Reading, Source, site::Site, tree::Found};
use std::time::Duration;

pub(super) use tpm::TPMS;
pub(super) use virtualization::machine_kind;

/// One kind of evidence.
pub(super) struct Probe {
    pub(super) name: &'static str,
    /// What it answers for, so that its silence is unreadable, not absent.
    pub(super) sources: &'static [Source],
    pub(super) read: fn(&Site) -> Vec<Fact>,
}

/// Every probe.
pub(super) static ALL: [Probe; 6] = [
    Probe { name: "smbios", sources: smbios::SOURCES, read: smbios::read },
    Probe { name: "device-tree", sources: device_tree::SOURCES, read: device_tree::read },
    Probe { name: "tpm", sources: tpm::SOURCES, read: tpm::read },
    Probe { name: "network", sources: network::SOURCES, read: network::read },
    Probe { name: "disk", sources: disk::SOURCES, read: disk::read },
    Probe { name: "noted", sources: noted::SOURCES, read: noted::read },
];

/// Time since boot. A clock that runs through suspend, because a resumed machine has its drivers.
pub(super) fn uptime(site: &Site) -> Option<Duration> {
    let line = site.tree.line("/proc/uptime")?;
    let seconds: f64 = line.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The reading of a file: `of` makes one from its text.
fn of_file(site: &Site, path: &str, of: impl FnOnce(&str) -> Reading) -> Reading {
    match site.tree.text(path) {
        Found::Some(text) => of(&text),
        Found::Missing => Reading::Absent,
        Found::Unreadable(why) => Reading::unreadable(format!("{path}: {why}")),
    }
}

/// Enough for the first processor, and for all of a small board. The whole file takes milliseconds where there are
/// hundreds: the kernel asks each for its frequency.
const CPUINFO_BYTES: u64 = 16 * 1024;

/// The first value of a field of /proc/cpuinfo.
fn cpuinfo(site: &Site, field: &str) -> Option<String> {
    let text = site.tree.beginning("/proc/cpuinfo", CPUINFO_BYTES)?;
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == field).then(|| value.trim().to_owned())
    })?;
    (!value.is_empty()).then_some(value)
}

//! The table of texts that many machines share. Its entries live in `placeholders.toml`.

use super::{Canonical, Reading, canonical};
use serde::Deserialize;
use std::{collections::HashSet, sync::LazyLock};

const ONE_SYMBOL: &str = "one symbol repeated";
const LISTED_UUID: &str = "a UUID that many machines share";
const LISTED_SERIAL: &str = "a text that many machines share";
const LISTED_DISK: &str = "a serial that every disk of this kind has";
const LISTED_MAC: &str = "an address that many machines share";
const NO_TEXT: &str = "no letter or digit in it";

/// The entries as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entries {
    pub(super) uuids: Vec<String>,
    pub(super) serials: Vec<String>,
    pub(super) disks: Vec<String>,
    pub(super) macs: Vec<String>,
}

impl Entries {
    pub(super) fn read() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("placeholders.toml"))
    }
}

/// The entries, ready to be asked.
pub(super) struct Table {
    uuids: HashSet<String>,
    serials: HashSet<String>,
    disks: HashSet<String>,
    disk_beginnings: Vec<String>,
    mac_beginnings: Vec<String>,
}

/// The one table of this program.
pub(super) fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        // A test reads the file that is built in, so this default is never used.
        Table::new(&Entries::read().unwrap_or_default())
    });
    &TABLE
}

impl Table {
    fn new(entries: &Entries) -> Self {
        let (beginnings, whole): (Vec<_>, Vec<_>) =
            entries.disks.iter().partition(|entry| entry.ends_with('*'));
        Self {
            uuids: entries.uuids.iter().filter_map(|entry| canonical::uuid(entry)).collect(),
            serials: entries.serials.iter().map(|entry| squeezed(entry)).collect(),
            disks: whole.into_iter().map(|entry| squeezed(entry)).collect(),
            disk_beginnings: beginnings.into_iter().map(|entry| squeezed(entry)).collect(),
            mac_beginnings: entries.macs.clone(),
        }
    }

    fn rule_for_uuid(&self, canonical: &str) -> Option<&'static str> {
        if is_one_symbol(&squeezed(canonical)) {
            Some(ONE_SYMBOL)
        } else {
            self.uuids.contains(canonical).then_some(LISTED_UUID)
        }
    }

    /// The rule that makes a serial a placeholder.
    pub(super) fn rule_for_serial(&self, canonical: &str) -> Option<&'static str> {
        let squeezed = squeezed(canonical);
        if squeezed.is_empty() {
            Some(NO_TEXT)
        } else if is_one_symbol(&squeezed) {
            Some(ONE_SYMBOL)
        } else {
            self.serials.contains(&squeezed).then_some(LISTED_SERIAL)
        }
    }

    fn rule_for_disk(&self, canonical: &str) -> Option<&'static str> {
        // The kind in front of a WWID says nothing: `eui.0000000000000000` is all zeros.
        let identity = ["eui.", "naa.", "uuid.", "nvme.", "t10."]
            .into_iter()
            .find_map(|kind| canonical.strip_prefix(kind))
            .unwrap_or(canonical);
        let whole = squeezed(canonical);
        let listed = self.disks.contains(&whole)
            || self.disk_beginnings.iter().any(|beginning| whole.starts_with(beginning.as_str()));
        self.rule_for_serial(identity).or(listed.then_some(LISTED_DISK))
    }

    fn rule_for_mac(&self, canonical: &str) -> Option<&'static str> {
        if is_one_symbol(&squeezed(canonical)) {
            return Some(ONE_SYMBOL);
        }
        let listed = self.mac_beginnings.iter().any(|b| canonical.starts_with(b.as_str()));
        listed.then_some(LISTED_MAC)
    }
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_one_symbol(squeezed: &str) -> bool {
    let mut symbols = squeezed.chars();
    symbols.next().is_some_and(|first| symbols.all(|symbol| symbol == first))
}

fn unless(rule: Option<&'static str>, canonical: String) -> Reading {
    match rule {
        Some(rule) => Reading::Placeholder { rule },
        None => Reading::Value(Canonical::new(canonical)),
    }
}

/// The reading of a text that should be a UUID.
pub(super) fn uuid_reading(text: &str) -> Reading {
    match canonical::uuid(text) {
        Some(uuid) => unless(table().rule_for_uuid(&uuid), uuid),
        None => Reading::Placeholder { rule: canonical::NOT_A_UUID },
    }
}

/// The reading of a serial; blank is absent, as firmware writes what it does not have.
pub(super) fn serial_reading(text: &str) -> Reading {
    let serial = canonical::serial(text);
    if serial.is_empty() {
        return Reading::Absent;
    }
    unless(table().rule_for_serial(&serial), serial)
}

/// The reading of a disk's serial or WWID.
pub(super) fn disk_reading(canonical: String) -> Reading {
    if canonical.is_empty() {
        return Reading::Absent;
    }
    unless(table().rule_for_disk(&canonical), canonical)
}

/// The reading of a permanent MAC address, canonical if it is one.
pub(super) fn mac_reading(mac: Option<String>) -> Reading {
    match mac {
        Some(mac) => unless(table().rule_for_mac(&mac), mac),
        None => Reading::Placeholder { rule: canonical::NOT_A_MAC },
    }
}

//! The serial of a board that describes itself by a device tree; it stands for U where there is no SMBIOS.

use super::of_file;
use crate::identity::{
    Fact, Reading, Source, placeholders,
    site::{DMI, Site},
};

pub(super) const SOURCES: &[Source] = &[Source::DeviceTreeSerial];

const ROOTS: [&str; 2] = ["/proc/device-tree", "/sys/firmware/devicetree/base"];
const CPUINFO: &str = "/proc/cpuinfo";

pub(super) fn is_there(site: &Site) -> bool {
    ROOTS.iter().any(|root| site.tree.exists(root))
}

pub(super) fn read(site: &Site) -> Vec<Fact> {
    if site.tree.exists(DMI) {
        // Arm servers have both, and then SMBIOS is what their maker maintains.
        return Vec::new();
    }
    let places = ROOTS.map(|root| format!("{root}/serial-number"));
    for place in places {
        let reading = of_file(site, &place, placeholders::serial_reading);
        if reading != Reading::Absent {
            return vec![Fact::new(Source::DeviceTreeSerial, place, reading)];
        }
    }
    // Before Linux 4.11 a Raspberry Pi told its serial here only.
    let from_cpuinfo = super::cpuinfo(site, "Serial").map(|s| placeholders::serial_reading(&s));
    let reading = from_cpuinfo.unwrap_or(Reading::Absent);
    let place = if reading == Reading::Absent { ROOTS[0] } else { CPUINFO };
    vec![Fact::new(Source::DeviceTreeSerial, place, reading)]
}

//! Facts without weight, kept for the report: they change with a resize, a live migration or an installation.

use super::of_file;
use crate::identity::{Canonical, Fact, Reading, Source, canonical, placeholders, site::Site};

pub(super) const SOURCES: &[Source] = &[Source::Processor, Source::MachineId];

const MACHINE_ID: &str = "/etc/machine-id";

pub(super) fn read(site: &Site) -> Vec<Fact> {
    let machine_id = of_file(site, MACHINE_ID, placeholders::serial_reading);
    vec![
        Fact::new(Source::Processor, "/proc/cpuinfo", processor(site)),
        Fact::new(Source::MachineId, MACHINE_ID, machine_id),
    ]
}

fn processor(site: &Site) -> Reading {
    let fields = [("vendor_id", "model name"), ("CPU implementer", "CPU part")];
    let from_file = fields.into_iter().find_map(|(vendor, model)| {
        Some(format!("{} {}", super::cpuinfo(site, vendor)?, super::cpuinfo(site, model)?))
    });
    let text = from_file.or_else(|| site.live.then(from_sysinfo).flatten());
    text.map_or(Reading::Absent, |text| Reading::Value(Canonical::new(canonical::serial(&text))))
}

/// It knows the names of more architectures than the two above.
fn from_sysinfo() -> Option<String> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    let cpu = system.cpus().first()?;
    let text = format!("{} {}", cpu.vendor_id(), cpu.brand());
    (!text.trim().is_empty()).then_some(text)
}

//! What firmware or hypervisor wrote into SMBIOS: system UUID, serials, and the instance id of some clouds.

use super::of_file;
use crate::identity::{
    Canonical, Fact, Reading, Source, canonical, placeholders,
    site::{DMI, Site},
    tree::Found,
};

mod table;

pub(super) const SOURCES: &[Source] =
    &[Source::CloudInstanceId, Source::SmbiosUuid, Source::SystemSerial, Source::BoardSerial];

const UUID: &str = "/sys/class/dmi/id/product_uuid";
const SYSTEM_SERIAL: &str = "/sys/class/dmi/id/product_serial";
const BOARD_SERIAL: &str = "/sys/class/dmi/id/board_serial";

pub(super) fn read(site: &Site) -> Vec<Fact> {
    if !site.tree.exists(DMI) {
        return without_dmi(site);
    }
    let mut facts = vec![
        Fact::new(Source::SmbiosUuid, UUID, uuid(site)),
        Fact::new(Source::SystemSerial, SYSTEM_SERIAL, serial(site, SYSTEM_SERIAL)),
        Fact::new(Source::BoardSerial, BOARD_SERIAL, serial(site, BOARD_SERIAL)),
    ];
    // The kernel shows the first board only, and firmware may have put the machine's own second.
    if facts.iter().any(|f| f.source == Source::BoardSerial && f.value().is_none())
        && let Found::Some(table) = table::read(site)
    {
        let others = from_table(&table).into_iter().filter(|f| f.source == Source::BoardSerial);
        facts.extend(others.filter(|fact| fact.value().is_some()));
    }
    // Some hypervisors write the UUID into the serial as well, and some show it there only.
    let in_serial = site.tree.line(SYSTEM_SERIAL).and_then(|s| canonical::uuid_in_serial(&s));
    if let Some(uuid) = in_serial {
        let reading = placeholders::uuid_reading(&uuid);
        facts.push(Fact::new(Source::SmbiosUuid, SYSTEM_SERIAL, reading));
    }
    facts.extend(instance_id(site));
    facts
}

fn from_table(table: &table::Table) -> Vec<Fact> {
    let fact = |source, reading| Fact::new(source, table::TABLE, reading);
    let uuid = table.uuid.as_deref().map_or(Reading::Absent, placeholders::uuid_reading);
    let serial = table.system_serial.as_deref().unwrap_or_default();
    let mut facts = vec![
        fact(Source::SmbiosUuid, uuid),
        fact(Source::SystemSerial, placeholders::serial_reading(serial)),
    ];
    let boards = table.board_serials.iter().map(|serial| placeholders::serial_reading(serial));
    facts.extend(boards.map(|reading| fact(Source::BoardSerial, reading)));
    facts
}

fn uuid(site: &Site) -> Reading {
    of_file(site, UUID, |text| {
        if text.trim().is_empty() {
            // The kernel shows no file where firmware gives no UUID, and never an empty one. Taking it for absent
            // has silently changed the ids of machines whose root-only files were masked.
            return Reading::unreadable(format!("{UUID} is empty: something hides it"));
        }
        placeholders::uuid_reading(text)
    })
}

fn serial(site: &Site, path: &str) -> Reading {
    of_file(site, path, placeholders::serial_reading)
}

/// Without the kernel's strings: no SMBIOS, or one that is hidden from this process.
fn without_dmi(site: &Site) -> Vec<Fact> {
    if let Found::Some(table) = table::read(site) {
        return from_table(&table);
    }
    if let Some(Ok(uuid)) = site.live.then(sysinfo::Product::uuid) {
        // Its `serial_number` would answer with the device tree's, its `name` with a world-writable file: not asked.
        let reading = placeholders::uuid_reading(&uuid);
        return vec![Fact::new(Source::SmbiosUuid, "sysinfo", reading)];
    }
    let tree = &site.tree;
    let hidden = tree.exists("/sys/class/dmi") || tree.exists(table::TABLE);
    let no_sysfs = !tree.exists("/sys/class/net") && !super::device_tree::is_there(site);
    let reading = if hidden || no_sysfs {
        Reading::unreadable(format!("{DMI} is hidden from this process"))
    } else {
        Reading::Absent
    };
    let sources = [Source::SmbiosUuid, Source::SystemSerial, Source::BoardSerial];
    sources.into_iter().map(|source| Fact::new(source, DMI, reading.clone())).collect()
}

/// Where a cloud writes the id of the instance. Azure, Google and Oracle write it as the system UUID.
struct Cloud {
    vendor: &'static str,
    field: &'static str,
    is_id: fn(&str) -> bool,
}

/// By the vendors' own documents and cloud-init's data sources.
const CLOUDS: [Cloud; 4] = [
    Cloud { vendor: "amazon ec2", field: "board_asset_tag", is_id: is_ec2_instance },
    Cloud { vendor: "digitalocean", field: "product_serial", is_id: is_number },
    Cloud { vendor: "hetzner", field: "product_serial", is_id: is_number },
    Cloud { vendor: "vultr", field: "product_serial", is_id: is_number },
];

fn instance_id(site: &Site) -> Option<Fact> {
    let vendor = site.tree.line(&format!("{DMI}/sys_vendor"))?.to_lowercase();
    let cloud = CLOUDS.iter().find(|cloud| cloud.vendor == vendor)?;
    let path = format!("{DMI}/{}", cloud.field);
    let reading = of_file(site, &path, |text| {
        let id = canonical::serial(text);
        if (cloud.is_id)(&id) {
            // With the vendor, so that two clouds that count from 1 do not meet.
            Reading::Value(Canonical::new(format!("{vendor}/{id}")))
        } else {
            Reading::Absent
        }
    });
    match reading {
        // Not every generation of a cloud has it, and the UUID is asked next.
        Reading::Absent => None,
        reading => Some(Fact::new(Source::CloudInstanceId, path, reading)),
    }
}

/// `i-` and 8 or 17 hexadecimal digits. Bare metal of that cloud has it too.
fn is_ec2_instance(id: &str) -> bool {
    id.strip_prefix("i-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

fn is_number(id: &str) -> bool {
    id.len() >= 4 && id.bytes().all(|b| b.is_ascii_digit())
}

/// A string of SMBIOS that identifies nothing, such as the vendor, in lower case.
pub(super) fn describing(site: &Site, field: &str) -> String {
    match site.tree.text(&format!("{DMI}/{field}")) {
        Found::Some(text) => text.trim().to_lowercase(),
        Found::Missing | Found::Unreadable(_) => String::new(),
    }
}

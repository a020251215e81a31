//! Identity of the disks below the state directory: through partitions, LVM, LUKS and md down to the hardware.

use crate::identity::{
    Fact, Reading, Source, canonical, placeholders::disk_reading, site::Site, tree::Found,
};
use std::path::Path;

mod mount;

pub(super) const SOURCES: &[Source] = &[Source::DiskWwid, Source::DiskSerial];

const DISKS: &str = "/sys/block";
const BY_NUMBER: &str = "/sys/dev/block";
/// LUKS on LVM on md on partitions is four; more than this is a loop.
const DEEPEST: u32 = 8;
/// The header in front of the serial in SCSI's vital product data page 0x80, SPC-4 section 7.8.13.
const VPD_HEADER: usize = 4;

pub(super) fn read(site: &Site) -> Vec<Fact> {
    let both = |place: &str, reading: &Reading| {
        SOURCES.iter().map(|s| Fact::new(*s, place, reading.clone())).collect::<Vec<_>>()
    };
    let device = match block_device(site) {
        Ok(Some(device)) => device,
        Ok(None) => return both("no disk below the state directory", &Reading::Absent),
        Err(why) => return both(DISKS, &Reading::unreadable(why)),
    };
    let mut disks = Vec::new();
    descend(site, &device, DEEPEST, &mut disks);
    disks.sort();
    disks.dedup();
    if disks.is_empty() {
        return both("no disk below the state directory", &Reading::Absent);
    }
    disks.iter().flat_map(|disk| identities(site, disk)).collect()
}

/// The block device that the state directory is on, as a path below /sys.
fn block_device(site: &Site) -> Result<Option<String>, String> {
    if !site.tree.exists(DISKS) && !site.tree.exists("/sys/class/block") {
        // Every Linux with block devices has it; one without, such as a diskless board, has /sys still.
        let hidden = !site.tree.exists("/sys/class");
        return if hidden { Err(format!("{DISKS} is not there")) } else { Ok(None) };
    }
    let Some(mount) = mount::below(site)? else { return Ok(only_disk(site)) };
    let by_number = site.tree.real_path(&format!("{BY_NUMBER}/{}", mount.number));
    Ok(by_number
        // Captured without links, it is a copy that does not lead to its disk.
        .filter(|path| !path.starts_with(BY_NUMBER))
        .or_else(|| device_by_name(site, &mount.source))
        .or_else(|| device_by_number(site, &mount.number)))
}

/// Where nothing says what is mounted, a machine with one disk leaves no doubt.
fn only_disk(site: &Site) -> Option<String> {
    let mut disks = Vec::new();
    for name in site.tree.names(DISKS).some()? {
        if let Some(path) = site.tree.real_path(&format!("{DISKS}/{name}")) {
            descend(site, &path, DEEPEST, &mut disks);
        }
    }
    disks.retain(|disk| !is_removable(site, disk));
    disks.sort();
    disks.dedup();
    (disks.len() == 1).then(|| disks.remove(0))
}

/// By what is mounted, for file systems such as btrfs whose device number is no device's.
fn device_by_name(site: &Site, source: &str) -> Option<String> {
    let name = source.strip_prefix("/dev/")?;
    if let Some(mapped) = name.strip_prefix("mapper/") {
        let is_it = |dm: &String| {
            site.tree.line(&format!("{DISKS}/{dm}/dm/name")).is_some_and(|name| name == mapped)
        };
        let dm = site.tree.names(DISKS).some()?.into_iter().find(is_it)?;
        return site.tree.real_path(&format!("{DISKS}/{dm}"));
    }
    if name.contains('/') {
        return None;
    }
    let disks = site.tree.names(DISKS).some().unwrap_or_default();
    let partitions = disks.into_iter().map(|disk| format!("{DISKS}/{disk}/{name}"));
    let whole = [DISKS, "/sys/class/block"].map(|folder| format!("{folder}/{name}"));
    partitions.chain(whole).find_map(|path| site.tree.real_path(&path))
}

/// By the `dev` attributes, for trees captured without /sys/dev.
fn device_by_number(site: &Site, number: &str) -> Option<String> {
    let has_number = |path: &str| site.tree.line(&format!("{path}/dev")).as_deref() == Some(number);
    for disk in site.tree.names(DISKS).some()? {
        let disk = format!("{DISKS}/{disk}");
        let parts = site.tree.names(&disk).some().unwrap_or_default();
        let parts = parts.into_iter().map(|part| format!("{disk}/{part}"));
        if let Some(found) =
            std::iter::once(disk.clone()).chain(parts).find(|path| has_number(path))
        {
            return site.tree.real_path(&found);
        }
    }
    None
}

/// Collects the disks that a block device is made of.
fn descend(site: &Site, device: &str, depth: u32, disks: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    if site.tree.exists(&format!("{device}/partition")) {
        if let Some(parent) = Path::new(device).parent().and_then(Path::to_str) {
            descend(site, parent, depth - 1, disks);
        }
        return;
    }
    let slaves = site.tree.names(&format!("{device}/slaves")).some().unwrap_or_default();
    for slave in &slaves {
        let linked = site.tree.real_path(&format!("{device}/slaves/{slave}"));
        let led_away = linked.filter(|path| !path.starts_with(&format!("{device}/")));
        if let Some(slave) = led_away.or_else(|| device_by_name(site, &format!("/dev/{slave}"))) {
            descend(site, &slave, depth - 1, disks);
        }
    }
    if slaves.is_empty() && !is_made_by_the_kernel(device) {
        disks.push(device.to_owned());
    }
}

/// Loop devices, RAM disks and what is mapped onto nothing are no hardware.
fn is_made_by_the_kernel(device: &str) -> bool {
    let name = device.rsplit('/').next().unwrap_or(device);
    device.contains("/devices/virtual/block/")
        || ["loop", "ram", "zram", "dm-", "md", "nbd"].iter().any(|kind| name.starts_with(kind))
}

fn identities(site: &Site, disk: &str) -> Vec<Fact> {
    let name = disk.rsplit('/').next().unwrap_or(disk);
    if is_removable(site, disk) {
        let place = format!("{name} (removable)");
        return SOURCES.iter().map(|s| Fact::new(*s, place.clone(), Reading::Absent)).collect();
    }
    vec![
        Fact::new(Source::DiskWwid, name, wwid(site, disk)),
        Fact::new(Source::DiskSerial, name, serial(site, disk)),
    ]
}

/// Sticks, cards and whatever hangs on USB go from machine to machine.
fn is_removable(site: &Site, disk: &str) -> bool {
    let says = |attribute: &str, value: &str| {
        site.tree.line(&format!("{disk}/{attribute}")).is_some_and(|line| line == value)
    };
    disk.contains("/usb") || says("removable", "1") || says("device/type", "SD")
}

fn wwid(site: &Site, disk: &str) -> Reading {
    let text = |attribute: &str| site.tree.text(&format!("{disk}/{attribute}"));
    first(
        [("wwid", canonical::serial as fn(&str) -> String), ("device/wwid", canonical::serial)]
            .map(|(attribute, form)| map(text(attribute), form))
            .into_iter()
            // Kernels before 4.8 have these of NVMe only.
            .chain(["nguid", "eui"].map(|attribute| map(text(attribute), eui))),
    )
}

fn eui(text: &str) -> String {
    canonical::eui(text).unwrap_or_default()
}

fn serial(site: &Site, disk: &str) -> Reading {
    let text = |attribute: &str| site.tree.text(&format!("{disk}/{attribute}"));
    let attributes = ["serial", "device/serial", "device/cid"].map(text);
    let texts = attributes.into_iter().map(|found| map(found, canonical::serial));
    let page = match site.tree.bytes(&format!("{disk}/device/vpd_pg80")) {
        Found::Some(page) => {
            let serial = page.get(VPD_HEADER..).unwrap_or_default();
            Found::Some(canonical::serial(&String::from_utf8_lossy(serial)))
        }
        Found::Missing => Found::Missing,
        Found::Unreadable(why) => Found::Unreadable(why),
    };
    first(texts.chain(std::iter::once(page)))
}

fn map(found: Found<String>, form: fn(&str) -> String) -> Found<String> {
    match found {
        Found::Some(text) => Found::Some(form(&text)),
        other => other,
    }
}

/// The first attribute that identifies the disk; else the first that could not be read, else a placeholder.
fn first(attributes: impl Iterator<Item = Found<String>>) -> Reading {
    let mut best = Reading::Absent;
    for found in attributes {
        let reading = match found {
            Found::Some(text) => disk_reading(text),
            Found::Missing => Reading::Absent,
            Found::Unreadable(why) => Reading::unreadable(why),
        };
        match (&best, reading) {
            (_, value @ Reading::Value(_)) => return value,
            (_, unreadable @ Reading::Unreadable { .. }) => best = unreadable,
            (Reading::Absent, other) => best = other,
            _ => {}
        }
    }
    best
}

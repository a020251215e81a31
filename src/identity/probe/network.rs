//! Permanent MAC addresses of physical network interfaces.
//!
//! Physical is what has a device on a bus of the machine. That leaves out bridges, bonds, VLANs, tunnels, veth pairs
//! and the like, which have none; USB and dock adapters, which come and go; and SR-IOV virtual functions, whose
//! addresses are drawn.

use super::netlink;
use crate::identity::{
    Fact, Reading, Source, canonical, placeholders::mac_reading, site::Site, tree::Found,
};
use std::collections::HashMap;

pub(super) const SOURCES: &[Source] = &[Source::PermanentMac];

const INTERFACES: &str = "/sys/class/net";
/// `ARPHRD_ETHER` of Linux's `if_arp.h`; Wi-Fi has it too.
const ETHERNET: &str = "1";
/// Buses whose devices stay in the machine.
const BUSES: [&str; 18] = [
    "acpi", "pci", "virtio", "vmbus", "xen", "platform", "amba", "of", "soc", "sdio", "mdio_bus",
    "fsl-mc", "ssb", "bcma", "ccwgroup", "vio", "eisa", "macio",
];

pub(super) fn read(site: &Site) -> Vec<Fact> {
    let absent = |reading| vec![Fact::new(Source::PermanentMac, INTERFACES, reading)];
    let names = match site.tree.names(INTERFACES) {
        Found::Some(names) => names,
        // A kernel that runs the agent has interfaces; without a list /sys is hidden.
        Found::Missing => return absent(Reading::unreadable(format!("{INTERFACES} is not there"))),
        Found::Unreadable(why) => {
            return absent(Reading::unreadable(format!("{INTERFACES}: {why}")));
        }
    };
    // Where netlink is not allowed, /sys has the answer in nearly every case.
    let by_kernel =
        site.live.then(netlink::permanent_addresses).and_then(Result::ok).unwrap_or_default();
    let physical = names.iter().filter(|name| is_physical(site, name));
    let facts: Vec<Fact> = physical
        .map(|name| (name, permanent(site, name, &by_kernel)))
        .filter(|(_, reading)| *reading != Reading::Absent)
        .map(|(name, reading)| Fact::new(Source::PermanentMac, name, reading))
        .collect();
    if facts.is_empty() { absent(Reading::Absent) } else { facts }
}

fn is_physical(site: &Site, name: &str) -> bool {
    let interface = format!("{INTERFACES}/{name}");
    let device = format!("{interface}/device");
    let is_ethernet = site.tree.line(&format!("{interface}/type")).is_none_or(|t| t == ETHERNET);
    let is_removable =
        site.tree.line(&format!("{device}/removable")).is_some_and(|r| r == "removable");
    is_ethernet
        && site.tree.has_entry(&device)
        && !site.tree.exists(&format!("{device}/physfn"))
        && !is_removable
        && BUSES.contains(&bus(site, &device).as_str())
}

/// The bus of a device: by its link to it, else by its module alias, else by its path and name, for trees captured
/// without links or without what they lead to.
fn bus(site: &Site, device: &str) -> String {
    if let Some(bus) = site.tree.link_name(&format!("{device}/subsystem")) {
        return bus;
    }
    if let Some(alias) = site.tree.line(&format!("{device}/modalias")) {
        return alias.split(':').next().unwrap_or_default().to_owned();
    }
    let path = site.tree.real_path(device).unwrap_or_default();
    let name = site.tree.link_name(device).unwrap_or_default();
    let by_path =
        [("/usb", "usb"), ("/virtual/", "virtual"), ("/virtio", "virtio"), ("/pci", "pci")];
    let found = by_path.into_iter().find(|(part, _)| path.contains(part));
    match found {
        Some((_, bus)) => bus.to_owned(),
        None if is_usb_name(&name) => "usb".to_owned(),
        // Nothing speaks against it.
        None => "platform".to_owned(),
    }
}

/// `1-1.2:1.0`: bus, ports, configuration and interface.
fn is_usb_name(name: &str) -> bool {
    name.split_once('-').is_some_and(|(bus, ports)| {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number(bus) && ports.split(['.', ':']).all(is_number)
    })
}

fn permanent(site: &Site, name: &str, by_kernel: &HashMap<String, [u8; 6]>) -> Reading {
    if let Some(octets) = by_kernel.get(name) {
        return mac_reading(canonical::mac_octets(*octets));
    }
    let attribute = |attribute: &str| site.tree.line(&format!("{INTERFACES}/{name}/{attribute}"));
    // A bond gives its address to its ports, and keeps theirs here.
    if let Some(address) = attribute("bonding_slave/perm_hwaddr") {
        return mac_reading(canonical::mac(&address));
    }
    // `NET_ADDR_…` of Linux's `netdevice.h`.
    match attribute("addr_assign_type").as_deref() {
        Some("0") => {
            address(site, name).map_or_else(unreadable, |a| mac_reading(canonical::mac(&a)))
        }
        Some("3") => Reading::unreadable(format!(
            "{name}: software set another address, and the kernel was not asked for the permanent one"
        )),
        // Random, or taken from another interface.
        Some(_) => Reading::Absent,
        // The kernel does not say: only an address that its maker gave speaks for itself.
        None => {
            let address = address(site, name).and_then(|address| canonical::mac(&address));
            let universal = address.filter(|address| canonical::is_universal_mac(address));
            universal.map_or(Reading::Absent, |address| mac_reading(Some(address)))
        }
    }
}

fn unreadable() -> Reading {
    Reading::unreadable("the address could not be read")
}

fn address(site: &Site, name: &str) -> Option<String> {
    let by_ioctl = || mac_address::mac_address_by_name(name).ok().flatten().map(|a| a.to_string());
    let line = site.tree.line(&format!("{INTERFACES}/{name}/address"));
    line.or_else(|| site.live.then(by_ioctl).flatten())
}

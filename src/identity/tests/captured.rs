//! Trees as they are captured from machines, built in a temporary directory.

use crate::identity::{
    Enrolled, FactState, Hardware, Judgement, LocalSecret, Machine, Source, Survey, judge,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

pub(super) const UUID: &str = "4c4c4544-0042-3510-8054-b4c04f4a4e32";
pub(super) const INTEL_MAC: &str = "3c:ec:ef:12:34:56";
const MOUNTINFO: &str =
    "27 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw\n22 27 0:21 / /proc rw - proc proc rw\n";
const BARE_CPU: &str =
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t\t: fpu vme\n";
const GUEST_CPU: &str =
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t\t: fpu hypervisor\n";

/// A tree that can be changed and looked at again.
pub(super) struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    pub(super) fn empty() -> Self {
        // In memory where possible: hundreds of small files take seconds on some disks.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let tree = Self { root: tempfile::tempdir_in(folder).unwrap() };
        tree.file("/proc/uptime", "86400.00 170000.00\n").file("/proc/self/mountinfo", MOUNTINFO)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    pub(super) fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.set(path, text);
        self
    }

    pub(super) fn set(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub(super) fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.symlink_metadata().unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// Root reads whatever the mode bits say, and a directory in the file's place stops even root.
    pub(super) fn make_unreadable(&self, path: &str) {
        self.remove(path);
        fs::create_dir(self.path(path)).unwrap();
    }

    pub(super) fn dmi(self, fields: &[(&str, &str)]) -> Self {
        for (field, text) in fields {
            self.set_dmi(field, text);
        }
        self
    }

    pub(super) fn set_dmi(&self, field: &str, text: &str) {
        self.set(&format!("/sys/class/dmi/id/{field}"), format!("{text}\n"));
    }

    /// An interface on a bus, linked as sysfs links it.
    pub(super) fn nic(self, name: &str, mac: &str, bus: &str) -> Self {
        let device = format!("/sys/devices/{bus}0000:00/{name}-device");
        let interface = format!("{device}/net/{name}");
        self.file(&format!("{interface}/address"), format!("{mac}\n"))
            .file(&format!("{interface}/addr_assign_type"), "0\n")
            .file(&format!("{interface}/type"), "1\n")
            .link(&format!("{interface}/device"), "../..")
            .link(&format!("{device}/subsystem"), &format!("/sys/bus/{bus}"))
            .link(
                &format!("/sys/class/net/{name}"),
                &format!("../..{}", &interface["/sys".len()..]),
            )
    }

    pub(super) fn virtual_nic(self, name: &str, mac: &str) -> Self {
        let interface = format!("/sys/devices/virtual/net/{name}");
        self.file(&format!("{interface}/address"), format!("{mac}\n"))
            .file(&format!("{interface}/addr_assign_type"), "3\n")
            .link(&format!("/sys/class/net/{name}"), &format!("../../devices/virtual/net/{name}"))
    }

    pub(super) fn replace_nic(self, name: &str, mac: &str) -> Self {
        self.set(&format!("/sys/class/net/{name}/address"), format!("{mac}\n"));
        self
    }

    /// A SCSI disk `sda` with a partition that is mounted at the root.
    pub(super) fn disk(self, serial: &str, wwid: &str) -> Self {
        let disk = "/sys/devices/pci0000:00/host0/block/sda";
        self.file(&format!("{disk}/removable"), "0\n")
            .file(&format!("{disk}/device/vpd_pg80"), [b"\0\x80\0\x14", serial.as_bytes()].concat())
            .file(&format!("{disk}/device/wwid"), format!("{wwid}\n"))
            .file(&format!("{disk}/sda2/partition"), "2\n")
            .link("/sys/dev/block/8:2", "../../devices/pci0000:00/host0/block/sda/sda2")
            .link("/sys/block/sda", "../devices/pci0000:00/host0/block/sda")
    }

    pub(super) fn replace_disk(self, serial: &str, wwid: &str) -> Self {
        let disk = "/sys/block/sda/device";
        self.set(&format!("{disk}/vpd_pg80"), [b"\0\x80\0\x14", serial.as_bytes()].concat());
        self.set(&format!("{disk}/wwid"), format!("{wwid}\n"));
        self
    }

    /// The same captured with every link followed, as `cp -rL` does.
    pub(super) fn without_links(&self) -> Self {
        let copy = Self::empty();
        fs::remove_dir_all(copy.path("/proc")).unwrap();
        self.copy_to(&copy, "/");
        copy
    }

    fn copy_to(&self, copy: &Self, folder: &str) {
        let machine = crate::identity::tree::Tree::new(self.root.path().to_owned());
        for name in machine.names(folder).some().unwrap_or_default() {
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            let is_link_upwards = name == "subsystem" || path.matches("/device").count() > 3;
            match machine.bytes(&path) {
                crate::identity::tree::Found::Some(bytes) => copy.set(&path, bytes),
                _ if is_link_upwards => {}
                _ => self.copy_to(copy, &path),
            }
        }
    }

    pub(super) fn survey(&self) -> Survey {
        Machine::at(self.root.path(), "/var/lib/entitled").survey()
    }

    pub(super) fn enroll(&self) -> Enrolled {
        let survey = self.survey();
        Enrolled::enroll(&survey.mint().unwrap(), &survey, &secret(), start())
    }

    pub(super) fn judge(&self, enrolled: &Enrolled) -> Judgement {
        judge(enrolled, &self.survey(), &secret(), start() + SignedDuration::from_hours(1))
    }

    /// The raw values of a source.
    pub(super) fn values(&self, source: Source) -> Vec<String> {
        let survey = self.survey();
        let facts = survey.facts().iter().filter(|fact| fact.source == source);
        facts.filter_map(|fact| Some(fact.value()?.expose_raw().to_owned())).collect()
    }

    /// How the readings of a source went.
    pub(super) fn states(&self, source: Source) -> Vec<FactState> {
        let survey = self.survey();
        let facts = survey.facts().iter().filter(|fact| fact.source == source);
        facts.map(|fact| fact.reading.state()).collect()
    }
}

pub(super) fn secret() -> LocalSecret {
    LocalSecret::from_bytes([7; 32])
}

pub(super) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A rack server with two ports: U 30, S 25, N 30, D 20.
pub(super) fn server() -> Tree {
    Tree::empty()
        .file("/proc/cpuinfo", BARE_CPU)
        .file("/etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n")
        .dmi(&[
            ("sys_vendor", "Supermicro"),
            ("product_name", "SYS-1029P"),
            ("product_uuid", UUID),
            ("product_serial", "A298765X9C12345"),
            ("board_serial", "WM18AS012345"),
        ])
        .nic("eno1", INTEL_MAC, "pci")
        .nic("eno2", "3c:ec:ef:12:34:57", "pci")
        .virtual_nic("lo", "00:00:00:00:00:00")
        .disk("S4EVNX0M123456", "naa.5002538e40b8e5a1")
}

/// A laptop whose maker filled in the half of it.
pub(super) fn laptop() -> Tree {
    Tree::empty()
        .file("/proc/cpuinfo", BARE_CPU)
        .dmi(&[
            ("sys_vendor", "Dell Inc."),
            ("product_uuid", "03000200-0400-0500-0006-000700080009"),
            ("product_serial", "To Be Filled By O.E.M."),
            ("board_serial", "/6F5T9P2/CNFCW0098S00BC/"),
        ])
        .nic("wlp2s0", "a4:c3:f0:00:11:22", "pci")
        .nic("usb0", "00:e0:4c:68:00:01", "usb")
        .disk("214509A0", "eui.0025385a11b0c9e4")
}

/// A guest of QEMU under libvirt: U 45, N 30, D 20.
pub(super) fn kvm() -> Tree {
    Tree::empty()
        .file("/proc/cpuinfo", GUEST_CPU)
        .dmi(&[
            ("sys_vendor", "QEMU"),
            ("product_name", "Standard PC (Q35 + ICH9, 2009)"),
            ("product_uuid", "9f2b1a4c-7d5e-4f60-8a91-b2c3d4e5f607"),
            ("product_serial", ""),
        ])
        .nic("ens3", "52:54:00:7a:1b:2c", "virtio")
        .disk("data-volume-1", "0QEMU QEMU HARDDISK data-volume-1")
}

pub(super) fn vmware() -> Tree {
    Tree::empty()
        .file("/proc/cpuinfo", GUEST_CPU)
        .dmi(&[
            ("sys_vendor", "VMware, Inc."),
            ("product_name", "VMware Virtual Platform"),
            ("product_uuid", "3b2f4d56-1e8b-5c2c-9f1e-6b1c0a1d2e3f"),
            ("product_serial", "VMware-56 4d 2f 3b 8b 1e 2c 5c-9f 1e 6b 1c 0a 1d 2e 3f"),
        ])
        .nic("ens192", "00:50:56:9a:01:02", "pci")
}

pub(super) fn ec2() -> Tree {
    Tree::empty()
        .file("/proc/cpuinfo", GUEST_CPU)
        .dmi(&[
            ("sys_vendor", "Amazon EC2"),
            ("product_name", "m5.large"),
            ("product_uuid", "ec2f8e9a-1b2c-3d4e-5f60-718293a4b5c6"),
            ("product_serial", "ec2f8e9a-1b2c-3d4e-5f60-718293a4b5c6"),
            ("board_asset_tag", "i-0abcdef1234567890"),
            ("chassis_asset_tag", "Amazon EC2"),
        ])
        .nic("ens5", "06:1f:2e:3d:4c:5b", "pci")
        .disk("vol0123456789abcdef0", "nvme.1d0f-766f6c30")
}

pub(super) fn azure() -> Tree {
    Tree::empty()
        .file("/proc/cpuinfo", GUEST_CPU)
        .dmi(&[
            ("sys_vendor", "Microsoft Corporation"),
            ("product_name", "Virtual Machine"),
            ("product_uuid", "5e1c7a90-2b3d-4c5e-8f60-a1b2c3d4e5f6"),
            ("product_serial", "0000-0012-3456-7890-1234-5678-90"),
            ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"),
        ])
        .nic("eth0", "00:0d:3a:12:34:56", "vmbus")
        .disk("60022480abcdef", "naa.60022480abcdef0123456789")
}

/// A container that sees all of its host.
pub(super) fn docker() -> Tree {
    let tree = server()
        .file("/.dockerenv", "")
        .file("/proc/1/cgroup", "0::/\n")
        .link("/proc/self/ns/pid", "pid:[4026532345]");
    let root = "700 600 0:50 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X";
    tree.set("/proc/self/mountinfo", root);
    tree
}

/// A board with a device tree and a card.
pub(super) fn board() -> Tree {
    Tree::empty()
        .file("/proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n")
        .file("/proc/device-tree/serial-number", "10000000a1b2c3d4\0")
        .file("/proc/device-tree/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0")
        .nic("eth0", "dc:a6:32:01:02:03", "platform")
}

/// A micro-VM made from a container image: no SMBIOS, a made-up MAC address, a disk serial that all share.
pub(super) fn micro_vm() -> Tree {
    let tree = Tree::empty()
        .file("/proc/cpuinfo", GUEST_CPU)
        .file("/sys/firmware/acpi/tables/DSDT", b"DSDTS\x0f\0\0\x02wFIRECKFCVMDSDT")
        .file("/.dockerenv", "")
        .file("/proc/2/comm", "kthreadd\n")
        .file("/proc/1/cgroup", "9:name=systemd:/\n0::/\n")
        .link("/proc/self/ns/pid", "pid:[4026531836]")
        .nic("eth0", "02:fc:00:00:00:01", "virtio")
        .file("/sys/devices/pci0000:00/virtio1/block/vda/serial", "overlayblk")
        .link("/sys/dev/block/254:0", "../../devices/pci0000:00/virtio1/block/vda")
        .link("/sys/block/vda", "../devices/pci0000:00/virtio1/block/vda");
    tree.set("/proc/self/mountinfo", "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n");
    tree
}

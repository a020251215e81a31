//! What is read of each kind of machine, and what kind it is taken for.

use super::captured::{
    INTEL_MAC, Tree, azure, board, docker, ec2, kvm, laptop, micro_vm, server, vmware,
};
use crate::identity::{FactState, MachineKind, Source};

fn kind(tree: &Tree) -> MachineKind {
    tree.survey().machine().clone()
}

fn guest(hypervisor: &str) -> MachineKind {
    MachineKind::VirtualMachine { hypervisor: hypervisor.to_owned() }
}

fn container(engine: &str) -> MachineKind {
    MachineKind::Container { engine: engine.to_owned() }
}

#[test]
fn a_server_shows_every_group_but_a_tpm() {
    let server = server();
    assert_eq!(kind(&server), MachineKind::BareMetal);
    assert_eq!(server.values(Source::SmbiosUuid), ["44454c4c-4200-1035-8054-b4c04f4a4e32"]);
    assert_eq!(server.values(Source::SystemSerial), ["a298765x9c12345"]);
    assert_eq!(server.values(Source::BoardSerial), ["wm18as012345"]);
    assert_eq!(server.values(Source::PermanentMac), [INTEL_MAC, "3c:ec:ef:12:34:57"]);
    assert_eq!(server.values(Source::DiskWwid), ["naa.5002538e40b8e5a1"]);
    assert_eq!(server.values(Source::DiskSerial), ["s4evnx0m123456"]);
    assert_eq!(server.states(Source::TpmEndorsementKey), [FactState::Absent]);
    assert_eq!(server.values(Source::MachineId).len(), 1);
}

#[test]
fn a_laptop_keeps_what_its_maker_filled_in() {
    let laptop = laptop();
    assert_eq!(kind(&laptop), MachineKind::BareMetal);
    assert_eq!(laptop.states(Source::SmbiosUuid), [FactState::Placeholder]);
    assert_eq!(laptop.states(Source::SystemSerial), [FactState::Placeholder]);
    assert_eq!(laptop.values(Source::BoardSerial), ["/6f5t9p2/cnfcw0098s00bc/"]);
    assert_eq!(laptop.values(Source::PermanentMac), ["a4:c3:f0:00:11:22"], "no USB adapter");
}

#[test]
fn guests_are_known_by_their_hypervisor() {
    assert_eq!(kind(&kvm()), guest("kvm"));
    assert_eq!(kind(&vmware()), guest("vmware"));
    assert_eq!(kind(&ec2()), guest("amazon"));
    assert_eq!(kind(&azure()), guest("hyper-v"));
    assert_eq!(kind(&micro_vm()), guest("firecracker"));
}

#[test]
fn a_guest_that_hides_its_maker_is_a_guest() {
    let tree = kvm().dmi(&[("sys_vendor", "M"), ("product_name", "P")]);
    assert_eq!(kind(&tree), guest("unknown"));
}

#[test]
fn the_vendor_alone_makes_no_guest() {
    for (vendor, product) in [
        ("Microsoft Corporation", "Surface Laptop 5"),
        ("Oracle Corporation", "ORACLE SERVER X8-2"),
        ("Amazon EC2", "m5.metal"),
        ("Nutanix", "NX-3060-G5"),
    ] {
        let tree = server().dmi(&[("sys_vendor", vendor), ("product_name", product)]);
        assert_eq!(kind(&tree), MachineKind::BareMetal, "{vendor} {product}");
    }
}

#[test]
fn the_first_domain_of_xen_owns_the_hardware() {
    let host = kvm().file("/proc/xen/capabilities", "control_d\n").dmi(&[("sys_vendor", "HPE")]);
    assert_eq!(kind(&host), MachineKind::BareMetal);
    let guest_of_it = kvm()
        .file("/sys/hypervisor/type", "xen\n")
        .dmi(&[("sys_vendor", "X"), ("product_name", "")]);
    assert_eq!(kind(&guest_of_it), guest("xen"));
}

#[test]
fn containers_are_known_by_their_traces() {
    assert_eq!(kind(&docker()), container("docker"));
    let podman = server().file("/run/.containerenv", "engine=\"podman-5.0\"\n");
    assert_eq!(kind(&podman), container("podman"));
    let nspawn = server().file("/proc/1/environ", "PATH=/bin\0container=systemd-nspawn\0");
    assert_eq!(kind(&nspawn), container("systemd-nspawn"));
    let pod = server().file("/proc/1/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/x\n");
    assert_eq!(kind(&pod), container("kubernetes"));
    let unnamed = server().link("/proc/self/ns/pid", "pid:[4026532000]");
    assert_eq!(kind(&unnamed), container("unknown"));
    let subsystem =
        server().file("/proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n");
    assert_eq!(kind(&subsystem), container("wsl"));
}

#[test]
fn a_container_that_shares_the_process_ids_of_its_host_is_one() {
    let tree = server()
        .file("/.dockerenv", "")
        .file("/proc/2/comm", "kthreadd\n")
        .link("/proc/self/ns/pid", "pid:[4026531836]");
    tree.set("/proc/self/mountinfo", "700 600 0:50 / / rw - overlay overlay rw,upperdir=/x\n");
    assert_eq!(kind(&tree), container("docker"));
}

#[test]
fn a_host_of_containers_is_none() {
    let host = server()
        .file("/proc/1/cgroup", "0::/init.scope\n")
        .file("/proc/self/cgroup", "0::/system.slice/docker.service\n")
        .file("/proc/1/environ", "HOME=/\0container=\0");
    assert_eq!(kind(&host), MachineKind::BareMetal);
}

#[test]
fn vmware_writes_one_identity_twice() {
    assert_eq!(vmware().values(Source::SmbiosUuid), ["3b2f4d56-1e8b-5c2c-9f1e-6b1c0a1d2e3f"]);
    let serial_only = vmware();
    serial_only.remove("/sys/class/dmi/id/product_uuid");
    assert_eq!(serial_only.survey().mint(), vmware().survey().mint());
}

#[test]
fn a_cloud_tells_its_instance() {
    assert_eq!(ec2().values(Source::CloudInstanceId), ["amazon ec2/i-0abcdef1234567890"]);
    assert!(azure().values(Source::CloudInstanceId).is_empty());
}

#[test]
fn a_board_tells_its_serial_by_device_tree() {
    assert_eq!(kind(&board()), MachineKind::BareMetal);
    assert_eq!(board().values(Source::DeviceTreeSerial), ["10000000a1b2c3d4"]);
    let old_kernel =
        board().file("/proc/cpuinfo", "processor\t: 0\nSerial\t\t: 00000000a1b2c3d4\n");
    old_kernel.remove("/proc/device-tree/serial-number");
    assert_eq!(old_kernel.values(Source::DeviceTreeSerial), ["00000000a1b2c3d4"]);
}

#[test]
fn only_what_stays_in_the_machine_counts_as_an_interface() {
    let server = server()
        .virtual_nic("docker0", "02:42:ac:11:00:01")
        .virtual_nic("virbr0", "52:54:00:aa:bb:cc")
        .virtual_nic("bond0", INTEL_MAC)
        .virtual_nic("wg0", "00:00:00:00:00:00")
        .nic("enx0", "00:e0:4c:68:00:02", "usb")
        .nic("eth9", "aa:bb:cc:dd:ee:f0", "netdevsim")
        .nic("eno1v0", "3c:ec:ef:99:99:99", "pci")
        .file("/sys/class/net/eno1v0/device/physfn/vendor", "0x8086\n")
        .nic("dock0", "64:4b:f0:00:00:01", "pci")
        .file("/sys/class/net/dock0/device/removable", "removable\n");
    assert_eq!(server.values(Source::PermanentMac), [INTEL_MAC, "3c:ec:ef:12:34:57"]);
}

#[test]
fn a_bonded_port_tells_its_own_address() {
    let port = server()
        .replace_nic("eno2", INTEL_MAC)
        .file("/sys/class/net/eno2/addr_assign_type", "3\n")
        .file("/sys/class/net/eno2/bonding_slave/perm_hwaddr", "3c:ec:ef:12:34:57\n");
    assert_eq!(port.values(Source::PermanentMac), [INTEL_MAC, "3c:ec:ef:12:34:57"]);
}

#[test]
fn an_address_that_software_set_is_unreadable_and_a_random_one_is_none() {
    let set = kvm().file("/sys/class/net/ens3/addr_assign_type", "3\n");
    assert_eq!(set.states(Source::PermanentMac), [FactState::Unreadable]);
    let random = kvm().file("/sys/class/net/ens3/addr_assign_type", "1\n");
    assert_eq!(random.states(Source::PermanentMac), [FactState::Absent]);
    let unsaid = kvm();
    unsaid.remove("/sys/class/net/ens3/addr_assign_type");
    assert_eq!(unsaid.states(Source::PermanentMac), [FactState::Absent], "locally administered");
}

#[test]
fn the_disk_is_found_through_luks_lvm_and_md() {
    let tree = server()
        .file("/sys/devices/virtual/block/dm-0/dm/name", "root\n")
        .link("/sys/devices/virtual/block/dm-0/slaves/dm-1", "../../dm-1")
        .link("/sys/devices/virtual/block/dm-1/slaves/md0", "../../md0")
        .link("/sys/devices/virtual/block/md0/slaves/sda2", "/sys/block/sda/sda2")
        .link("/sys/block/dm-0", "../devices/virtual/block/dm-0");
    for mountinfo in [
        "9 1 253:0 / / rw - xfs /dev/mapper/root rw\n",
        "9 1 0:40 /@ / rw - btrfs /dev/mapper/root rw\n",
    ] {
        tree.set("/proc/self/mountinfo", mountinfo);
        assert_eq!(tree.values(Source::DiskSerial), ["s4evnx0m123456"], "{mountinfo}");
    }
}

#[test]
fn the_disk_is_the_one_below_the_state_directory() {
    let tree = server()
        .file("/sys/devices/pci0000:00/nvme/nvme0n1/wwid", "eui.0025385a11b0c9e4\n")
        .file("/sys/devices/pci0000:00/nvme/nvme0n1/dev", "259:0\n")
        .link("/sys/block/nvme0n1", "../devices/pci0000:00/nvme/nvme0n1");
    let mounts =
        "27 1 8:2 / / rw - ext4 /dev/sda2 rw\n30 27 259:0 / /var/lib rw - ext4 /dev/nvme0n1 rw\n";
    tree.set("/proc/self/mountinfo", mounts);
    assert_eq!(tree.values(Source::DiskWwid), ["eui.0025385a11b0c9e4"]);
}

#[test]
fn removable_disks_and_file_systems_without_a_disk_are_none() {
    let stick = server().file("/sys/block/sda/removable", "1\n");
    assert_eq!(stick.states(Source::DiskSerial), [FactState::Absent]);
    let nothing = server().file("/proc/self/mountinfo", "9 1 0:40 / / rw - nfs4 srv:/root rw\n");
    assert_eq!(nothing.states(Source::DiskSerial), [FactState::Absent]);
}

#[test]
fn a_link_out_of_the_tree_stays_inside() {
    let tree = Tree::empty().link("/etc/machine-id", "/proc/outside");
    assert_eq!(tree.states(Source::MachineId), [FactState::Absent]);
    let inside = Tree::empty().link("/etc/machine-id", "../../../../id").file("/id", "abc123\n");
    assert_eq!(inside.values(Source::MachineId), ["abc123"]);
    let circle = Tree::empty().link("/etc/machine-id", "machine-id");
    assert_eq!(circle.states(Source::MachineId), [FactState::Unreadable]);
}

#[test]
fn the_table_of_smbios_helps_where_the_kernels_strings_do_not() {
    let hidden = server();
    hidden.remove("/sys/class/dmi");
    assert_eq!(hidden.states(Source::SmbiosUuid), [FactState::Absent]);
    // Type 1 with the UUID as firmware stores it, strings 1 and 2; type 2 with string 1.
    let uuid = b"\x44\x45\x4c\x4c\x42\x00\x10\x35\x80\x54\xb4\xc0\x4f\x4a\x4e\x32";
    let system =
        [&b"\x01\x19\0\0\x01\0\0\x02"[..], uuid, b"\x06MAKER\0A298765X9C12345\0\0"].concat();
    let table =
        [&system[..], b"\x02\x08\0\0\0\0\0\x01WM18AS012345\0\0", b"\x7f\x04\0\0\0\0"].concat();
    let by_table = hidden.file("/sys/firmware/dmi/tables/DMI", &table);
    assert_eq!(by_table.survey().mint(), server().survey().mint());
    assert_eq!(by_table.values(Source::BoardSerial), server().values(Source::BoardSerial));
    let blank =
        server().dmi(&[("board_serial", "None")]).file("/sys/firmware/dmi/tables/DMI", &table);
    assert_eq!(blank.values(Source::BoardSerial), ["wm18as012345"], "the second board");
    by_table.make_unreadable("/sys/firmware/dmi/tables/DMI");
    assert_eq!(by_table.states(Source::SmbiosUuid), [FactState::Unreadable]);
}

#[test]
fn a_tree_captured_without_links_reads_the_same() {
    for machine in [server, kvm, ec2, azure] {
        let values = |tree: &Tree| {
            let survey = tree.survey();
            let facts = survey.facts().iter().map(|f| (f.source, f.reading.clone()));
            facts.collect::<Vec<_>>()
        };
        assert_eq!(values(&machine().without_links()), values(&machine()));
    }
}

#[test]
fn an_interface_whose_device_was_not_captured_counts_by_its_name() {
    let interface = |tree: Tree, name: &str, mac: &str, device: &str| {
        tree.file(&format!("/sys/class/net/{name}/address"), mac)
            .file(&format!("/sys/class/net/{name}/addr_assign_type"), "0\n")
            .link(&format!("/sys/class/net/{name}/device"), device)
    };
    let tree = interface(Tree::empty(), "eth0", INTEL_MAC, "../../../0000:01:00.0");
    let tree = interface(tree, "eth1", "52:54:00:7a:1b:2c", "../../../virtio2");
    let tree = interface(tree, "enx0", "00:e0:4c:68:00:02", "../../../1-1.2:1.0");
    assert_eq!(tree.values(Source::PermanentMac), [INTEL_MAC, "52:54:00:7a:1b:2c"]);
}

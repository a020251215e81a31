//! What kind of machine this is: bare metal, a guest, or a container.

use super::{container, smbios::describing};
use crate::identity::{MachineKind, site::Site, tree::Found};

/// Decides the kind from files alone, so that a captured tree answers as its machine did.
pub(in crate::identity) fn machine_kind(site: &Site) -> MachineKind {
    let guest = hypervisor(site);
    if let Some(engine) = container::engine(site) {
        return MachineKind::Container { engine };
    }
    match guest {
        Some(hypervisor) => MachineKind::VirtualMachine { hypervisor: hypervisor.to_owned() },
        None => MachineKind::BareMetal,
    }
}

/// The hypervisor that this is a guest of.
fn hypervisor(site: &Site) -> Option<&'static str> {
    if is_xen_host(site) || is_metal_instance(site) {
        return None;
    }
    by_dmi(site).or_else(|| by_device_tree(site)).or_else(|| by_kernel(site)).or_else(|| {
        // The processor itself says so, x86 CPUID leaf 1, and nothing says who.
        has_hypervisor_flag(site).then(|| by_acpi(site).unwrap_or("unknown"))
    })
}

/// Xen's first domain owns the hardware, and its processors bear the flag of guests.
fn is_xen_host(site: &Site) -> bool {
    site.tree.line("/proc/xen/capabilities").is_some_and(|line| line.contains("control_d"))
}

/// A whole server rented from a cloud bears the cloud's name, and is bare metal.
fn is_metal_instance(site: &Site) -> bool {
    !has_hypervisor_flag(site)
        && describing(site, "sys_vendor") == "amazon ec2"
        && describing(site, "product_name").contains(".metal")
}

fn has_hypervisor_flag(site: &Site) -> bool {
    super::cpuinfo(site, "flags")
        .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// Vendors and products as hypervisors name themselves, in lower case, by their beginning. `Oracle Corporation` and
/// `Microsoft Corporation` make hardware too: there the product decides.
const BY_DMI: [(&str, &str, &str); 22] = [
    ("sys_vendor", "qemu", "kvm"),
    ("sys_vendor", "amazon ec2", "amazon"),
    ("sys_vendor", "vmware", "vmware"),
    ("sys_vendor", "innotek gmbh", "virtualbox"),
    ("sys_vendor", "xen", "xen"),
    ("sys_vendor", "bochs", "bochs"),
    ("sys_vendor", "parallels", "parallels"),
    ("sys_vendor", "bhyve", "bhyve"),
    ("sys_vendor", "openstack", "kvm"),
    ("sys_vendor", "digitalocean", "kvm"),
    ("sys_vendor", "hetzner", "kvm"),
    ("sys_vendor", "alibaba cloud", "kvm"),
    ("sys_vendor", "nutanix", "nutanix"),
    ("product_name", "virtualbox", "virtualbox"),
    ("product_name", "virtual machine", "hyper-v"),
    ("product_name", "vmware", "vmware"),
    ("product_name", "kvm", "kvm"),
    ("product_name", "google compute engine", "google"),
    ("product_name", "openstack", "kvm"),
    ("product_name", "standard pc", "kvm"),
    ("product_name", "bhyve", "bhyve"),
    ("product_name", "apple virtualization", "apple"),
];

fn by_dmi(site: &Site) -> Option<&'static str> {
    let known = |(field, beginning, _): &&(&str, &str, &str)| {
        let text = describing(site, field);
        // Nutanix and Hetzner sell hardware under their names as well: only the processor tells those apart.
        let sells_hardware = matches!(*beginning, "nutanix" | "hetzner" | "alibaba cloud");
        text.starts_with(beginning) && (!sells_hardware || has_hypervisor_flag(site))
    };
    BY_DMI.iter().find(known).map(|(_, _, hypervisor)| *hypervisor)
}

/// Arm and POWER have no such flag; their hypervisors say so in the device tree.
fn by_device_tree(site: &Site) -> Option<&'static str> {
    let text = |path: &str| site.tree.line(&format!("/proc/device-tree/{path}"));
    if let Some(hypervisor) = text("hypervisor/compatible") {
        return Some(if hypervisor.contains("xen") { "xen" } else { "kvm" });
    }
    if text("compatible").is_some_and(|compatible| compatible.contains("linux,dummy-virt")) {
        return Some("kvm");
    }
    site.tree.exists("/proc/device-tree/ibm,partition-name").then_some("powervm")
}

/// What the kernel found when it came up as a guest.
fn by_kernel(site: &Site) -> Option<&'static str> {
    if site.tree.line("/sys/hypervisor/type").is_some_and(|kind| kind == "xen") {
        return Some("xen");
    }
    // s390 always runs in a partition of the machine, and maybe under z/VM or KVM.
    match site.tree.text("/proc/sysinfo") {
        Found::Some(text) if text.contains("z/VM") => Some("zvm"),
        Found::Some(text) if text.contains("KVM/Linux") => Some("kvm"),
        _ => None,
    }
}

/// Who wrote the ACPI tables, ACPI 6.5 section 5.2.6: six bytes at offset 10. Micro-VMs have these and no SMBIOS.
fn by_acpi(site: &Site) -> Option<&'static str> {
    let tables = ["DSDT", "FACP", "APIC"].map(|name| format!("/sys/firmware/acpi/tables/{name}"));
    let table = tables.iter().find_map(|path| site.tree.bytes(path).some())?;
    match table.get(10..16)? {
        b"FIRECK" => Some("firecracker"),
        b"CLOUDH" => Some("cloud-hypervisor"),
        b"BOCHS " => Some("kvm"),
        _ => None,
    }
}

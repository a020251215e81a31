//! Whether this runs in a container.
//!
//! The surest sign is a process-id namespace of its own. Marker files are weaker: an image that was made for Docker
//! keeps its `/.dockerenv` when it is booted as a virtual machine, and such a machine is no container.

use crate::identity::{site::Site, tree::Found};

/// `PROC_PID_INIT_INO` of Linux's `proc_ns.h`: the namespace that the kernel itself starts in, the same since 3.8.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// The engine that runs this container; none outside of one.
pub(super) fn engine(site: &Site) -> Option<String> {
    let namespace = site.tree.link_name("/proc/self/ns/pid");
    let in_first = namespace.as_deref().map(|namespace| namespace == FIRST_PID_NAMESPACE);
    if in_first == Some(false) {
        return Some(named(site).or_else(|| marked(site)).unwrap_or_else(|| "unknown".to_owned()));
    }
    named(site).or_else(|| by_root(site)).or_else(|| {
        // A marker alone is believed unless the machine shows that it booted itself.
        marked(site).filter(|_| !boots_itself(site, in_first == Some(true)))
    })
}

/// Engines that tell the first process who they are, systemd's container interface.
fn named(site: &Site) -> Option<String> {
    let managers = ["/run/systemd/container", "/run/host/container-manager"];
    if let Some(name) = managers.into_iter().find_map(|path| site.tree.line(path)) {
        return Some(name.to_lowercase());
    }
    let environment = site.tree.text("/proc/1/environ").some().unwrap_or_default();
    let variables = || environment.split('\0');
    let name = variables().find_map(|variable| variable.strip_prefix("container="));
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return Some(name.to_lowercase());
    }
    if variables().any(|variable| variable.starts_with("KUBERNETES_SERVICE_HOST=")) {
        return Some("kubernetes".to_owned());
    }
    let by_cgroup = ["/proc/1/cgroup", "/proc/self/cgroup"].into_iter().find_map(|path| {
        let text = site.tree.text(path).some()?;
        text.lines().find_map(in_cgroup)
    });
    by_cgroup.map(str::to_owned).or_else(|| odd_ones(site))
}

/// Container engines put what they run into control groups of their names. Only the beginning of a part counts: the
/// engine itself runs in `/system.slice/docker.service`.
fn in_cgroup(line: &str) -> Option<&'static str> {
    let path = line.splitn(3, ':').nth(2)?;
    path.split('/').find_map(|part| match part {
        "docker" => Some("docker"),
        "lxc" => Some("lxc"),
        part if part.strip_prefix("docker-").and_then(|p| p.strip_suffix(".scope")).is_some() => {
            Some("docker")
        }
        part if part.starts_with("libpod-") => Some("podman"),
        part if part.starts_with("lxc.payload") => Some("lxc"),
        part if part.starts_with("kubepods") => Some("kubernetes"),
        part if part.starts_with("cri-containerd-") || part.starts_with("crio-") => {
            Some("kubernetes")
        }
        _ => None,
    })
}

/// `OpenVZ` shows /proc/vz to guests and /proc/bc to its host only; WSL names itself in the kernel's release.
fn odd_ones(site: &Site) -> Option<String> {
    if site.tree.exists("/proc/vz") && !site.tree.exists("/proc/bc") {
        return Some("openvz".to_owned());
    }
    let release = site.tree.line("/proc/sys/kernel/osrelease")?.to_lowercase();
    (release.contains("microsoft") || release.contains("wsl")).then(|| "wsl".to_owned())
}

/// A root file system that an engine put together, seen even where the process ids are the host's.
fn by_root(site: &Site) -> Option<String> {
    let root = root_mount(site)?;
    let engines = [
        ("/docker/", "docker"),
        ("/containers/storage/", "podman"),
        ("/containerd/", "containerd"),
        ("/lxc/", "lxc"),
    ];
    engines.into_iter().find(|(part, _)| root.contains(part)).map(|(_, name)| name.to_owned())
}

fn root_mount(site: &Site) -> Option<String> {
    let Found::Some(mounts) = site.tree.text("/proc/self/mountinfo") else { return None };
    mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/")).map(str::to_owned)
}

/// Files that engines leave in what they run, and in images.
fn marked(site: &Site) -> Option<String> {
    let markers = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    markers.into_iter().find(|(path, _)| site.tree.exists(path)).map(|(_, name)| name.to_owned())
}

/// Whether this is a kernel's own first system: it sees the kernel's threads, and its root is the whole of a real
/// device. A container that shares the host's process ids has a root of its engine's.
fn boots_itself(site: &Site, in_first_namespace: bool) -> bool {
    let sees_kernel_threads = || site.tree.line("/proc/2/comm").is_some_and(|c| c == "kthreadd");
    let has_own_root = root_mount(site).is_some_and(|line| {
        let source = line.split_once(" - ").and_then(|(_, after)| after.split(' ').nth(1));
        line.split(' ').nth(3) == Some("/") && source.is_some_and(|s| s.starts_with("/dev/"))
    });
    has_own_root && (in_first_namespace || sees_kernel_threads())
}

//! Where the probes look.

use super::tree::Tree;
use std::path::PathBuf;

/// Where the kernel shows what SMBIOS says.
pub(super) const DMI: &str = "/sys/class/dmi/id";

/// What the probes read from: the live system, or a captured tree laid out as /sys and /proc are.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) tree: Tree,
    /// Whether this is the running system, which may be asked beyond its files.
    pub(super) live: bool,
    pub(super) state_dir: PathBuf,
}

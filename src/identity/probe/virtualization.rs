//! To come.
use crate::identity::{MachineKind, machine::Site};

pub(in crate::identity) fn machine_kind(_site: &Site) -> MachineKind {
    MachineKind::BareMetal
}

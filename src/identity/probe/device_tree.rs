//! To come.
use crate::identity::{Fact, Source, machine::Site};

pub(super) const SOURCES: &[Source] = &[Source::DeviceTreeSerial];

pub(super) fn read(_site: &Site) -> Vec<Fact> {
    Vec::new()
}

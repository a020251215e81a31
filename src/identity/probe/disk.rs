//! To come.
use crate::identity::{Fact, Source, machine::Site};

pub(super) const SOURCES: &[Source] = &[Source::DiskWwid, Source::DiskSerial];

pub(super) fn read(_site: &Site) -> Vec<Fact> {
    Vec::new()
}

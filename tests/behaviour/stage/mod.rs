//! What every test plays on: the programs as processes, their sockets, and a vendor. Nothing here waits for a time: it
//! waits for a line, an answer or an end, and gives up after a minute.

mod captured;
mod controller;
mod ctl;
mod dev;
mod disk;
mod member;
mod running;
mod socket;
mod vendor;

pub(crate) use captured::Captured;
pub(crate) use controller::Controller;
pub(crate) use ctl::{Ctl, Done};
pub(crate) use dev::Dev;
pub(crate) use disk::Disk;
pub(crate) use member::{Client, Member};
pub(crate) use running::Running;
pub(crate) use socket::{Answer, Socket};
pub(crate) use vendor::{PRODUCT, Server, Vendor};

use std::time::Duration;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The text between two others.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?} in {text}")).0
}

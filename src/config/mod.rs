//! The daemon's settings: from files as they are written, over one another, to settings that are sound.
//!
//! [`Fragment`] is one file, all of it optional; fragments are laid over one another; [`Settings`] is the sum, checked.
//! [`Sources`] says where they come from. `bin`, `agent` and `cli` call this; it calls `store` (to write durably),
//! `entitlement` (for the role), `identity` (for the override), `license` and `codes`.

mod error;
mod fragment;
mod log;
mod roots;
mod settings;
mod sources;

pub use error::ConfigError;
pub use fragment::Fragment;
pub use log::{LOG_DIRECTIVES, LogFormat, log_directives};
pub use roots::read_roots;
pub use settings::{ROOT_FOLDERS, Settings};
pub use sources::{Loaded, Sources};

#[cfg(test)]
mod tests;

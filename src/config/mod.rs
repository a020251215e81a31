//! The daemon's settings: from files as they are written, over one another, to settings that are sound.
//!
//! [`Fragment`] is one file, all of it optional; fragments are laid over one another; [`Settings`] is the sum, checked.
//! `bin` calls this; it calls `license` (for purposes), `identity` (for the override) and `codes`.

mod error;
mod fragment;
mod log;
mod settings;

pub use error::ConfigError;
pub use fragment::Fragment;
pub use log::{LOG_DIRECTIVES, LogFormat, log_directives};
pub use settings::Settings;

#[cfg(test)]
mod tests;

//! The daemon's settings: from files as they are written, over one another, to settings that are sound.
//!
//! [`Fragment`] is one file, all of it optional; fragments are laid over one another; [`Settings`] is the sum, checked.
//! [`Sources`] says where they come from. `bin` calls this; it calls `store` (to write durably), `license` and `codes`.

mod error;
mod fragment;
mod settings;
mod sources;

pub use error::ConfigError;
pub use fragment::Fragment;
pub use settings::{LogFormat, Settings};
pub use sources::{Loaded, Sources};

#[cfg(test)]
mod tests;

//! `entitled dev`: an embedded portal, a sample subscription and an activated controller in one process.
//!
//! For developers of programs that ask for entitlement. Nothing is faked: the portal answers over HTTP, the hardware is
//! this machine's, the sockets are those of the daemon. Behind the feature `dev`, which packages leave out, so that no
//! agent in the field can issue a license. The binary calls this; it calls `agent`, `portal` and `cli`.

mod error;
mod hardware;
mod sample;
mod scenario;
mod session;
mod steps;

pub use error::DevError;
pub use sample::Scenario;
pub use session::{DevOptions, run};

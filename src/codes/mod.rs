//! The two codes that people read, type and say aloud: [`SerialNumber`] and [`ActivationCode`].
//!
//! Both are 24 symbols of Crockford's base32 (no I, L, O, U) in eight triplets: a version, 22 symbols of content and
//! a check symbol that catches every single wrong symbol and every swap of two. Reading is forgiving, writing is
//! canonical. Pure: no I/O. Everything may call this; this calls nothing of ours.

#[cfg(feature = "server")]
mod activation_code;
mod serial_number;
mod symbols;

#[cfg(feature = "server")]
pub use activation_code::{ActivationCode, ActivationId};
pub use serial_number::SerialNumber;
pub use symbols::{CodeError, CodeKind};

#[cfg(all(test, feature = "server"))]
mod tests;

//! What the programs do, seen from outside: real binaries, real sockets, temporary folders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod client;
mod commands;
mod daemon;
mod dev;
mod doctor;
mod documents;
mod hostile;
mod members;
mod monitors;
mod portal;
mod sockets;
mod stage;
mod succession;

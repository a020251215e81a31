//! HTTP on the local sockets: the server, who is at the other end, problem documents, and the agent's routes.
//!
//! `agent` and `portal` call this; this calls `entitlement`, `license`, `identity` and `codes`.

mod problem;
mod server;

pub use problem::{PROBLEM_MEDIA_TYPE, Problem};
pub use server::{Listener, Peer, ServerOptions, serve};

//! The library behind `entitled`, `entitlectl` and `entitle-portal`, and the client for programs that ask the agent of their
//! server (feature `client`, which needs none of the rest).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(feature = "server")]
pub mod agent;
#[cfg(feature = "server")]
pub mod api;
#[cfg(feature = "server")]
pub mod bundle;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
pub mod codes;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod entitlement;
#[cfg(feature = "server")]
pub mod health;
#[cfg(feature = "server")]
pub mod identity;
#[cfg(feature = "server")]
pub mod license;
#[cfg(feature = "server")]
pub mod members;
#[cfg(feature = "server")]
pub mod portal;
pub mod problem;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
mod terminal;
pub mod terms;
#[cfg(feature = "server")]
pub mod upstream;
#[cfg(feature = "server")]
pub mod usage;

//! The library behind `entitled`, `entitlectl` and `entitle-portal`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod agent;
pub mod api;
pub mod bundle;
pub mod cli;
pub mod codes;
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod entitlement;
pub mod health;
pub mod identity;
pub mod license;
pub mod members;
pub mod portal;
pub mod problem;
pub mod store;
pub mod upstream;

//! The library behind `entitled`, `entitlectl` and `entitle-portal`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod api;
pub mod codes;
pub mod license;
pub mod portal;

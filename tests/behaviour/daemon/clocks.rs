//! The daemon under a clock that is wrong from the start on, as a machine without a battery boots.

use super::conditions;
use crate::stage::{Controller, Vendor};
use std::{path::PathBuf, process::Command};

/// The library that shows a process another clock, of the package `faketime`. That is no part of Rust and a C compiler, so
/// these tests are asked for by name: `cargo test --test behaviour -- --ignored clocks`, as `.ci/run` does.
fn faketime() -> PathBuf {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu", ""];
    let mut paths = folders
        .map(|f| PathBuf::from("/usr/lib").join(f).join("faketime/libfaketimeMT.so.1"))
        .into_iter();
    paths.find(|path| path.exists()).expect("this test needs the package faketime: install it")
}

fn at(command: &mut Command, library: &PathBuf, clock: &str) {
    command.env("LD_PRELOAD", library).env("FAKETIME", format!("@{clock}")).env("TZ", "UTC");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_NO_CACHE", "1");
}

#[test]
#[ignore = "needs the package faketime"]
fn a_boot_before_1970_or_far_ahead_locks_nothing() {
    let library = faketime();
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    daemon.stop();
    for (clock, state) in [
        ("1969-07-20 20:17:00", "active"),
        ("1969-12-31 23:59:58", "active"),
        ("2038-01-19 03:14:06", "restricted"),
        ("2099-01-01 00:00:00", "restricted"),
        ("2106-02-07 06:28:14", "restricted"),
    ] {
        let mut command = controller.command();
        at(&mut command, &library, clock);
        let daemon = controller.start_with(command);
        assert_eq!(controller.socket.status()["state"], state, "{clock}");
        for path in [
            "/livez",
            "/readyz",
            "/metrics",
            "/v1/features",
            "/v1/license",
            "/v1/serial",
            "/v1/hardware",
            "/v1/status?after=0",
            "/v1/proof?challenge=abcdefghijklmnopqrstuvwxyz",
        ] {
            assert_eq!(controller.socket.get(path).status, 200, "{clock}: {path}");
        }
        // The cure is not locked.
        let mut refresh = controller.ctl.command();
        refresh.arg("refresh");
        at(&mut refresh, &library, clock);
        let done = crate::stage::Done::of(refresh, "");
        assert_eq!(done.code, 0, "{clock}: {done:?}");
        assert!(done.out.starts_with("the license is the newest"), "{clock}: {done:?}");
        assert!(controller.ctl.out(&["request", "refresh"]).len() > 100);
        let said = daemon.stop();
        assert!(!said.contains("panicked"), "{said}");
        // With the clock mended nothing is left of it.
        let daemon = controller.start();
        let status = controller.socket.status();
        assert_eq!(status["state"], "active", "{clock}: {status:#}");
        assert_eq!(conditions(&status), ["IdentityOverride"], "{clock}");
        daemon.stop();
    }
}

#[test]
#[ignore = "needs the package faketime"]
fn a_portal_by_https_is_told_to_need_a_clock() {
    let library = faketime();
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    controller.write("conf.d/10-portal.toml", "[portal]\nurl = 'https://127.0.0.1:9'\n");
    let mut command = controller.command();
    at(&mut command, &library, "1969-07-20 20:17:00");
    let daemon = controller.start_with(command);
    controller.ctl.run_with(&["activate"], &code.expose()).failed(1, "before 1970");
    assert!(!daemon.stop().contains("panicked"));
}

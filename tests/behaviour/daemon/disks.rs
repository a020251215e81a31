//! Real disks that take nothing, and databases that are gone or spoilt: what is held is served, what is fetched is served and
//! kept as soon as it can be, and the portal takes no machine for a copy.

use super::conditions;
use crate::stage::{Controller, Disk, Running, Server, Vendor};
use serde_json::Value;
use std::fs;

/// A vendor, and a controller on such a disk that is activated.
struct Site {
    vendor: Vendor,
    _server: Server,
    subscription: String,
    controller: Controller,
    disk: Disk,
    daemon: Option<Running>,
    features: u32,
}

impl Site {
    fn new() -> Self {
        let vendor = Vendor::new();
        let server = vendor.serve();
        let (subscription, code) = vendor.sell();
        let controller = Controller::new(&vendor, &server);
        let disk = Disk::mount(&controller.path("state"));
        let mut site = Self {
            vendor,
            _server: server,
            subscription,
            controller,
            disk,
            daemon: None,
            features: 0,
        };
        site.start();
        let done = site.controller.ctl.run_with(&["activate"], &code.expose());
        assert_eq!(done.code, 0, "{done:?}");
        site
    }

    fn start(&mut self) {
        let mut command = self.disk.enter(env!("CARGO_BIN_EXE_entitled"));
        command.arg("run").arg("--config").arg(self.controller.settings());
        command.env_remove("ENTITLED_LOG").env_remove("CREDENTIALS_DIRECTORY");
        self.daemon = Some(self.controller.start_with(command));
    }

    fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    fn status(&self) -> Value {
        self.controller.socket.status()
    }

    /// The vendor sells a feature more, and the agent fetches it.
    #[track_caller]
    fn renew(&mut self) {
        self.features += 1;
        let feature = format!("feature-{}", self.features);
        self.vendor.json(&["subscription", "set", &self.subscription, "--feature", &feature]);
        // An id of the reserve that the process before had used in this very second makes the very request that was answered
        // then, which gets the same answer again.
        for _ in 0..3 {
            self.controller.ctl.out(&["refresh"]);
            if self.status()["features"][&feature] == true {
                return;
            }
        }
        panic!("{feature} did not come: {:#}", self.status());
    }

    /// All that the vendor sold is held.
    #[track_caller]
    fn assert_renewed(&self) {
        let status = self.status();
        for feature in 1..=self.features {
            assert_eq!(status["features"][format!("feature-{feature}")], true, "{status:#}");
        }
    }

    #[track_caller]
    fn assert_degraded(&self) {
        let status = self.status();
        assert_eq!((&status["state"], &status["entitled"]), (&"active".into(), &true.into()));
        assert_eq!(conditions(&status), ["IdentityOverride", "StoreDegraded"], "{status:#}");
        assert_eq!(self.controller.socket.get("/readyz").status, 200);
        assert_eq!(self.controller.ctl.run(&["check"]).code, 1);
    }

    /// All is well again, and nobody ever thought of a copy.
    #[track_caller]
    fn assert_sound(&mut self) {
        self.renew();
        let status = self.status();
        assert_eq!(conditions(&status), ["IdentityOverride"], "{status:#}");
        let audit = self.vendor.run(&["audit"]);
        let audit = String::from_utf8(audit.stdout).unwrap();
        assert!(audit.contains("license-issued") && !audit.contains("chain-"), "{audit}");
    }
}

#[test]
fn a_full_disk_costs_nothing_once_there_is_room_again() {
    let mut site = Site::new();
    site.disk.fill();
    site.renew();
    site.assert_degraded();
    site.renew();
    site.disk.make_room();
    // It is stored with the next thing that happens.
    site.controller.socket.wait_for("sound", |status| conditions(status) == ["IdentityOverride"]);
    site.kill();
    site.start();
    site.assert_renewed();
    site.assert_sound();
}

#[test]
fn starts_on_a_full_disk_are_no_copies() {
    let mut site = Site::new();
    site.disk.fill();
    for _ in 0..3 {
        site.renew();
        site.assert_degraded();
        site.kill();
        site.start();
        assert_eq!(site.status()["entitled"], true, "{:#}", site.status());
    }
    site.kill();
    site.disk.make_room();
    site.start();
    site.assert_sound();
    site.assert_renewed();
}

#[test]
fn starts_on_a_read_only_disk_are_no_copies() {
    let mut site = Site::new();
    site.kill();
    site.disk.remount("ro");
    for _ in 0..3 {
        site.start();
        site.assert_degraded();
        site.renew();
        site.renew();
        site.assert_degraded();
        site.kill();
    }
    site.disk.remount("rw");
    site.start();
    site.assert_sound();
    site.assert_renewed();
}

#[test]
fn a_database_that_is_damaged_is_set_aside_and_never_deleted() {
    let garbage = "this is no database ".repeat(2_000);
    for running in [false, true] {
        let mut site = Site::new();
        site.renew();
        if !running {
            site.kill();
        }
        fs::write(site.disk.path("entitled.db"), &garbage).unwrap();
        if running {
            // Noticed at the next thing to store.
            site.renew();
        } else {
            site.start();
        }
        site.assert_renewed();
        site.controller.socket.wait_for("told", |status| conditions(status).len() == 2);
        site.assert_degraded();
        let events = site.controller.events();
        assert!(events.iter().any(|event| event.starts_with("store-recovered: ")), "{events:?}");
        assert!(site.disk.has("entitled.db.damaged-"), "set aside");
        site.renew();
        site.kill();
        site.start();
        site.assert_renewed();
        site.assert_sound();
    }
}

#[test]
fn a_database_that_is_missing_is_made_anew() {
    for running in [false, true] {
        let mut site = Site::new();
        site.renew();
        if !running {
            site.kill();
        }
        fs::remove_file(site.disk.path("entitled.db")).unwrap();
        if running {
            site.renew();
            site.kill();
        }
        site.start();
        site.assert_renewed();
        site.assert_degraded();
        site.renew();
        site.kill();
        site.start();
        site.assert_renewed();
        site.assert_sound();
    }
}

//! What the agent itself says, brought about on a real agent, and what mends it.

use super::{Found, activated, doctor};
use crate::stage::{Controller, Disk, Server, Vendor};
use rustix::process::{Signal, geteuid};
use std::{fs, process::Command};

/// What is true of a controller's status now, waited for.
fn wait_for(controller: &Controller, kind: &str, holds: bool) {
    controller.socket.wait_for(kind, |status| {
        let conditions = status["conditions"].as_array().unwrap();
        conditions.iter().any(|condition| condition["type"] == kind) == holds
    });
}

#[test]
fn a_portal_that_went_away_is_found_and_a_refresh_mends_it() {
    let (vendor, mut server, controller, _daemon) = activated("");
    doctor(&controller).is("identity-override", "ok", "IdentityOverride");
    server.kill();
    controller.ctl.run(&["refresh"]);
    wait_for(&controller, "PortalUnreachable", true);
    let found = doctor(&controller);
    found.is("portal-unreachable", "warning", "PortalUnreachable");
    found.is("portal-connection", "failed", "refused");
    let _server = vendor.serve_on(server.url.strip_prefix("http://").unwrap());
    controller.ctl.out(&["refresh"]);
    let found = doctor(&controller);
    assert!(!found.has("portal-unreachable"), "{found:#?}");
    assert_eq!(found.code, 0, "{found:#?}");
}

#[test]
fn a_license_that_waits_is_found_and_the_named_command_fetches_it() {
    let vendor = Vendor::new();
    let mut server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let _daemon = controller.start();
    server.kill();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 1);
    wait_for(&controller, "LicensePending", true);
    let found = doctor(&controller);
    found.is("license-pending", "warning", "LicensePending");
    let _server = vendor.serve_on(server.url.strip_prefix("http://").unwrap());
    found.mend_by("license-pending", &controller.ctl);
    let found = doctor(&controller);
    found.is("license", "ok", "active");
    assert!(!found.has("license-pending"), "{found:#?}");
}

/// A controller whose license has ten users.
fn ten_users() -> (Vendor, Server, Controller, crate::stage::Running, String) {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let sold =
        ["subscription", "create", "--customer", "ACME", "--days", "365", "--limit", "users=10"];
    let sold = vendor.json(&sold);
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    let code = sold["activation_code"].as_str().unwrap();
    assert_eq!(controller.ctl.run_with(&["activate"], code).code, 0);
    (vendor, server, controller, daemon, sold["id"].as_str().unwrap().to_owned())
}

#[test]
fn limits_that_are_used_up_are_found_and_more_of_the_vendors_mends_them() {
    let (vendor, _server, controller, _daemon, id) = ten_users();
    let take = |used: &str, kind: &str| {
        controller.ctl.out(&["usage", "set", "users", used, "--reporter", "web-1"]);
        wait_for(&controller, kind, true);
        doctor(&controller)
    };
    let found = take("9", "LimitNear");
    found.is("limit-near", "warning", "users");
    found.mend_by("limit-near", &controller.ctl);
    take("12", "LimitExceeded").is("limit-exceeded", "warning", "users");
    vendor.json(&["subscription", "set", &id, "--limit", "users=100"]);
    controller.ctl.out(&["refresh"]);
    wait_for(&controller, "LimitExceeded", false);
    let found = doctor(&controller);
    assert!(!found.has("limit-exceeded") && !found.has("limit-near"), "{found:#?}");
}

#[test]
fn settings_that_were_refused_are_found_until_they_are_mended() {
    let (_vendor, _server, controller, daemon) = activated("");
    let slip = controller.write("conf.d/90.toml", "[portal]\nurll = 'x'\n");
    daemon.signal(Signal::HUP);
    wait_for(&controller, "ConfigInvalid", true);
    let found = doctor(&controller);
    found.is("config-invalid", "warning", "urll");
    found.is("settings", "failed", "urll");
    fs::remove_file(slip).unwrap();
    daemon.signal(Signal::HUP);
    wait_for(&controller, "ConfigInvalid", false);
    let found = doctor(&controller);
    found.is("settings", "ok", "");
    assert!(!found.has("config-invalid"), "{found:#?}");
}

#[test]
fn another_machine_is_found_and_the_named_command_binds_it() {
    let (_vendor, _server, controller, daemon) = activated("");
    daemon.stop();
    let settings = fs::read_to_string(controller.settings()).unwrap();
    controller.write("entitled.toml", &settings.replace("asset 4711", "asset 4712"));
    let _daemon = controller.start();
    wait_for(&controller, "HardwareChanged", true);
    let found = doctor(&controller);
    found.is("hardware", "failed", "different_machine");
    found.is("hardware-changed", "failed", "HardwareChanged");
    assert_eq!(found.code, 1);
    found.mend_by("hardware-changed", &controller.ctl);
    let found = doctor(&controller);
    found.is("hardware", "ok", "");
    found.is("license", "ok", "active");
    assert!(!found.has("hardware-changed"), "{found:#?}");
}

#[test]
fn a_copy_of_a_machine_is_found_on_both_and_the_vendors_word_mends_one() {
    let (vendor, server, one, daemon) = activated("");
    daemon.stop();
    let two = Controller::new(&vendor, &server);
    fs::create_dir_all(two.path("state")).unwrap();
    for entry in fs::read_dir(one.path("state")).unwrap().flatten() {
        fs::copy(entry.path(), two.path("state").join(entry.file_name())).unwrap();
    }
    let (_first, _second) = (one.start(), two.start());
    for controller in [&one, &two, &one] {
        controller.ctl.run(&["refresh"]);
    }
    for controller in [&one, &two] {
        let found = doctor(controller);
        found.is("clone-suspected", "failed", "CloneSuspected");
        let mend = found.one("clone-suspected")["mend"].as_str().unwrap();
        assert!(mend.contains("`entitle-portal environment forks ID`"), "{mend}");
    }
    let id = vendor.json(&["environment", "list"])[0]["id"].as_str().unwrap().to_owned();
    let events = one.events();
    let last = events.iter().find_map(|event| event.strip_prefix("requested: refresh ")).unwrap();
    vendor.json(&["environment", "survivor", &id, "--branch", last]);
    one.ctl.out(&["refresh"]);
    one.socket.wait_for("rekeyed", |status| status["license"]["sequence"] == 2);
    assert!(!doctor(&one).has("clone-suspected"));
}

#[test]
fn root_keys_of_another_vendor_are_found_and_the_right_ones_mend_it() {
    let (vendor, _server, controller, _daemon) = activated("");
    let place = controller.path("roots.d/vendor.jwks");
    fs::copy(Vendor::new().path("roots.jwks"), &place).unwrap();
    let found = doctor(&controller);
    found.is("root-keys", "ok", "");
    found.is("trust", "warning", "root");
    fs::copy(vendor.path("roots.jwks"), &place).unwrap();
    doctor(&controller).is("trust", "ok", "by the word of a root key");
}

#[test]
fn a_copy_of_the_state_that_is_spoilt_is_found_and_a_restart_mends_it() {
    let (_vendor, _server, controller, daemon) = activated("");
    daemon.stop();
    controller.write("state/state.json", "half a cop");
    doctor(&controller).is("store-copy", "warning", "found none that can be read");
    let daemon = controller.start();
    doctor(&controller).is("store-copy", "ok", "is fresh");
    daemon.stop();
    doctor(&controller).is("store-copy", "ok", "is fresh");
}

/// The doctor beside a command's own view of the mounts.
fn within(mut command: Command, controller: &Controller) -> Found {
    command.arg("--socket").arg(&controller.socket.path).args(["doctor", "--json", "--config"]);
    command.arg(controller.settings());
    Found::of(command)
}

#[test]
fn a_disk_that_is_full_is_found_and_room_and_a_restart_mend_it() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let disk = Disk::mount(&controller.path("state"));
    let start = || {
        let mut command = disk.enter(env!("CARGO_BIN_EXE_entitled"));
        command.arg("run").arg("--config").arg(controller.settings());
        command.env_remove("ENTITLED_LOG").env_remove("CREDENTIALS_DIRECTORY");
        controller.start_with(command)
    };
    let examine = || within(disk.enter(env!("CARGO_BIN_EXE_entitlectl")), &controller);
    let daemon = start();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    // It is small from the start on.
    let found = examine();
    found.is("disk-room", "warning", "MiB are free");
    assert!(!found.has("store-degraded"), "{found:#?}");
    disk.fill();
    controller.ctl.run(&["refresh"]);
    wait_for(&controller, "StoreDegraded", true);
    let found = examine();
    found.is("store-degraded", "warning", "StoreDegraded");
    found.is("license", "ok", "active");
    disk.make_room();
    daemon.stop();
    let _daemon = start();
    controller.ctl.out(&["refresh"]);
    wait_for(&controller, "StoreDegraded", false);
    assert!(!examine().has("store-degraded"));
}

#[test]
fn facts_that_others_may_write_are_found() {
    let (_vendor, _server, controller, _daemon) = activated("");
    let facts = |mode: &str| {
        let script = format!(
            "mount -t tmpfs tmpfs /run && mkdir /run/entitled-hardware && cd /run/entitled-hardware && echo '{{}}' >facts.json && chmod {mode} facts.json && exec \"$0\" \"$@\""
        );
        let mut command = Command::new("unshare");
        if !geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_entitlectl")]);
        within(command, &controller)
    };
    let found = facts("666");
    found.is("hardware-facts", "failed", "mode 0666: it is not believed");
    let mend = found.one("hardware-facts")["mend"].as_str().unwrap();
    assert!(mend.contains("`rm /run/entitled-hardware/facts.json`"), "{mend}");
    facts("640").is("hardware-facts", "ok", "root has collected");
}

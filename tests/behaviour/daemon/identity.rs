//! Who a controller is: the override, and a copy of everything it has.

use super::conditions;
use crate::stage::{Controller, Vendor};
use std::{fs, path::Path};

#[test]
fn an_override_is_audited_shown_and_the_vendors_to_refuse() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    vendor.json(&["subscription", "set", &id, "--allow-override", "false"]);
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    let status = controller.socket.wait_for("a number", |s| !s["serial_number"].is_null());
    assert_eq!(conditions(&status), ["IdentityOverride"]);
    assert_eq!(status["hardware"]["verdict"], "overridden");
    let events = controller.events();
    let serial = status["serial_number"].as_str().unwrap();
    let enrolled = format!("enrolled: Serial Number {serial} from override");
    assert!(events.contains(&enrolled), "{events:?}");

    let refused = controller.ctl.run_with(&["activate", "--json"], &code.expose());
    assert_eq!(refused.code, 1, "{refused:?}");
    let error: serde_json::Value = serde_json::from_str(&refused.err).unwrap();
    assert_eq!(error["code"], "override-not-allowed");
    assert_eq!(controller.socket.status()["state"], "unlicensed");
    assert_eq!(vendor.json(&["environment", "list"]), serde_json::json!([]));

    vendor.json(&["subscription", "set", &id, "--allow-override", "true"]);
    let done = controller.ctl.run_with(&["activate"], &code.expose());
    assert_eq!(done.code, 0, "{done:?}");
    let status = controller.socket.status();
    assert_eq!((&status["state"], &status["serial_number"]), (&"active".into(), &serial.into()));
    let said = daemon.stop();
    assert!(!said.contains("asset 4711"), "the text is in the log: {said}");
}

/// What `cp -a` of a state directory leaves.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_copied_state_directory_shows_as_a_fork_on_both() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let one = Controller::new(&vendor, &server);
    let daemon = one.start();
    assert_eq!(one.ctl.run_with(&["activate"], &code.expose()).code, 0);
    let before = one.socket.status();
    daemon.stop();

    // The same key, the same license, the same Serial Number: nothing on either machine tells which is the copy.
    let two = Controller::new(&vendor, &server);
    copy(&one.path("state"), &two.path("state"));
    let (_first, _second) = (one.start(), two.start());
    assert_eq!(two.socket.status()["serial_number"], before["serial_number"]);
    assert_eq!(two.socket.status()["state"], "active");
    one.ctl.out(&["refresh"]);
    let environment = vendor.json(&["environment", "list"])[0]["id"].as_str().unwrap().to_owned();
    let forks = || vendor.json(&["environment", "forks", &environment]);
    assert_eq!(forks()["forked"], false, "one machine asks");
    two.ctl.run(&["refresh"]);
    assert_eq!(forks()["forked"], true);
    assert_eq!(forks()["branches"].as_array().unwrap().len(), 2);
    one.ctl.run(&["refresh"]);
    two.ctl.run(&["refresh"]);
    for controller in [&one, &two] {
        let status = controller.socket.status();
        assert!(conditions(&status).contains(&"CloneSuspected"), "{status:#}");
        assert_eq!((&status["state"], &status["entitled"]), (&"active".into(), &true.into()));
    }
}

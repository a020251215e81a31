//! Controllers that take each other's place, as operators see it: real daemons, a real portal, files in between.

use crate::stage::{Controller, Server, Vendor};
use serde_json::Value;
use std::fs;

const OTHER: &str = "[identity]\noverride = 'asset 4712'\n";

/// A controller that is activated, and its environment's id.
fn activated(vendor: &Vendor, server: &Server) -> (Controller, crate::stage::Running, String) {
    let (_, code) = vendor.sell();
    let controller = Controller::new(vendor, server);
    let daemon = controller.start();
    let done = controller.ctl.run_with(&["activate"], &code.expose());
    assert_eq!(done.code, 0, "{done:?}");
    let id = vendor.json(&["environment", "list"])[0]["id"].as_str().unwrap().to_owned();
    (controller, daemon, id)
}

/// The files of a state directory, which must be of nobody's use but its agent's.
fn keys(controller: &Controller) -> (String, bool) {
    let path = |name: &str| controller.path("state").join(name);
    let key = fs::read_to_string(path("environment.key")).unwrap();
    (key, path("environment.key.next").exists())
}

#[track_caller]
fn assert_action(controller: &Controller, action: &str) {
    let events = controller.events();
    let found = events.iter().any(|event| event.starts_with(&format!("{action}: ")));
    assert!(found, "no {action} in {events:#?}");
}

/// It holds nothing, knows why, and says what can be done.
#[track_caller]
fn assert_retired(controller: &Controller, told: &str) {
    let status = controller.socket.status();
    assert_eq!((&status["state"], &status["reason"]), (&"unlicensed".into(), &"retired".into()));
    let message = status["message"].as_str().unwrap();
    assert!(message.contains(told), "{message}");
    assert_eq!(status["license"], Value::Null);
    assert_action(controller, "retired");
    controller.ctl.run(&["refresh"]).failed(1, "entitlectl activate");
}

#[track_caller]
fn assert_controller(controller: &Controller, environment: &str) {
    let status = controller.socket.wait_for("the controller", |s| s["state"] == "active");
    assert_eq!(status["environment"]["id"], environment);
    // The Serial Number comes from an override here; nothing else is to be told.
    let conditions: Vec<_> =
        status["conditions"].as_array().unwrap().iter().map(|c| &c["type"]).collect();
    assert_eq!(conditions, ["IdentityOverride"], "{status:#}");
}

#[test]
fn an_environment_moves_on_line() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (old, _daemon, id) = activated(&vendor, &server);
    let new = Controller::with(&vendor, &server, OTHER);
    let daemon = new.start();
    let offer = new.write("offer", &new.ctl.out(&["move", "offer"]));
    let consent = old.ctl.out(&["move", "consent", offer.to_str().unwrap()]);
    assert_controller(&old, &id);
    let consent = new.write("consent", &consent);
    let told = new.ctl.out(&["move", "accept", consent.to_str().unwrap()]);
    assert!(told.starts_with("installed license sequence 2 of "), "{told}");
    assert_controller(&new, &id);
    assert_action(&new, "move-offered");
    assert_action(&new, "key-replaced");
    assert_eq!(
        vendor.json(&["environment", "list"])[0]["serial_number"],
        new.socket.status()["serial_number"]
    );

    let refreshed = old.ctl.out(&["refresh"]);
    assert!(refreshed.contains("retired"), "{refreshed}");
    assert_action(&old, "move-consented");
    let serial = new.ctl.out(&["serial"]);
    assert_retired(&old, serial.trim());
    // What was moved stays there, whoever starts when.
    daemon.kill();
    let _daemon = new.start();
    assert_controller(&new, &id);
    assert!(new.ctl.out(&["refresh"]).starts_with("the license is the newest"));
    old.ctl.run(&["move", "consent", offer.to_str().unwrap()]).failed(1, "entitlectl activate");
}

#[test]
fn an_environment_moves_by_courier() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (old, _daemon, id) = activated(&vendor, &server);
    let new = Controller::with(&vendor, &server, OTHER);
    let _new_daemon = new.start();
    let offer = new.ctl.out(&["move", "offer"]);
    let consent = old.ctl.run_with(&["move", "consent", "-"], &offer).out;
    let accept = ["move", "accept", "-", "--by-hand"];
    let request = new.ctl.run_with(&accept, &consent);
    assert_eq!(request.code, 0, "{request:?}");
    assert_eq!(new.ctl.run_with(&accept, &consent).out, request.out, "the same bytes");
    let answer = |request: &str| {
        let file = vendor.path("request");
        fs::write(&file, request).unwrap();
        let answered = vendor.run(&["answer", file.to_str().unwrap()]);
        assert!(answered.status.success(), "{answered:?}");
        String::from_utf8(answered.stdout).unwrap()
    };
    let installed = new.ctl.run_with(&["license", "install", "-"], &answer(&request.out));
    assert_eq!(installed.code, 0, "{installed:?}");
    assert_controller(&new, &id);
    let told = answer(&old.ctl.out(&["request", "refresh"]));
    assert_eq!(old.ctl.run_with(&["license", "install", "-"], &told).code, 0);
    assert_retired(&old, new.ctl.out(&["serial"]).trim());
}

#[test]
fn other_hardware_is_bound_by_one_command() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (controller, daemon, id) = activated(&vendor, &server);
    let (serial, key) = (controller.ctl.out(&["serial"]), keys(&controller).0);
    daemon.stop();
    let settings = fs::read_to_string(controller.settings()).unwrap();
    controller.write("entitled.toml", &settings.replace("asset 4711", "asset 4712"));
    let daemon = controller.start();
    // The first survey may be under way still; a command that needs the hardware waits for it.
    controller.ctl.run(&["activate", "--configured"]).failed(1, "`entitlectl rebind`");
    assert_eq!(controller.ctl.out(&["serial"]), serial);
    let told = controller.ctl.out(&["rebind"]);
    assert!(told.starts_with("installed license sequence 2 of "), "{told}");
    assert_controller(&controller, &id);
    assert_ne!(controller.ctl.out(&["serial"]), serial);
    assert_action(&controller, "reenrolled");
    assert_action(&controller, "key-replaced");
    let (new, waits) = keys(&controller);
    assert!(new != key && !waits);
    daemon.kill();
    let _daemon = controller.start();
    assert!(controller.ctl.out(&["refresh"]).starts_with("the license is the newest"));
    assert_controller(&controller, &id);
}

#[test]
fn of_a_machine_and_its_copy_the_named_one_gets_a_new_key_by_itself() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (one, daemon, id) = activated(&vendor, &server);
    daemon.stop();
    let copy = Controller::new(&vendor, &server);
    fs::create_dir(copy.path("state")).unwrap();
    for file in fs::read_dir(one.path("state")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path("state").join(file.file_name())).unwrap();
    }
    let daemon = one.start();
    let _copys_daemon = copy.start();
    one.ctl.out(&["refresh"]);
    let told = copy.ctl.out(&["refresh"]);
    assert!(told.contains("CloneSuspected"), "{told}");
    let (old, _) = keys(&one);
    // As the machine shows it.
    let events = one.events();
    let last = events.iter().find_map(|event| event.strip_prefix("requested: refresh ")).unwrap();
    let named = vendor.json(&["environment", "survivor", &id, "--branch", last]);
    assert_eq!(named["branches"].as_array().unwrap().len(), 2);

    one.ctl.out(&["refresh"]);
    one.socket.wait_for("rekeyed", |status| status["license"]["sequence"] == 2);
    assert_controller(&one, &id);
    assert_action(&one, "key-replaced");
    daemon.kill();
    let _daemon = one.start();
    let (new, waits) = keys(&one);
    assert!(new != old && !waits);
    assert!(one.ctl.out(&["refresh"]).starts_with("the license is the newest"));

    copy.ctl.out(&["refresh"]);
    assert_retired(&copy, "`entitlectl rebind`");
    assert_controller(&one, &id);
}

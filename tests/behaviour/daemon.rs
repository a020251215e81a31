//! `entitled run` against a portal of its own: a controller's life.

mod clocks;
mod disks;
mod identity;
mod life;
mod secrecy;
mod settings;

use crate::stage::{Controller, Ctl, Socket, Vendor};
use rustix::process::Signal;
use serde_json::Value;

/// The conditions of a status.
fn conditions(status: &Value) -> Vec<&str> {
    let conditions = status["conditions"].as_array().unwrap();
    conditions.iter().map(|condition| condition["type"].as_str().unwrap()).collect()
}

#[test]
fn without_an_override_the_hardware_speaks_or_the_mend_is_told() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::with(&vendor, &server, "");
    let minted = Ctl::alone().run(&["serial", "--root", "/"]);
    let daemon = controller.start();
    if minted.code == 0 {
        // This machine has hardware that tells it from others: the agent finds the same.
        assert_eq!(controller.ctl.out(&["serial"]), minted.out);
        daemon.stop();
        return;
    }
    let mend = minted.err.split_once(": ").unwrap().1.trim();
    assert!(mend.contains("override") || mend.contains("run this as root"), "{mend}");
    let status = controller.socket.status();
    assert_eq!((&status["serial_number"], &status["state"]), (&Value::Null, &"unlicensed".into()));
    assert_eq!(status["message"], mend);
    controller.ctl.run(&["serial"]).failed(1, mend);
    controller.ctl.run_with(&["activate"], &code.expose()).failed(1, mend);
    assert_eq!(controller.ctl.run(&["status"]).code, 4);
    let report = controller.ctl.json(&["hardware"]);
    assert_eq!(report["problem"], mend);
    assert_eq!(controller.socket.get("/readyz").status, 200, "it keeps running");
    let said = daemon.stop();
    assert_eq!(said.matches(mend).count(), 1, "once in the log, and with the mend:\n{said}");
    assert_eq!(vendor.json(&["environment", "list"]), serde_json::json!([]));
}

#[test]
fn a_configured_code_activates_by_itself() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let more = "[environment]\nname = 'Main site'\npurpose = 'quality'\n[identity]\noverride = 'asset 4711'\n\
                [activation]\ncode_file = ";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("code");
    std::fs::write(&file, code.expose()).unwrap();
    let controller = Controller::with(&vendor, &server, &format!("{more}'{}'\n", file.display()));
    let daemon = controller.start();
    let status = controller.socket.wait_for("active", |status| status["state"] == "active");
    assert_eq!(status["environment"]["name"], "Main site");
    assert_eq!(status["environment"]["purpose"], "quality");
    assert_eq!(conditions(&status), ["IdentityOverride"]);
    daemon.stop();

    // As a service's credential.
    let (_, code) = vendor.sell();
    std::fs::write(folder.path().join("activation-code"), code.expose()).unwrap();
    let controller = Controller::new(&vendor, &server);
    let mut command = controller.command();
    command.env("CREDENTIALS_DIRECTORY", folder.path());
    let _daemon = controller.start_with(command);
    let status = controller.socket.wait_for("active", |status| status["state"] == "active");
    assert_eq!(status["license"]["activation_code"], code.masked());
}

#[test]
fn both_signals_end_it_well_and_leave_no_socket() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    for signal in [Signal::TERM, Signal::INT] {
        let daemon = controller.start();
        let sockets = ["entitled.sock", "usage.sock", "admin.sock"];
        let sockets = sockets.map(|name| controller.socket.beside(name));
        assert!(!sockets.iter().any(Socket::is_gone));
        daemon.signal(signal);
        let (status, said) = daemon.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("the agent stopped"), "{said}");
        assert!(!said.contains('\u{1b}'), "colours are for terminals:\n{said}");
        assert!(sockets.iter().all(Socket::is_gone));
    }
}

#[test]
fn a_second_daemon_on_a_state_directory_is_refused_by_name() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    let mut second = controller.command();
    second.arg("--runtime-dir").arg(controller.path("other"));
    let done = crate::stage::Done::of(second, "");
    done.failed(1, &format!("(process {})", daemon.id()));
    let mut second = controller.command();
    second.arg("--state-dir").arg(controller.path("other"));
    crate::stage::Done::of(second, "").failed(1, "entitled.sock is served by another process");
    assert_eq!(controller.socket.get("/livez").status, 200);
}

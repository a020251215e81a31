//! docs/moving.md: each command on the machine that its remark names.

use super::{Desk, blocks};
use crate::stage::{Controller, Done, Running, Server, Vendor, between};
use std::fs;

const PAGE: &str = include_str!("../../../docs/moving.md");

/// A controller that holds the license, another machine that is to, and their vendor.
struct Machines {
    vendor: Vendor,
    _server: Server,
    old: Controller,
    new: Controller,
    old_runs: Option<Running>,
    _new_runs: Running,
    desk: Desk,
}

impl Machines {
    fn new() -> Self {
        let vendor = Vendor::new();
        let server = vendor.serve();
        let (_, code) = vendor.sell();
        let old = Controller::new(&vendor, &server);
        let old_runs = old.start();
        let done = old.ctl.run_with(&["activate"], &code.expose());
        assert_eq!(done.code, 0, "{done:?}");
        let new = Controller::with(&vendor, &server, "[identity]\noverride = 'asset 4712'\n");
        let new_runs = new.start();
        let desk = Desk::new(&vendor, old.path("desk"));
        let old_runs = Some(old_runs);
        Self { vendor, _server: server, old, new, old_runs, _new_runs: new_runs, desk }
    }

    /// Runs a line where its remark says.
    fn run(&self, line: &str, input: &str) -> Done {
        let (_, remark) = line.split_once('#').unwrap_or_else(|| panic!("where is {line} run?"));
        let socket = match remark.trim() {
            on if on.starts_with("on the new machine") => &self.new.socket,
            on if on.starts_with("on the old machine") => &self.old.socket,
            on if on.starts_with("on the controller") => &self.old.socket,
            on if on.starts_with("at the vendor's") => &self.old.socket,
            other => panic!("nobody knows where {other:?} is"),
        };
        self.desk.run(line, &socket.path, input)
    }

    #[track_caller]
    fn moved(&self) {
        self.new.socket.wait_for("the controller", |status| status["state"] == "active");
        assert_eq!(
            self.vendor.json(&["environment", "list"])[0]["serial_number"],
            self.new.socket.status()["serial_number"]
        );
        assert_eq!(self.old.ctl.run(&["refresh"]).code, 0);
        self.old.socket.wait_for("retired", |status| status["reason"] == "retired");
    }
}

/// The block that has this command first.
fn block(first: &str) -> Vec<String> {
    let found = blocks(PAGE).into_iter().find(|block| block[0].starts_with(first));
    found.unwrap_or_else(|| panic!("no block of docs/moving.md begins with {first}"))
}

#[test]
fn no_block_of_the_page_is_left_out() {
    assert_eq!(blocks(PAGE).len(), 4, "a new block wants a test here");
}

#[test]
fn a_bundle_moves_an_environment_as_the_page_says() {
    let machines = Machines::new();
    let block = block("entitlectl controller export");
    let exported = machines.run(&block[0], "");
    let passphrase = between(&exported.err, "Passphrase: ", "\n").trim();
    machines.run(&block[1], passphrase);
    assert_eq!(block.len(), 2);
    machines.moved();
}

#[test]
fn offer_consent_and_accept_move_an_environment_as_the_page_says() {
    let machines = Machines::new();
    for line in block("entitlectl move offer") {
        machines.run(&line, "");
    }
    machines.moved();
}

#[test]
fn a_courier_moves_an_environment_as_the_page_says() {
    let machines = Machines::new();
    for line in &block("entitlectl move offer")[..2] {
        machines.run(line, "");
    }
    for line in block("entitlectl move accept CONSENT --by-hand") {
        machines.run(&line, "");
    }
    // The answer to the last, as its remark says.
    machines.run("entitle-portal answer LAST > TOLD # at the vendor's", "");
    machines.run("entitlectl license install TOLD # on the old machine", "");
    machines.old.socket.wait_for("retired", |status| status["reason"] == "retired");
    machines.new.socket.wait_for("the controller", |status| status["state"] == "active");
}

#[test]
fn other_hardware_takes_its_environment_along_as_the_page_says() {
    let mut machines = Machines::new();
    machines.old_runs.take().unwrap().stop();
    let settings = fs::read_to_string(machines.old.settings()).unwrap();
    machines.old.write("entitled.toml", &settings.replace("asset 4711", "asset 4713"));
    let _again = machines.old.start();
    let serial = machines.old.ctl.out(&["serial"]);
    for line in block("entitlectl rebind") {
        machines.desk.run(&line, &machines.old.socket.path, "");
    }
    assert_ne!(machines.old.ctl.out(&["serial"]), serial);
    assert_eq!(machines.old.socket.status()["state"], "active");
}

//! The way between members and their controller, broken and mended.

use super::{Found, activated, doctor};
use crate::stage::{Member, Running, between};
use std::fs;

fn doctor_of(member: &Member) -> Found {
    Found::by(&member.ctl, &member.path("entitled.toml"))
}

/// An activated controller that serves members, and one that has joined.
struct Pair {
    _vendor: crate::stage::Vendor,
    _server: crate::stage::Server,
    controller: crate::stage::Controller,
    runs: Option<Running>,
    member: Member,
    member_runs: Option<Running>,
    address: String,
}

impl Pair {
    fn new() -> Self {
        let (vendor, server, controller, runs) = activated("[members]\nlisten = '127.0.0.1:0'");
        let address = between(runs.said(), "members are served address=", "\n").to_owned();
        // The same port after a restart.
        let settings = fs::read_to_string(controller.settings()).unwrap();
        fs::write(controller.settings(), settings.replace("127.0.0.1:0", &address)).unwrap();
        let member = Member::new(&vendor, "");
        let member_runs = Some(member.start());
        let pair = Self {
            _vendor: vendor,
            _server: server,
            controller,
            runs: Some(runs),
            member,
            member_runs,
            address,
        };
        doctor_of(&pair.member).is("controller", "failed", "has not joined");
        pair.member.join(&pair.controller, &pair.address);
        pair.watches();
        pair
    }

    /// Waits until the member hears its controller, and that knows it.
    fn watches(&self) {
        self.member.socket.wait_for("entitled", |status| {
            status["entitled"] == true && status["upstream"]["reachable"] == true
        });
        let deadline = std::time::Instant::now() + crate::stage::PATIENCE;
        while self.controller.ctl.json(&["members"])[0]["connected"] != true {
            assert!(std::time::Instant::now() < deadline, "the controller does not know it");
        }
    }
}

#[test]
fn a_member_that_is_away_or_was_turned_out_is_found_on_both_sides() {
    let mut pair = Pair::new();
    let found = doctor_of(&pair.member);
    found.is("controller", "ok", "states the license");
    found.is("member-certificate", "ok", "is good until");
    doctor(&pair.controller).is("members-standing", "ok", "all 1 members");

    pair.member_runs.take().unwrap().stop();
    let deadline = std::time::Instant::now() + crate::stage::PATIENCE;
    while pair.controller.ctl.json(&["members"])[0]["connected"] == true {
        assert!(std::time::Instant::now() < deadline, "the controller does not notice");
    }
    doctor(&pair.controller).is("members-standing", "warning", "is not connected");
    pair.member_runs = Some(pair.member.start());
    pair.watches();
    doctor(&pair.controller).is("members-standing", "ok", "all 1 members");

    let id = pair.controller.ctl.json(&["members"])[0]["id"].as_str().unwrap().to_owned();
    pair.controller.ctl.out(&["member", "remove", &id]);
    let found = doctor_of(&pair.member);
    found.is("controller", "failed", "");
    assert!(found.one("controller")["mend"].as_str().unwrap().contains("`entitlectl join`"));
    pair.member.join(&pair.controller, &pair.address);
    pair.watches();
    doctor_of(&pair.member).is("controller", "ok", "states the license");
}

#[test]
fn a_controller_that_is_away_or_holds_nothing_is_found_on_its_member() {
    let mut pair = Pair::new();
    pair.runs.take().unwrap().stop();
    doctor_of(&pair.member).is("controller", "failed", "");
    pair.runs = Some(pair.controller.start());
    pair.watches();
    doctor_of(&pair.member).is("controller", "ok", "states the license");
    pair.controller.ctl.out(&["release"]);
    let found = doctor_of(&pair.member);
    found.is("controller", "warning", "holds no license");
    assert!(found.one("controller")["mend"].as_str().unwrap().contains("`entitlectl activate`"));
}

#[test]
fn a_certificate_that_is_gone_is_found() {
    let mut pair = Pair::new();
    pair.member_runs.take().unwrap().stop();
    let pem = fs::read_to_string(pair.member.identity()).unwrap();
    let key = pem.split_inclusive("-----END PRIVATE KEY-----").next().unwrap();
    fs::write(pair.member.identity(), key).unwrap();
    doctor_of(&pair.member).is("member-certificate", "failed", "found none");
    fs::write(pair.member.identity(), pem).unwrap();
    doctor_of(&pair.member).is("member-certificate", "ok", "is good until");
}

//! A controller that was restored, and what its members make of it.

use super::Environment;
use crate::stage::{Client, between};
use std::{fs, path::Path};

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_restored_controller_follows_its_members() {
    let mut environment = Environment::new();
    let (one, _one_runs) = environment.member();
    let state = environment.controller.path("state");
    let snapshot = environment.controller.path("snapshot");
    copy(&state, &snapshot);
    // After the snapshot: another member, and a renewal.
    let (other, _other_runs) = environment.member();
    environment.renew();
    for member in [&one, &other] {
        member.socket.wait_for("renewed", |status| status["license"]["edition"] == "ultimate");
    }
    let renewed = environment.controller.socket.status();
    // Nobody else can tell it of the renewal.
    environment.server.kill();
    environment.daemon.take().unwrap().kill();
    copy(&snapshot, &state);
    environment.start();
    let followed = environment
        .controller
        .socket
        .wait_for("followed", |status| status["license"]["edition"] == "ultimate");
    assert_eq!(followed["license"]["sequence"], renewed["license"]["sequence"]);
    assert_eq!(followed["license"]["source"], "member");
    assert!(followed["generation"].as_u64() > renewed["generation"].as_u64());
    environment.wait_for("both back", |members| {
        members.len() == 2
            && members
                .iter()
                .all(|m| m["connected"] == true && m["generation"] == followed["generation"])
    });
    let events = environment.controller.events().join("\n");
    assert_eq!(events.matches("statement-followed: ").count(), 1, "{events}");
    assert_eq!(events.matches("member-adopted: ").count(), 1, "{events}");
    for member in [&one, &other] {
        assert_eq!(member.socket.status()["entitled"], true);
    }
}

#[test]
fn who_was_removed_stays_so_though_the_database_is_lost() {
    let mut environment = Environment::new();
    let (one, _one_runs) = environment.member();
    let (other, _other_runs) = environment.member();
    let id = between(&one.events(), "member-joined: as ", " through").to_owned();
    environment.controller.ctl.out(&["member", "remove", &id]);
    environment.daemon.take().unwrap().kill();
    fs::remove_file(environment.controller.path("state/entitled.db")).unwrap();
    environment.start();
    environment.wait_for("the other back", |m| m.len() == 1 && m[0]["connected"] == true);
    let (status, body) = Client::of(&one, &environment.address).get("/v1/statement");
    assert_eq!((status, body.contains("member-removed")), (403, true), "{body}");
    assert_eq!(Client::of(&other, &environment.address).get("/v1/statement").0, 200);
    let events = environment.controller.events().join("\n");
    assert_eq!(events.matches("member-adopted: ").count(), 1, "{events}");
}

//! An environment whose controller moves to another machine: its members know the old one alone, and follow.

use super::Environment;
use crate::stage::{Client, Controller, Done, Member, Running, between};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What the new machine is called by, and where it serves members.
const NEW: &str = "[identity]\noverride = 'asset 4712'\n[members]\nlisten = '127.0.0.1:0'\n";
const PASSPHRASE: &str = "correct horse battery staple";

/// A machine that is to take over, and where its members' port is.
struct Next {
    controller: Controller,
    daemon: Option<Running>,
    address: String,
}

impl Next {
    fn beside(environment: &Environment) -> Self {
        let controller = Controller::with(&environment.vendor, &environment.server, NEW);
        let daemon = controller.start();
        let address = between(daemon.said(), "members are served address=", "\n").to_owned();
        // On that port again after a restart, as a real one.
        let settings = fs::read_to_string(controller.settings()).unwrap();
        fs::write(controller.settings(), settings.replace("127.0.0.1:0", &address)).unwrap();
        Self { controller, daemon: Some(daemon), address }
    }

    fn restart_killed(&mut self) {
        self.daemon.take().unwrap().kill();
        self.daemon = Some(self.controller.start());
    }

    fn import(&self, bundle: &Path) -> Done {
        self.import_with(&[], bundle, PASSPHRASE)
    }

    fn import_with(&self, more: &[&str], bundle: &Path, passphrase: &str) -> Done {
        let import = ["controller", "import", bundle.to_str().unwrap()];
        self.controller.ctl.run_with(&[&import, more].concat(), passphrase)
    }
}

impl Environment {
    /// The file of a bundle for that address.
    fn export(&self, address: &str) -> PathBuf {
        let export = ["controller", "export", "--address", address, "--passphrase-file", "-"];
        let done = self.controller.ctl.run_with(&export, PASSPHRASE);
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(done.err, "", "a passphrase that was given is not shown");
        self.controller.write("bundle", &done.out)
    }
}

/// Waits until a member hears that controller, and is entitled by what it states.
#[track_caller]
fn assert_follows(member: &Member, next: &Next) {
    let serial = next.controller.ctl.out(&["serial"]).trim().to_owned();
    let status = member.socket.wait_for("at the new controller", |status| {
        assert_eq!(status["entitled"], true, "it must stay entitled: {status:#}");
        status["serial_number"] == serial.as_str()
            && status["upstream"]["url"] == next.address.as_str()
            && status["upstream"]["reachable"] == true
    });
    assert_eq!(status["state"], "active", "{status:#}");
    let controller = next.controller.socket.status();
    assert_eq!(status["license"]["sequence"], controller["license"]["sequence"]);
}

#[track_caller]
fn assert_retired(environment: &Environment, next: &Next) {
    let status =
        environment.controller.socket.wait_for("retired", |status| status["reason"] == "retired");
    assert_eq!((&status["entitled"], &status["license"]), (&false.into(), &().into()));
    let message = status["message"].as_str().unwrap();
    assert!(message.contains(&format!("shown the way to {} until ", next.address)), "{message}");
}

/// Everything of the move but the two commands happens by itself.
#[test]
fn members_follow_by_the_old_controllers_signpost() {
    let environment = Environment::new();
    let (one, _one) = environment.member();
    let (two, two_daemon) = environment.member();
    // One that is away while all happens.
    two_daemon.kill();
    let next = Next::beside(&environment);
    let bundle = environment.export(&next.address);
    assert_eq!(environment.controller.socket.status()["entitled"], true);
    assert_eq!(next.controller.socket.status()["state"], "unlicensed");
    let done = next.import(&bundle);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("installed license sequence "), "{}", done.out);
    assert_retired(&environment, &next);
    assert_follows(&one, &next);
    let _two = two.start();
    assert_follows(&two, &next);
    for member in [&one, &two] {
        assert!(member.events().contains("signpost-followed: to "), "{}", member.events());
    }
    // Both are listed, nobody else is, and the new controller knows everything that the old one did.
    let names = |controller: &Controller| {
        let members = controller.ctl.json(&["members"]);
        let ids = members.as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(names(&next.controller), names(&environment.controller));
    let events = next.controller.events();
    assert!(!events.iter().any(|event| event.starts_with("member-adopted")), "{events:#?}");
    for file in ["environment.key", "environment-ca.key", "activation-code"] {
        let mode = fs::metadata(next.controller.path("state").join(file)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{file}");
    }
    assert!(!next.controller.path("state/import.pending").exists());
    // Nobody joins at the old one, and the token is good at the new one.
    let token = next.controller.ctl.out(&["member", "token", "--uses", "2"]);
    let late = Member::new(&environment.vendor, "");
    let _late = late.start();
    late.ctl.run_with(&["join", &environment.address], &token).failed(1, &next.address);
    assert_eq!(late.ctl.run_with(&["join", &next.address], &token).code, 0);
    late.socket.wait_for("entitled", |status| status["entitled"] == true);
    assert_follows(&late, &next);
    // As another environment the old one has another authority: nobody's member takes its word for its own controller's.
    let authority = |controller: &Controller| {
        fs::read_to_string(controller.path("state/environment-ca.key")).unwrap()
    };
    assert_eq!(authority(&environment.controller), authority(&next.controller));
    let (_, code) = environment.vendor.sell();
    let done = environment.controller.ctl.run_with(&["activate"], &code.expose());
    assert_eq!(done.code, 0, "{done:?}");
    assert_ne!(authority(&environment.controller), authority(&next.controller));
    assert!(environment.members().is_empty());
    let stranger = Client::of(&one, &environment.address);
    assert!(stranger.try_get("/v1/statement").is_err(), "of another authority");
}

/// An address that leads to the old controller itself, as the name of a service does until it is turned over.
#[test]
fn a_controller_that_looks_at_itself_goes_on() {
    let environment = Environment::new();
    environment.export(&environment.address);
    let looked = || {
        let metrics = environment.controller.socket.get("/metrics").body;
        let count = between(&metrics, "entitled_member_handshakes_total ", "\n").to_owned();
        count.parse::<f64>().unwrap()
    };
    // The second look begins after the first was heard of.
    while looked() < 2.0 {
        std::thread::yield_now();
    }
    assert_eq!(environment.controller.socket.status()["entitled"], true);
    let events = environment.controller.events();
    assert!(!events.iter().any(|event| event.starts_with("member-adopted")), "{events:#?}");
}

/// The old machine dies before it heard of anything: its members know from the export on where else to look.
#[test]
fn members_follow_though_the_old_controller_died_after_the_import() {
    let mut environment = Environment::new();
    let (member, running) = environment.member();
    let next = Next::beside(&environment);
    let bundle = environment.export(&next.address);
    let stated = environment.controller.socket.status()["generation"].clone();
    environment.wait_for("told", |members| members[0]["generation"] == stated);
    environment.daemon.take().unwrap().kill();
    let done = next.import(&bundle);
    assert_eq!(done.code, 0, "{done:?}");
    assert_follows(&member, &next);
    // It is remembered without the old one's word.
    running.kill();
    let _running = member.start();
    assert_follows(&member, &next);
}

/// The new machine ends when it has stored the bundle, and again when it is the controller.
#[test]
fn an_import_goes_on_after_kill_9() {
    let mut environment = Environment::new();
    let (member, _running) = environment.member();
    let mut next = Next::beside(&environment);
    let bundle = environment.export(&next.address);
    let portal = environment.server.url.strip_prefix("http://").unwrap().to_owned();
    environment.server.kill();
    next.import(&bundle).failed(1, "portal");
    assert_eq!(next.controller.socket.status()["state"], "unlicensed");
    assert_eq!(environment.controller.socket.status()["entitled"], true);
    next.restart_killed();
    environment.server = environment.vendor.serve_on(&portal);
    // Whoever does not want to wait for the next try.
    let done = next.controller.ctl.run(&["refresh"]);
    assert!(done.code == 0 || done.err.contains("under way"), "{done:?}");
    next.controller.socket.wait_for("the controller", |status| status["state"] == "active");
    next.restart_killed();
    assert_retired(&environment, &next);
    assert_follows(&member, &next);
    next.import(&bundle).failed(1, "entitlectl release");
}

#[test]
fn a_bundle_is_taken_whole_and_with_its_passphrase_alone() {
    let environment = Environment::new();
    let next = Next::beside(&environment);
    let short = ["controller", "export", "--passphrase-file", "-"];
    environment.controller.ctl.run_with(&short, "hunter2").failed(1, "12 characters");
    let bundle = environment.export(&next.address);
    let text = fs::read_to_string(&bundle).unwrap();
    next.import_with(&[], &bundle, "another passphrase").failed(1, "passphrase");
    next.import_with(&[], &bundle, "").failed(1, "--passphrase-file");
    let altered =
        next.controller.write("altered", &text.replace("aes_256_gcm\": \"", "aes_256_gcm\": \"A"));
    next.import(&altered).failed(1, "altered");
    let other = next.controller.write("other", "nothing of the kind");
    next.import(&other).failed(1, "entitlectl controller export");
    assert!(!next.controller.events().iter().any(|e| e.starts_with("controller-imported")));
    // One that was not given is made, and shown once beside the bundle.
    let export = ["controller", "export", "--address", &next.address];
    let made = environment.controller.ctl.run(&export);
    let passphrase = between(&made.err, "Passphrase: ", "\n");
    assert!(!made.out.contains(passphrase));
    let made = next.controller.write("made", &made.out);
    // The first is worthless since.
    environment.controller.ctl.out(&["refresh"]);
    next.import(&bundle).failed(1, "nothing is lost");
    let done = next.import_with(&[], &made, passphrase);
    assert_eq!(done.code, 0, "{done:?}");
    for line in [&environment.controller, &next.controller].map(Controller::events).concat() {
        assert!(!line.contains(passphrase) && !line.contains("PRIVATE KEY"), "{line}");
    }
    let cancel = ["controller", "export", "--cancel"];
    assert_retired(&environment, &next);
    environment.controller.ctl.run(&cancel).failed(1, "entitlectl events");
}

#[test]
fn a_bundle_of_another_product_is_refused() {
    let environment = Environment::new();
    let next = Next::beside(&environment);
    let bundle = environment.export(&next.address);
    let settings = fs::read_to_string(next.controller.settings()).unwrap();
    let settings = settings.replace(crate::stage::PRODUCT, "another-product");
    fs::write(next.controller.settings(), settings.replace(&next.address, "127.0.0.1:0")).unwrap();
    next.daemon.unwrap().kill();
    let _daemon = next.controller.start();
    let import = ["controller", "import", bundle.to_str().unwrap()];
    next.controller.ctl.run_with(&import, PASSPHRASE).failed(1, "another-product");
}

#[test]
fn a_bundle_and_a_courier_move_an_environment_without_a_way_to_the_portal() {
    let environment = Environment::new();
    let (member, _running) = environment.member();
    let next = Next::beside(&environment);
    let bundle = environment.export(&next.address);
    let request = next.import_with(&["--by-hand"], &bundle, PASSPHRASE);
    assert_eq!(request.code, 0, "{request:?}");
    let again = next.import_with(&["--by-hand"], &bundle, PASSPHRASE);
    assert_eq!(again.out, request.out, "the same bytes");
    let file = environment.vendor.path("request");
    fs::write(&file, &request.out).unwrap();
    let answer = environment.vendor.run(&["answer", file.to_str().unwrap()]);
    assert!(answer.status.success(), "{answer:?}");
    let answer = String::from_utf8(answer.stdout).unwrap();
    let installed = next.controller.ctl.run_with(&["license", "install", "-"], &answer);
    assert_eq!(installed.code, 0, "{installed:?}");
    // The old one sees it by itself, without a way to the portal.
    assert_retired(&environment, &next);
    assert_follows(&member, &next);
}

#[test]
fn members_follow_there_and_back() {
    let environment = Environment::new();
    let (member, _running) = environment.member();
    let next = Next::beside(&environment);
    assert_eq!(next.import(&environment.export(&next.address)).code, 0);
    assert_follows(&member, &next);
    let export =
        ["controller", "export", "--address", &environment.address, "--passphrase-file", "-"];
    let back = next.controller.ctl.run_with(&export, PASSPHRASE);
    let back = environment.controller.write("back", &back.out);
    let import = ["controller", "import", back.to_str().unwrap()];
    let done = environment.controller.ctl.run_with(&import, PASSPHRASE);
    assert_eq!(done.code, 0, "{done:?}");
    let serial = environment.controller.ctl.out(&["serial"]).trim().to_owned();
    member.socket.wait_for("back", |status| {
        assert_eq!(status["entitled"], true, "{status:#}");
        status["serial_number"] == serial.as_str()
            && status["upstream"]["url"] == environment.address.as_str()
            && status["upstream"]["reachable"] == true
    });
    assert!(!member.events().contains("document-refused"), "{}", member.events());
}

/// The machine is dead, and there is a backup of its state directory: another one in its place is found by its address.
#[test]
fn members_follow_a_controller_that_is_rebound_from_a_backup() {
    let mut environment = Environment::new();
    let (member, _running) = environment.member();
    environment.daemon.take().unwrap().kill();
    let other = NEW.replace("127.0.0.1:0", &environment.address);
    let controller = Controller::with(&environment.vendor, &environment.server, &other);
    fs::create_dir(controller.path("state")).unwrap();
    for file in fs::read_dir(environment.controller.path("state")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), controller.path("state").join(file.file_name())).unwrap();
    }
    let daemon = controller.start();
    let address = environment.address.clone();
    let next = Next { controller, daemon: Some(daemon), address };
    next.controller.ctl.out(&["rebind"]);
    assert_follows(&member, &next);
}

/// The controller's disk is lost with the key that its members knew it by: the portal tells them which one took its place.
#[test]
fn members_follow_a_controller_that_lost_its_authority() {
    let mut environment = Environment::new();
    let (member, _running) = environment.member();
    let (away, away_daemon) = environment.member();
    away_daemon.kill();
    environment.daemon.take().unwrap().kill();
    fs::remove_file(environment.controller.path("state/environment-ca.key")).unwrap();
    environment.start();
    environment.controller.ctl.out(&["refresh"]);
    let _away = away.start();
    for member in [&member, &away] {
        let status = member.socket.wait_for("certified anew", |status| {
            assert_eq!(status["entitled"], true, "{status:#}");
            member.events().contains("certificate-renewed")
                && status["upstream"]["reachable"] == true
        });
        assert_eq!(status["state"], "active");
        let events = member.events();
        assert_eq!(events.matches("authority-replaced: ").count(), 1, "{events}");
    }
    assert_eq!(environment.members().len(), 2);
}

/// Nothing of the old controller is left: one token, and no moment without a license.
#[test]
fn a_server_joins_another_controller_without_losing_its_entitlement() {
    let mut environment = Environment::new();
    let (member, running) = environment.member();
    environment.daemon.take().unwrap().kill();
    let (_, code) = environment.vendor.sell();
    let next = Next::beside(&environment);
    let token = next.controller.ctl.out(&["member", "token"]);
    let done = member.ctl.run_with(&["join", &next.address], &token);
    assert_eq!(done.code, 0, "{done:?}");
    // The new controller states nothing yet, and a restart changes nothing.
    assert_eq!(member.socket.status()["entitled"], true);
    running.kill();
    let _running = member.start();
    assert_eq!(member.socket.status()["entitled"], true);
    assert_eq!(next.controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    assert_follows(&member, &next);
}

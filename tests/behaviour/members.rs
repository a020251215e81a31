//! An environment of several servers: real processes over loopback.

mod moves;
mod refusals;
mod snapshots;
mod usage;

use crate::stage::{Client, Controller, Member, PATIENCE, Running, Server, Vendor, between};
use serde_json::Value;
use std::time::Instant;

/// A controller that serves members, activated, with its portal.
struct Environment {
    vendor: Vendor,
    server: Server,
    subscription: String,
    controller: Controller,
    daemon: Option<Running>,
    address: String,
}

impl Environment {
    fn new() -> Self {
        let vendor = Vendor::new();
        let server = vendor.serve();
        let (subscription, code) = vendor.sell();
        let more = "[identity]\noverride = 'asset 4711'\n[members]\nlisten = '127.0.0.1:0'\n";
        let controller = Controller::with(&vendor, &server, more);
        let daemon = controller.start();
        let done = controller.ctl.run_with(&["activate"], &code.expose());
        assert_eq!(done.code, 0, "{done:?}");
        let address = between(daemon.said(), "members are served address=", "\n").to_owned();
        let daemon = Some(daemon);
        Self { vendor, server, subscription, controller, daemon, address }
    }

    /// Starts the controller again, on the port that its members know.
    fn start(&mut self) {
        let settings = std::fs::read_to_string(self.controller.settings()).unwrap();
        let settings = settings.replace("127.0.0.1:0", &self.address);
        std::fs::write(self.controller.settings(), settings).unwrap();
        self.daemon = Some(self.controller.start());
    }

    /// Stops the controller: what it said.
    fn stop(mut self) -> String {
        self.daemon.take().unwrap().stop()
    }

    /// Another edition, fetched from the portal by the controller.
    fn renew(&self) {
        self.vendor.json(&["subscription", "set", &self.subscription, "--edition", "ultimate"]);
        self.controller.ctl.out(&["refresh"]);
    }

    fn member(&self) -> (Member, Running) {
        let member = Member::new(&self.vendor, "");
        let running = member.start();
        member.join(&self.controller, &self.address);
        member.socket.wait_for("entitled", |status| status["entitled"] == true);
        (member, running)
    }

    fn members(&self) -> Vec<Value> {
        self.controller.ctl.json(&["members"]).as_array().unwrap().clone()
    }

    /// Waits until the list of members is as it should be.
    fn wait_for(&self, what: &str, is: impl Fn(&[Value]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(&self.members()) {
            assert!(Instant::now() < deadline, "never {what}: {:#?}", self.members());
            std::thread::yield_now();
        }
    }
}

/// What a status says of the environment, the same on every server. Each counts the changes of its own status.
fn shared(status: &Value) -> Value {
    let mut status = status.clone();
    let all = status.as_object_mut().unwrap();
    for own in ["role", "upstream", "since", "generation"] {
        all.remove(own);
    }
    all["license"].as_object_mut().unwrap().remove("source");
    let conditions = all["conditions"].as_array_mut().unwrap();
    for condition in conditions {
        condition.as_object_mut().unwrap().remove("since");
    }
    status
}

#[test]
fn members_join_hear_of_a_renewal_and_go_on_without_their_controller() {
    let mut environment = Environment::new();
    let (one, one_runs) = environment.member();
    let (other, _other_runs) = environment.member();
    let status = environment.controller.socket.status();
    for member in [&one, &other] {
        let found = member.socket.status();
        assert_eq!(shared(&found), shared(&status));
        assert_eq!(
            (&found["role"], &found["upstream"]["kind"]),
            (&"member".into(), &"controller".into())
        );
    }
    environment.wait_for("both there", |members| {
        members.len() == 2
            && members
                .iter()
                .all(|m| m["connected"] == true && m["generation"] == status["generation"])
    });

    environment.renew();
    let renewed = environment.controller.socket.status();
    assert_eq!(renewed["license"]["edition"], "ultimate");
    for member in [&one, &other] {
        let found = member.socket.wait_for("renewed", |found| {
            found["license"]["sequence"] == renewed["license"]["sequence"]
        });
        assert_eq!(shared(&found), shared(&renewed));
        // Whoever asks a member need not believe it either.
        let statement = member.socket.get("/v1/statement");
        assert_eq!((statement.status, statement.media_type.as_str()), (200, "application/jose"));
        assert_eq!(statement.body, environment.controller.socket.get("/v1/statement").body);
    }

    environment.daemon.take().unwrap().kill();
    one.socket.wait_for("without its controller", |s| s["upstream"]["reachable"] == false);
    one_runs.kill();
    let _one_runs = one.start();
    let found = one.socket.status();
    assert_eq!((&found["entitled"], &found["state"]), (&true.into(), &"active".into()));
    assert_eq!(shared(&found), shared(&renewed));
    one.ctl.run(&["refresh"]).failed(1, "do this there");
}

#[test]
fn a_server_joins_by_the_token_of_its_settings() {
    let environment = Environment::new();
    let token = environment.controller.ctl.out(&["member", "token", "--from", "127.0.0.0/8"]);
    let file = environment.controller.write("token", &token);
    let settings = format!(
        "[member]\ncontrollers = ['127.0.0.1:1', '{}']\ntoken_file = '{}'\n",
        environment.address,
        file.display()
    );
    let member = Member::new(&environment.vendor, &settings);
    let running = member.start();
    member.socket.wait_for("entitled", |status| status["entitled"] == true);
    environment.wait_for("there", |members| members.len() == 1 && members[0]["connected"] == true);
    // It stays who it is, though the token is used up.
    running.stop();
    let running = member.start();
    assert_eq!(member.socket.status()["entitled"], true);
    environment.wait_for("back", |members| members.len() == 1 && members[0]["connected"] == true);
    let said = running.stop();
    assert!(!said.contains(token.trim()), "{said}");
}

#[test]
fn a_removed_member_is_cut_off_and_told_why() {
    let environment = Environment::new();
    let (one, _one_runs) = environment.member();
    let (other, _other_runs) = environment.member();
    environment
        .wait_for("both there", |m| m.len() == 2 && m.iter().all(|m| m["connected"] == true));
    let watch = Client::of(&one, &environment.address).watch();
    let id = between(&one.events(), "member-joined: as ", " through").to_owned();
    let done = environment.controller.ctl.json(&["member", "remove", &id]);
    assert!(done["message"].as_str().unwrap().contains("was removed"));
    // It would go on for ever otherwise.
    watch.end();
    let found = one.socket.wait_for("told", |status| {
        status["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "LeaseAging")
    });
    assert_eq!(
        (&found["entitled"], &found["conditions"][1]["reason"]),
        (&true.into(), &"Expelled".into())
    );
    let (status, body) = Client::of(&one, &environment.address).get("/v1/statement");
    assert_eq!((status, body.contains("member-removed")), (403, true), "{body}");
    let left = environment.members();
    assert_eq!((left.len(), &left[0]["connected"]), (1, &true.into()));
    assert_eq!(Client::of(&other, &environment.address).get("/v1/statement").0, 200);
    environment.controller.ctl.run(&["member", "remove", &id]).failed(1, "there is no member");

    // The way back.
    one.join(&environment.controller, &environment.address);
    let cured = |status: &Value| {
        status["entitled"] == true
            && !status["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "LeaseAging")
    };
    one.socket.wait_for("a member again", cured);
}

#[test]
fn plain_http_clients_read_wait_and_are_spared_what_they_have() {
    let environment = Environment::new();
    let (member, _runs) = environment.member();
    let client = Client::of(&member, &environment.address);
    let (status, statement) = client.get("/v1/statement");
    assert_eq!(status, 200);
    assert_eq!(statement, environment.controller.socket.get("/v1/statement").body);
    let generation = environment.controller.socket.status()["generation"].as_u64().unwrap();
    assert_eq!(
        client.get_with("/v1/statement", "if-none-match", &format!("\"{generation}\"")).0,
        304
    );
    assert_eq!(client.get("/v1/statement?after=0&wait=0s"), (200, statement.clone()));
    assert_eq!(client.get("/v1/statement?after=0&wait=soon").0, 400);
    assert_eq!(client.get("/v1/nothing").0, 404);
    let waiting = std::thread::spawn(move || {
        client.get(&format!("/v1/statement?after={generation}&wait=60s"))
    });
    environment.renew();
    let (status, newer) = waiting.join().unwrap();
    assert_eq!((status, &newer), (200, &environment.controller.socket.get("/v1/statement").body));
    assert_ne!(newer, statement);
}

#[test]
fn the_license_names_the_authority_and_a_release_is_no_sign_of_life() {
    let environment = Environment::new();
    let (member, _runs) = environment.member();
    environment.controller.ctl.out(&["refresh"]);
    let license = environment.controller.socket.json("/v1/license");
    let named = license["claims"]["ca"].as_str().unwrap_or_default().to_owned();
    assert_eq!(named.len(), 43, "{license}");
    member.socket.wait_for("told", |_| member.socket.json("/v1/license") == license);
    environment.controller.ctl.out(&["release"]);
    // Members go on for their lease; whoever joins now is told nothing.
    assert_eq!(Client::of(&member, &environment.address).get("/v1/statement").0, 404);
    assert_eq!(member.socket.status()["entitled"], true);
    let late = Member::new(&environment.vendor, "");
    let _late_runs = late.start();
    late.join(&environment.controller, &environment.address);
    environment
        .wait_for("both there", |m| m.len() == 2 && m.iter().all(|m| m["connected"] == true));
    let status = late.socket.status();
    assert_eq!(
        (&status["state"], &status["reason"]),
        (&"unlicensed".into(), &"not-activated".into())
    );
}

#[test]
fn the_doctor_of_a_member_tries_its_controller() {
    let mut environment = Environment::new();
    let (member, _runs) = environment.member();
    let settings = member.path("entitled.toml").display().to_string();
    let found = || {
        let done = member.ctl.run(&["doctor", "--config", &settings, "--json"]);
        let findings: Vec<Value> = serde_json::from_str(&done.out).unwrap();
        let of_controller = findings.into_iter().find(|found| found["code"] == "controller");
        let found = of_controller.expect("the controller was not tried");
        (found["result"].as_str().unwrap().to_owned(), found["message"].to_string(), done.code)
    };
    let (result, message, code) = found();
    assert_eq!((result.as_str(), code), ("ok", 0), "{message}");
    assert!(message.contains("takes this member"), "{message}");
    let id = between(&member.events(), "member-joined: as ", " through").to_owned();
    environment.controller.ctl.out(&["member", "remove", &id]);
    let (result, message, code) = found();
    assert_eq!((result.as_str(), code), ("failed", 1), "{message}");
    assert!(message.contains("member-removed"), "{message}");
    environment.daemon.take().unwrap().kill();
    let (result, message, _) = found();
    assert!(result == "failed" && message.contains("can't be reached"), "{message}");
}

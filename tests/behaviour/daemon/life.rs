//! What comes over a controller: renewals, revocations, a portal that is gone, `kill -9`.

use super::conditions;
use crate::stage::{Controller, PATIENCE, Running, Server, Vendor};
use entitled::codes::ActivationCode;
use serde_json::Value;
use std::os::unix::net::UnixDatagram;

/// A vendor with one subscription, and a controller that is activated.
struct Site {
    vendor: Vendor,
    server: Server,
    id: String,
    code: ActivationCode,
    controller: Controller,
    daemon: Running,
}

impl Site {
    fn new() -> Self {
        let vendor = Vendor::new();
        let server = vendor.serve();
        let (id, code) = vendor.sell();
        let controller = Controller::new(&vendor, &server);
        let daemon = controller.start();
        let done = controller.ctl.run_with(&["activate"], &code.expose());
        assert_eq!(done.code, 0, "{done:?}");
        Self { vendor, server, id, code, controller, daemon }
    }

    fn status(&self) -> Value {
        self.controller.socket.status()
    }

    fn generation(&self) -> u64 {
        self.status()["generation"].as_u64().unwrap()
    }
}

#[test]
fn the_service_manager_is_told_at_the_first_start_and_at_each_later_one() {
    let vendor = Vendor::new();
    let controller = Controller::new(&vendor, &vendor.serve());
    let manager = UnixDatagram::bind(controller.path("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    for start in ["first", "second"] {
        let mut command = controller.command();
        command.env("NOTIFY_SOCKET", controller.path("notify"));
        let daemon = controller.start_with(command);
        let mut told = [0; 4096];
        let mut ready = || {
            let length = manager.recv(&mut told).unwrap_or_else(|error| panic!("{start}: {error}"));
            std::str::from_utf8(&told[..length]).unwrap().lines().any(|line| line == "READY=1")
        };
        while !ready() {}
        daemon.stop();
    }
}

#[test]
fn a_renewal_is_seen_after_a_refresh() {
    let site = Site::new();
    let before = site.status();
    let renewal = ["--ends-at", "2199-01-01", "--feature", "sso", "--limit", "users=7:hard"];
    site.vendor.json(&[&["subscription", "set", &site.id], renewal.as_slice()].concat());
    assert_eq!(site.status(), before, "nothing is known of it before it is asked for");
    let told = site.controller.ctl.out(&["refresh"]);
    assert!(told.starts_with("installed license sequence 2"), "{told}");
    let status = site.status();
    assert_eq!(status["license"]["ends_at"], "2199-01-01T00:00:00Z");
    assert_eq!(status["license"]["sequence"], 2);
    assert_eq!(status["features"]["sso"], true);
    assert_eq!(status["limits"]["users"]["enforcement"], "hard");
    assert_eq!(status["serial_number"], before["serial_number"]);
    assert_eq!(status["license"]["activation_code"], site.code.masked(), "it never changes");
    assert!(status["generation"].as_u64() > before["generation"].as_u64());
}

#[test]
fn a_revocation_restricts_and_a_resumption_cures() {
    let site = Site::new();
    site.vendor.json(&["subscription", "revoke", &site.id, "--reason", "chargeback 17"]);
    let told = site.controller.ctl.out(&["refresh"]);
    assert!(told.contains("chargeback 17"), "{told}");
    let status = site.status();
    assert_eq!((&status["state"], &status["entitled"]), (&"restricted".into(), &false.into()));
    assert!(status["message"].as_str().unwrap().contains("chargeback 17"), "{status:#}");
    assert_eq!(site.controller.ctl.run(&["check"]).code, 2);
    let events = site.controller.events();
    assert!(events.iter().any(|event| event.starts_with("revoked: ")), "{events:?}");

    // Neither a restart nor the license carried by hand brings it back; the portal does.
    let raw = site.controller.ctl.out(&["license", "show", "--raw"]);
    site.daemon.stop();
    let _daemon = site.controller.start();
    assert_eq!(site.controller.socket.status()["state"], "restricted");
    let done = site.controller.ctl.run_with(&["license", "install", "-"], &raw);
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(site.controller.socket.status()["state"], "restricted");
    site.vendor.json(&["subscription", "resume", &site.id]);
    site.controller.ctl.out(&["refresh"]);
    assert_eq!(site.controller.socket.status()["state"], "active");
}

#[test]
fn a_released_controller_frees_its_slot_and_may_come_back() {
    let site = Site::new();
    let serial = site.status()["serial_number"].clone();
    site.controller.ctl.out(&["release"]);
    assert_eq!(site.status()["state"], "unlicensed");
    assert_eq!(site.status()["serial_number"], serial);
    let other = Controller::with(&site.vendor, &site.server, "[identity]\noverride = 'other'\n");
    let _other = other.start();
    assert_eq!(other.ctl.run_with(&["activate"], &site.code.expose()).code, 0);
    other.ctl.out(&["release"]);
    let done = site.controller.ctl.run_with(&["activate"], &site.code.expose());
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(site.status()["state"], "active");
}

#[test]
fn a_portal_that_is_gone_takes_nothing_away() {
    let mut site = Site::new();
    let before = site.status();
    let address = site.server.url.strip_prefix("http://").unwrap().to_owned();
    site.server.kill();
    let done = site.controller.ctl.run(&["refresh", "--json"]);
    assert_eq!(done.code, 1, "{done:?}");
    let error: Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(error["code"], "portal-unreachable");
    let told = error["detail"].as_str().unwrap();
    assert!(told.contains(&address) && told.contains("refused"), "{told}");
    let status = site.status();
    assert_eq!(conditions(&status), ["IdentityOverride", "PortalUnreachable"]);
    assert_eq!(status["upstream"]["reachable"], false);
    for member in ["state", "entitled", "license", "features", "since"] {
        assert_eq!(status[member], before[member], "{member}");
    }
    let check = site.controller.ctl.run(&["check"]);
    assert_eq!(check.code, 1, "{check:?}");
    assert!(check.out.contains("PortalUnreachable"), "{check:?}");
    assert!(site.controller.ctl.out(&["status"]).contains("can't be reached"));

    // Neither does a restart without it.
    site.daemon.stop();
    site.daemon = site.controller.start();
    assert_eq!(site.controller.socket.status()["state"], "active");
    site.server = site.vendor.serve_on(&address);
    site.controller.ctl.out(&["refresh"]);
    let status = site.controller.socket.status();
    assert_eq!(conditions(&status), ["IdentityOverride"]);
    assert_eq!(status["upstream"]["reachable"], true);
}

#[test]
fn an_activation_that_could_not_be_sent_is_sent_later() {
    let vendor = Vendor::new();
    let mut server = vendor.serve();
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    server.kill();
    let done = controller.ctl.run_with(&["activate"], &code.expose());
    done.failed(1, "can't be reached");
    assert_eq!(controller.socket.status()["state"], "unlicensed");
    daemon.kill();
    let _server = vendor.serve_on(&address);
    // Somebody waits for it: it is sent at the start, and nobody types the code again.
    let _daemon = controller.start();
    controller.socket.wait_for("active", |status| status["state"] == "active");
    let requests = controller.events().iter().filter(|e| e.starts_with("requested:")).count();
    assert_eq!(requests, 1, "the same request");
}

#[test]
fn kill_9_loses_nothing() {
    let mut site = Site::new();
    site.vendor.json(&["subscription", "set", &site.id, "--feature", "sso"]);
    site.controller.ctl.out(&["refresh"]);
    let before = site.status();
    let chain = site.controller.events();
    for _ in 0..3 {
        site.daemon.kill();
        site.daemon = site.controller.start();
        let after = site.status();
        assert_eq!(after["generation"], before["generation"], "nothing changed");
        for member in ["license", "serial_number", "environment", "state", "since", "conditions"] {
            assert_eq!(after[member], before[member], "{member}");
        }
    }
    assert_eq!(site.controller.events(), chain);
    // The chain of requests holds: the portal sees one controller and no copy.
    let told = site.controller.ctl.out(&["refresh"]);
    assert!(told.starts_with("the license is the newest"), "{told}");
    let generation = site.generation();
    site.vendor.json(&["subscription", "set", &site.id, "--feature", "more"]);
    site.controller.ctl.out(&["refresh"]);
    assert!(site.generation() > generation, "a change has a higher generation");
    let environments = site.vendor.json(&["environment", "list"]);
    assert_eq!(environments.as_array().unwrap().len(), 1);
}

#[test]
fn a_command_right_after_the_start_waits_for_the_hardware() {
    let mut site = Site::new();
    for _ in 0..5 {
        site.daemon.stop();
        site.daemon = Running::start(site.controller.command());
        site.daemon.await_line("the agent runs");
        let done = site.controller.ctl.run(&["refresh"]);
        assert_eq!(done.code, 0, "{done:?}");
    }
}

#[test]
fn answers_that_no_portal_gives_change_nothing() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let answers = [
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ngarbage",
            "HTTP/1.1 302 Found\r\nlocation: http://example.com/\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "no http at all",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx",
        ];
        for (stream, answer) in listener.incoming().zip(answers) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 16_384]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let controller = Controller::new(&vendor, &server);
    let settings = std::fs::read_to_string(controller.settings()).unwrap();
    controller.write("entitled.toml", &settings.replace(&server.url, &elsewhere));
    let daemon = controller.start();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 1);
    for _ in 0..4 {
        let done = controller.ctl.run(&["refresh"]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains(&elsewhere), "{done:?}");
        assert_eq!(controller.socket.status()["state"], "unlicensed");
    }
    daemon.stop();
    controller.write("entitled.toml", &settings);
    let _daemon = controller.start();
    controller.socket.wait_for("active", |status| status["state"] == "active");
}

/// Before a license is installed too: nobody could install one in a service that the service manager takes for failed.
#[test]
fn the_service_manager_is_told_of_every_start() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let controller = Controller::new(&vendor, &server);
    let told = UnixDatagram::bind(controller.path("notify")).unwrap();
    told.set_nonblocking(true).unwrap();
    for start in ["the first", "the second"] {
        let mut command = controller.command();
        command.env("NOTIFY_SOCKET", controller.path("notify"));
        // It answers when this returns; what it told before that lies in the socket.
        drop(controller.start_with(command));
        let mut message = [0; 4_096];
        let messages = std::iter::from_fn(|| {
            let length = told.recv(&mut message).ok()?;
            Some(String::from_utf8_lossy(&message[..length]).into_owned())
        });
        let messages: Vec<_> = messages.collect();
        let ready = messages.iter().any(|m| m.lines().any(|line| line == "READY=1"));
        assert!(ready, "{start}: {messages:?}");
    }
}

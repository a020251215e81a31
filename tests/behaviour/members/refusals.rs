//! Bad input on the members' port: refused cheaply, counted, and logged once.

use super::Environment;
use crate::stage::{Client, Member};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

impl Environment {
    /// How often a cause was counted.
    fn refused(&self, cause: &str) -> u64 {
        let metrics = self.controller.socket.get("/metrics").body;
        let line = format!("entitled_member_refusals_total{{cause=\"{cause}\"}} ");
        let line = metrics.lines().find_map(|text| text.strip_prefix(&line).map(str::to_owned));
        line.map_or(0, |count| count.parse().unwrap())
    }
}

#[test]
fn who_has_no_certificate_of_the_environment_hears_nothing() {
    let environment = Environment::new();
    let (member, _runs) = environment.member();
    let stranger = Client::stranger(&member, &environment.address);
    for path in ["/v1/statement", "/v1/watch"] {
        let (status, body) = stranger.get(path);
        assert_eq!((status, body.contains("member-certificate-required")), (401, true), "{body}");
    }
    for path in ["/v1/report", "/v1/renew", "/v1/present"] {
        assert_eq!(stranger.post(path, "{}".to_owned()).unwrap().0, 401, "{path}");
    }
    assert_eq!(environment.refused("member-certificate-required"), 5);

    // A member of another environment, which knows where this one is.
    let other = Environment::new();
    let (foreign, _foreign_runs) = other.member();
    let foreign = Client::with(&member.identity(), Some(&foreign.identity()), &environment.address);
    for _ in 0..20 {
        foreign.try_get("/v1/statement").unwrap_err();
    }
    assert_eq!(environment.refused("foreign-certificate"), 20);
    let said = environment.stop();
    assert_eq!(said.matches("cause=foreign-certificate").count(), 1, "{said}");
    assert_eq!(said.matches("cause=member-certificate-required").count(), 1, "{said}");
}

#[test]
fn a_token_is_good_for_what_it_was_made_for_and_no_more() {
    let environment = Environment::new();
    let ctl = &environment.controller.ctl;
    let join = |token: &str| {
        let member = Member::new(&environment.vendor, "");
        let running = member.start();
        let done = member.ctl.run_with(&["join", &environment.address, "--json"], token);
        drop(running.stop());
        (done.code, done.err)
    };
    let refused = |token: &str, code: &str| {
        let (exit, told) = join(token);
        assert!(exit == 1 && told.contains(&format!("\"code\":\"{code}\"")), "{exit} {told}");
        assert!(!told.contains(token.trim()) || token.trim().len() < 20, "{told}");
    };
    let once = ctl.out(&["member", "token"]);
    assert_eq!(join(&once).0, 0);
    refused(&once, "token-used-up");
    refused(&ctl.out(&["member", "token", "--from", "192.0.2.0/24"]), "token-address");
    let mut altered = once.trim().to_owned();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    refused(&altered, "token-altered");
    refused("something else", "token-form");
    refused("", "token-form");
    let other = Environment::new();
    refused(&other.controller.ctl.out(&["member", "token"]), "controller-impostor");
    assert_eq!(environment.members().len(), 1);
    let stored = std::fs::read(environment.controller.path("state/entitled.db")).unwrap();
    let secret = &once.trim()["entitled-join-".len() + 12..][..30];
    assert!(!stored.windows(secret.len()).any(|part| part == secret.as_bytes()));
    let said = environment.stop();
    assert!(!said.contains(once.trim()) && !said.contains(secret), "{said}");
}

#[test]
fn garbage_and_floods_harm_nobody() {
    let environment = Environment::new();
    let (member, _runs) = environment.member();
    let client = Client::of(&member, &environment.address);
    let stranger = Client::stranger(&member, &environment.address);
    let large = "a".repeat(10 << 20);
    for client in [&client, &stranger] {
        // Refused while it is still being sent: the answer may be lost with the connection.
        if let Ok((status, _)) = client.post("/v1/join", large.clone()) {
            assert_eq!(status, 413);
        }
    }
    assert_eq!(client.post("/v1/present", "nonsense".to_owned()).unwrap().0, 422);
    for body in ["", "{", "[]", "{\"token_id\":1}"] {
        let (status, answer) = stranger.post("/v1/join", body.to_owned()).unwrap();
        assert!((400..423).contains(&status) && answer.contains("bad-body"), "{answer}");
    }
    let unknown =
        json!({ "token_id": "x", "token_secret": "y", "signing_request": "z", "name": "" });
    let (status, answer) = stranger.post("/v1/join", unknown.to_string()).unwrap();
    assert_eq!((status, answer.contains("token-unknown")), (403, true), "{answer}");

    // A thousand that never finish their handshake, and some that speak something else.
    let address = &environment.address;
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut rude = TcpStream::connect(address).unwrap();
    let _ = rude.write_all(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.get("/v1/statement").0, 200);
    environment.renew();
    member.socket.wait_for("renewed", |status| status["license"]["edition"] == "ultimate");
    drop(silent);
    let mut rest = Vec::new();
    let _ = rude.read_to_end(&mut rest);
    assert!(
        environment.refused("handshake-unfinished") + environment.refused("handshake-failed") > 0
    );
    let said = environment.stop();
    assert!(said.matches("a member was refused").count() < 12, "{said}");
}

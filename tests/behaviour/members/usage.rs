//! Usage of a whole environment: counted on every server, known on every server, checked on every server.

use super::Environment;
use crate::stage::{Answer, Controller, Ctl, Member, PATIENCE, Socket};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Instant;

/// Reports on the usage socket beside a server's.
fn report(socket: &Socket, path: &str, body: &Value) -> Answer {
    let usage = socket.beside("usage.sock");
    usage.send(&Method::PUT, &format!("/v1/usage/{path}"), |request| request.json(body))
}

fn gauge(socket: &Socket, limit: &str, reporter: &str, value: u64) {
    let body = json!({ "reporter": reporter, "value": value, "ttl_seconds": 600 });
    let answer = report(socket, limit, &body);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Users are counted as soon as a member has the key.
fn users(socket: &Socket, names: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    let body = json!({ "users": names, "ttl_seconds": 600 });
    loop {
        let answer = report(socket, "users/users", &body);
        if answer.status == 200 {
            return;
        }
        answer.problem(503, "usage-key-missing");
        assert!(Instant::now() < deadline, "never told the key");
    }
}

fn check(socket: &Socket, limit: &str, amount: u64) -> Value {
    socket.json(&format!("/v1/limits/{limit}/check?amount={amount}"))
}

/// Waits until a server answers a check so.
fn wait_for(
    socket: &Socket,
    limit: &str,
    amount: u64,
    what: &str,
    is: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = check(socket, limit, amount);
        if is(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "never {what}: {answer:#}");
        std::thread::yield_now();
    }
}

fn used_everywhere(servers: &[&Socket], limit: &str, used: u64) {
    for socket in servers {
        wait_for(socket, limit, 1, "told", |answer| {
            answer["used"] == used && answer["fresh"] == true
        });
        let deadline = Instant::now() + PATIENCE;
        while socket.status()["limits"][limit]["used"] != used {
            assert!(Instant::now() < deadline, "{:#}", socket.status());
        }
    }
}

/// A soft and a hard limit.
fn with_limits(environment: &Environment) {
    let subscription = &environment.subscription;
    let limits = ["--limit", "users=1000", "--limit", "projects=50:hard"];
    environment.vendor.json(&[&["subscription", "set", subscription], &limits[..]].concat());
    environment.controller.ctl.out(&["refresh"]);
}

#[test]
fn what_one_server_uses_every_server_knows_and_a_hard_limit_refuses_everywhere() {
    let mut environment = Environment::new();
    with_limits(&environment);
    let (one, _one_runs) = environment.member();
    let (other, _other_runs) = environment.member();
    let controller = environment.controller.socket.clone();
    let servers = [&controller, &one.socket, &other.socket];
    for socket in servers {
        socket.wait_for("limited", |status| status["limits"]["projects"]["enforcement"] == "hard");
    }

    gauge(&one.socket, "projects", "app", 20);
    gauge(&other.socket, "projects", "app", 15);
    gauge(&controller, "projects", "app", 10);
    used_everywhere(&servers, "projects", 45);
    for socket in servers {
        let near = socket.wait_for("near", |s| s["conditions"].to_string().contains("LimitNear"));
        assert!(near["conditions"].to_string().contains("Over90Percent"), "{near:#}");
        let answer = check(socket, "projects", 6);
        assert_eq!(
            (&answer["allowed"], &answer["reason"]),
            (&false.into(), &"over-hard-limit".into())
        );
        assert_eq!(check(socket, "projects", 5)["allowed"], true, "{answer:#}");
        // Each of two others may have gone by figures of the last minute.
        let at_most = answer["overshoot"]["at_most"].as_u64().unwrap();
        assert!((10..=100).contains(&at_most), "{answer:#}");
    }
    let answer = check(&one.socket, "nothing-of-that-name", 1);
    assert_eq!((&answer["known"], &answer["allowed"]), (&false.into(), &true.into()));
    assert_eq!(one.ctl.run(&["usage", "check", "projects", "6"]).code, 4);
    assert_eq!(one.ctl.run(&["check"]).code, 1);

    // One user on two servers is one, and no name of one is kept.
    users(&one.socket, &["ada@example.org", "bob"]);
    users(&other.socket, &["ada@example.org"]);
    users(&controller, &["ada@example.org", "eve"]);
    used_everywhere(&servers, "users", 3);
    let overview = environment.controller.ctl.json(&["usage"]);
    let of = |name: &str| {
        overview["limits"].as_array().unwrap().iter().find(|l| l["name"] == name).unwrap().clone()
    };
    assert_eq!(of("users")["distinct_users"], 3);
    assert_eq!(of("projects")["by_server"].as_array().unwrap().len(), 3, "{overview:#}");
    assert!(environment.controller.ctl.out(&["usage"]).contains("45"));
    for folder in [environment.controller.path("state"), one.path("state"), other.path("state")] {
        for file in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(11).any(|part| part == b"example.org"));
        }
    }

    // A member that is removed takes its part along.
    let id = overview["limits"][0]["by_server"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|s| s["member"].as_str())
        .unwrap()
        .to_owned();
    environment.controller.ctl.out(&["member", "remove", &id]);
    let left = wait_for(&controller, "projects", 1, "removed", |answer| answer["used"] != 45);
    assert!([25, 30].contains(&left["used"].as_u64().unwrap()), "{left:#}");
    assert!(!environment.daemon.take().unwrap().stop().contains("ada@"));
}

#[test]
fn without_the_controller_a_check_allows_and_says_so_and_the_sums_come_back_with_it() {
    let mut environment = Environment::new();
    with_limits(&environment);
    let (one, _one_runs) = environment.member();
    let (other, _other_runs) = environment.member();
    for socket in [&one.socket, &other.socket] {
        socket.wait_for("limited", |status| status["limits"]["projects"]["enforcement"] == "hard");
    }
    gauge(&one.socket, "projects", "app", 30);
    gauge(&other.socket, "projects", "app", 20);
    let full = wait_for(&one.socket, "projects", 1, "full", |answer| {
        answer["used"] == 50 && answer["fresh"] == true
    });
    assert_eq!(full["allowed"], false);

    environment.daemon.take().unwrap().kill();
    let answer = wait_for(&one.socket, "projects", 1, "stale", |answer| answer["fresh"] == false);
    assert_eq!((&answer["allowed"], &answer["reason"]), (&true.into(), &"figures-stale".into()));
    assert_eq!((&answer["used"], &answer["overshoot"]["at_most"]), (&50.into(), &Value::Null));
    assert!(answer["message"].as_str().unwrap().contains("without fresh figures"), "{answer:#}");

    environment.start();
    for socket in [&environment.controller.socket, &one.socket, &other.socket] {
        let back =
            wait_for(socket, "projects", 1, "back", |a| a["fresh"] == true && a["used"] == 50);
        assert_eq!(back["allowed"], false, "{back:#}");
    }
}

#[test]
fn what_is_not_repeated_ends_on_every_server() {
    let environment = Environment::new();
    with_limits(&environment);
    let (one, _one_runs) = environment.member();
    let body = json!({ "reporter": "app", "value": 900, "ttl_seconds": 3 });
    assert_eq!(report(&one.socket, "users", &body).status, 200);
    wait_for(&environment.controller.socket, "users", 1, "told", |answer| answer["used"] == 900);
    for socket in [&environment.controller.socket, &one.socket] {
        wait_for(socket, "users", 1, "forgotten", |answer| answer["used"].is_null());
    }
    report(&one.socket, "seats", &body).problem(404, "no-such-limit");
}

#[test]
fn the_portal_is_told_no_sum_while_a_server_is_away() {
    let mut environment = Environment::new();
    with_limits(&environment);
    environment.daemon.take().unwrap().stop();
    let settings = std::fs::read_to_string(environment.controller.settings()).unwrap();
    let telling = format!("{settings}[usage]\nreport_to_portal = true\n");
    environment.controller.write("entitled.toml", &telling);
    environment.start();
    let (one, one_runs) = environment.member();
    gauge(&environment.controller.socket, "projects", "app", 10);
    gauge(&one.socket, "projects", "app", 20);
    let overview = |what: &str, is: &dyn Fn(&Value) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let overview = environment.controller.ctl.json(&["usage"]);
            if is(&overview) {
                return;
            }
            assert!(Instant::now() < deadline, "never {what}: {overview:#}");
        }
    };
    overview("summed", &|all| all["fresh"] == true && all["limits"][0]["used"] == 30);
    let told = || {
        environment.controller.ctl.out(&["refresh"]);
        let shown = environment.vendor.json(&["subscription", "show", &environment.subscription]);
        let told = &shown["usage"]["limits"][0]["environments"][0];
        (told["used"].clone(), told["peak"].clone())
    };
    assert_eq!(told(), (30.into(), 30.into()));
    one_runs.kill();
    overview("missed", &|all| all["away"] == 1);
    assert_eq!(told(), (Value::Null, 30.into()));
}

/// A reader that is not ours, as `PyJWT` is another: by the key that the license names.
fn read_by_another(page: &str, license: &Value) -> Value {
    let (_, signed) = page.split_once("-----BEGIN ENTITLED USAGE REPORT-----").unwrap();
    let (signed, _) = signed.split_once("-----END").unwrap();
    let signed: String = signed.split_whitespace().collect();
    let key = license["claims"]["cnf"]["jwk"]["x"].as_str().unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["example-product"]);
    validation.set_required_spec_claims(&["aud", "iat", "iss"]);
    validation.validate_exp = false;
    let key = DecodingKey::from_ed_components(key).unwrap();
    let read = jsonwebtoken::decode::<Value>(&signed, &key, &validation).unwrap();
    assert_eq!(read.header.typ.as_deref(), Some("entitled-usage+jwt"));
    read.claims
}

#[test]
fn the_usage_report_is_read_by_people_and_verified_by_others() {
    let environment = Environment::new();
    with_limits(&environment);
    let (one, _one_runs) = environment.member();
    gauge(&environment.controller.socket, "users", "app", 700);
    users(&one.socket, &["ada@example.org"]);
    wait_for(&environment.controller.socket, "users", 1, "told", |answer| answer["used"] == 701);
    gauge(&environment.controller.socket, "users", "app", 2);
    let ctl = &environment.controller.ctl;
    let page = ctl.out(&["usage", "report"]);
    assert!(page.contains("701") && page.contains("users (soft)"), "{page}");
    assert!(!page.contains("ada@"), "{page}");
    let claims = read_by_another(&page, &environment.controller.socket.json("/v1/license"));
    assert_eq!(
        (&claims["peaks"][0]["name"], &claims["peaks"][0]["peak"]),
        (&"users".into(), &701.into())
    );
    assert_eq!(claims["peaks"][0]["limit"], 1000);

    let file = environment.controller.write("report.txt", &page);
    let roots = environment.vendor.path("roots.jwks").display().to_string();
    let verify = |file: &str| Ctl::alone().run(&["usage", "verify", file, "--roots", &roots]);
    let done = verify(&file.display().to_string());
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("verified: signed by the key of license"), "{done:?}");
    let forged = environment.controller.write("forged.txt", &page.replacen("701", "101", 1));
    verify(&forged.display().to_string()).failed(1, "the page says something else");
    one.ctl.run(&["usage", "report"]).failed(1, "do this there");
    let none = Controller::new(&environment.vendor, &environment.server);
    let _none_runs = none.start();
    none.ctl.run(&["usage", "report"]).failed(1, "there is none");
    // The peak outlives the controller's end.
    let mut environment = environment;
    environment.daemon.take().unwrap().stop();
    environment.start();
    assert!(environment.controller.ctl.out(&["usage", "report"]).contains("701"));
}

#[test]
fn the_command_line_reports_as_a_program_does() {
    let environment = Environment::new();
    with_limits(&environment);
    let ctl = &environment.controller.ctl;
    ctl.out(&["usage", "set", "users", "7", "--reporter", "cron", "--ttl", "1h"]);
    let done = ctl.run_with(&["usage", "users", "users"], "ada\nbob\n\nada\n");
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(environment.controller.socket.status()["limits"]["users"]["used"], 9);
    let done = ctl.run_with(&["usage", "users", "users", "--left"], "bob\n");
    assert_eq!(done.code, 0, "{done:?}");
    let answer = ctl.json(&["usage", "check", "users", "992"]);
    assert_eq!(
        (&answer["used"], &answer["allowed"], &answer["reason"]),
        (&8.into(), &true.into(), &"within".into())
    );
    let answer = ctl.json(&["usage", "check", "users", "993"]);
    assert_eq!((&answer["allowed"], &answer["reason"]), (&true.into(), &"over-soft-limit".into()));
    ctl.run(&["usage", "set", "seats", "7"]).failed(1, "names no limit");
    let unjoined = Member::new(&environment.vendor, "");
    let _runs = unjoined.start();
    unjoined.ctl.run(&["usage", "set", "users", "7"]).failed(1, "names no limit");
}

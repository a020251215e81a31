//! What programs are told on `entitled.sock`, and what the other sockets take.

mod description;
mod license;
mod metrics;
mod watching;

use crate::stage::{Dev, Socket};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fmt::Write,
    os::unix::fs::{FileTypeExt, PermissionsExt},
};

/// The members of a JSON document with the kinds of their values, one a line.
fn shape(value: &Value, path: &str, page: &mut String) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                shape(item, &format!("{path}[{i}]"), page);
            }
            return;
        }
        Value::Object(members) => {
            for (name, value) in members {
                shape(value, &format!("{path}.{name}"), page);
            }
            return;
        }
    };
    writeln!(page, "{path}: {kind}").unwrap();
}

#[test]
fn the_status_has_the_documented_members_and_no_other() {
    let dev = Dev::start();
    let mut status = dev.socket.status();
    // Whether this machine needs an override is another matter.
    status["conditions"] = json!([]);
    let mut page = String::new();
    shape(&status, "", &mut page);
    insta::assert_snapshot!(page, @r"
    .entitled: true or false
    .environment.id: text
    .environment.name: text
    .environment.purpose: text
    .features.projects: number
    .features.reports: true or false
    .features.single-sign-on: true or false
    .generation: number
    .hardware.score: number
    .hardware.verdict: text
    .license.activation_code: text
    .license.days_left: number
    .license.edition: text
    .license.ends_at: text
    .license.grace_ends_at: text
    .license.id: text
    .license.issued_at: text
    .license.sequence: number
    .license.source: text
    .license.starts_at: text
    .license.subscription_id: text
    .license.support_level: text
    .license.trial: true or false
    .limits.servers.enforcement: text
    .limits.servers.limit: number
    .limits.servers.state: text
    .limits.servers.used: null
    .limits.storage-gib.enforcement: text
    .limits.storage-gib.limit: null
    .limits.storage-gib.state: text
    .limits.storage-gib.used: null
    .limits.users.enforcement: text
    .limits.users.limit: number
    .limits.users.state: text
    .limits.users.used: null
    .message: text
    .reason: text
    .role: text
    .serial_number: text
    .since: text
    .state: text
    .upstream.kind: text
    .upstream.last_contact: text
    .upstream.next_refresh: text
    .upstream.reachable: true or false
    .upstream.url: text
    ");
    let values =
        |paths: &[&str]| paths.iter().map(|p| status.pointer(p).unwrap().clone()).collect();
    let told: Vec<Value> = values(&[
        "/role",
        "/state",
        "/entitled",
        "/reason",
        "/environment/purpose",
        "/license/source",
        "/upstream/kind",
        "/upstream/reachable",
        "/hardware/score",
    ]);
    let expected = json!([
        "controller",
        "active",
        true,
        "in-term",
        "development",
        "portal",
        "portal",
        true,
        100
    ]);
    assert_eq!(Value::from(told), expected);
    assert_eq!(status["upstream"]["url"], dev.portal());
}

#[test]
fn what_there_is_not_is_null() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::of(folder, &["--scenario", "unlicensed"]);
    let status = dev.socket.status();
    assert_eq!((&status["license"], &status["environment"]), (&Value::Null, &Value::Null));
    assert_eq!((&status["features"], &status["limits"]), (&json!({}), &json!({})));
    assert!(status["message"].as_str().unwrap().contains("entitlectl activate"), "{status:#}");
    let detail = dev.socket.get("/v1/license").problem(404, "no-license");
    assert!(detail.contains("entitlectl activate"), "{detail}");
    assert_eq!(dev.socket.get("/readyz").body, "ok\n", "the license is not its health");
    assert_eq!(dev.ctl.run(&["check"]).code, 2);
}

#[test]
fn features_and_limits_are_told_apart_from_unknown_ones() {
    let dev = Dev::start();
    let socket = &dev.socket;
    let features = json!({ "projects": 50, "reports": true, "single-sign-on": true });
    assert_eq!(socket.json("/v1/features"), features);
    let generation = &socket.status()["generation"];
    for (name, value, known) in [
        ("projects", json!(50), true),
        ("nothing", json!(false), false),
        ("a%20b", json!(false), false),
    ] {
        let expected = json!({
            "name": name.replace("%20", " "), "value": value, "known": known,
            "entitled": true, "state": "active", "generation": generation,
        });
        assert_eq!(socket.json(&format!("/v1/features/{name}")), expected);
    }
    let hard = json!({ "limit": 8, "enforcement": "hard", "used": null, "state": "unreported" });
    assert_eq!(socket.json("/v1/limits")["servers"], hard);
    let mut named = hard;
    named["name"] = json!("servers");
    named["known"] = json!(true);
    assert_eq!(socket.json("/v1/limits/servers"), named);
    let unlimited = socket.json("/v1/limits/storage-gib");
    assert_eq!((&unlimited["known"], &unlimited["limit"]), (&json!(true), &Value::Null));
    let unknown = json!({
        "name": "seats", "known": false, "limit": null, "enforcement": null, "used": null, "state": null,
    });
    assert_eq!(socket.json("/v1/limits/seats"), unknown);
}

#[test]
fn hardware_is_told_in_digests() {
    let dev = Dev::start();
    let report = dev.socket.json("/v1/hardware");
    let serial = dev.socket.json("/v1/serial");
    assert_eq!(serial, json!({ "serial_number": dev.socket.status()["serial_number"] }));
    assert_eq!(report["serial_number"], serial["serial_number"]);
    let facts = report["facts"].as_array().unwrap();
    for digest in facts.iter().filter_map(|fact| fact["digest"].as_str()) {
        let is_hex = digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_hex, "{digest}");
    }
    // The machine-id is read on every Linux machine, and told to nobody.
    if let Ok(id) = std::fs::read_to_string("/etc/machine-id") {
        assert!(id.trim().is_empty() || !report.to_string().contains(id.trim()));
    }
}

#[test]
fn what_is_not_there_and_what_can_not_be_used_are_problem_documents() {
    let dev = Dev::start();
    let socket = &dev.socket;
    let detail = socket.get("/v1/nothing").problem(404, "no-such-route");
    assert!(detail.contains("/v1/openapi.json"), "{detail}");
    let post = socket.send(&Method::POST, "/v1/status", |request| request);
    assert!(post.problem(405, "method-not-allowed").contains("POST"));
    for path in
        ["/v1/status?after=x", "/v1/status?after=1&wait=soon", "/v1/features/%ff", "/v1/limits/%ff"]
    {
        socket.get(path).problem(400, "bad-parameter");
    }
    let admin = socket.beside("admin.sock");
    admin.get("/v1/events?limit=many").problem(400, "bad-parameter");
    let sent = |path, body: &'static str| {
        let json = ("content-type", "application/json");
        admin.send(&Method::POST, path, |r| r.header(json.0, json.1).body(body))
    };
    for body in ["", "{", "[]", "{\"activation_code\":3}", "{\"code\":\"x\"}"] {
        let answer = sent("/v1/activate", body);
        let status = answer.status;
        assert!(matches!(status, 400 | 422), "{answer:?}");
        answer.problem(status, "bad-body");
    }
}

#[test]
fn the_read_only_socket_takes_no_change() {
    let dev = Dev::start();
    let openapi = dev.socket.json("/v1/openapi.json");
    let before = (dev.socket.status(), dev.ctl.json(&["events"]));
    let mut tried = 0;
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        let path = path.replace("{limit}", "users");
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "get") {
            let method: Method = method.to_uppercase().parse().unwrap();
            for socket in [&dev.socket, &dev.socket.beside("usage.sock")] {
                let takes = path.starts_with("/v1/usage/") && socket.path.ends_with("usage.sock");
                if !takes {
                    let answer = socket.send(&method, &path, |request| request.body("{}"));
                    answer.problem(404, "no-such-route");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 9, "{tried}");
    dev.socket.get("/v1/events").problem(404, "no-such-route");
    assert_eq!((dev.socket.status(), dev.ctl.json(&["events"])), before);
}

#[test]
fn usage_is_summed_over_reporters_and_stands_in_the_status() {
    let dev = Dev::start();
    let usage = dev.socket.beside("usage.sock");
    let report = |limit: &str, body: Value| {
        usage.send(&Method::PUT, &format!("/v1/usage/{limit}"), |request| request.json(&body))
    };
    for (reporter, value) in [("a", 500), ("b", 312), ("a", 400)] {
        let answer = report("users", json!({ "reporter": reporter, "value": value }));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let users = json!({ "limit": 1000, "enforcement": "soft", "used": 712, "state": "within" });
    assert_eq!(dev.socket.status()["limits"]["users"], users);
    assert_eq!(dev.socket.json("/v1/limits/users")["used"], 712);
    assert!(dev.ctl.out(&["check"]).contains("'users'=712;1000;;0"));
    for (value, state) in [(600, "reached"), (601, "exceeded"), (400, "near"), (0, "within")] {
        let answer = report("users", json!({ "reporter": "a", "value": value + 88 }));
        assert_eq!(answer.json()["status"]["limits"]["users"]["state"], state, "{answer:?}");
    }
    report("seats", json!({ "reporter": "a", "value": 1 })).problem(404, "no-such-limit");
    report("users", json!({ "reporter": "", "value": 1 })).problem(400, "bad-reporter");
    report("users", json!({ "reporter": "a", "value": -1 })).problem(422, "bad-body");
    report("users", json!({ "reporter": "a" })).problem(422, "bad-body");
}

#[test]
fn usage_that_is_not_reported_again_counts_no_more() {
    let dev = Dev::start();
    let body = json!({ "reporter": "a", "value": 1200, "ttl_seconds": 1 });
    let usage = dev.socket.beside("usage.sock");
    let answer = usage.send(&Method::PUT, "/v1/usage/users", |request| request.json(&body));
    let told = answer.json();
    let conditions = told["status"]["conditions"].as_array().unwrap();
    let exceeded = conditions.iter().find(|condition| condition["type"] == "LimitExceeded");
    let exceeded = exceeded.unwrap().as_object().unwrap();
    let members: Vec<_> = exceeded.keys().map(String::as_str).collect();
    assert_eq!(members, ["message", "reason", "since", "status", "type"]);
    assert_eq!(exceeded["status"], "True");
    let status = dev.socket.wait_for("forgotten", |s| s["limits"]["users"]["used"].is_null());
    assert!(!status["conditions"].to_string().contains("LimitExceeded"), "{status:#}");
}

#[test]
fn the_file_system_says_who_may_speak() {
    let dev = Dev::start();
    for (name, mode) in [("entitled.sock", 0o666), ("usage.sock", 0o660), ("admin.sock", 0o660)] {
        let metadata = std::fs::metadata(dev.path(name)).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    for file in ["agent/environment.key", "agent/activation-code", "agent/entitled.db", "override"]
    {
        // Where the hardware tells this machine from others there is no override.
        if let Ok(metadata) = std::fs::metadata(dev.path(file)) {
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
        }
    }
}

#[test]
fn liveness_and_readiness_are_told_on_every_socket() {
    let dev = Dev::start();
    for socket in [dev.socket.clone(), dev.socket.beside("admin.sock")] {
        for path in ["/livez", "/readyz"] {
            let answer = socket.get(path);
            assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{path}");
        }
    }
    let unknown = Socket::new(dev.path("usage.sock")).get("/v1/status");
    unknown.problem(404, "no-such-route");
}

//! Licenses carried by hand: shown, inspected, installed, refused.

use crate::stage::{Controller, Ctl, Dev, Vendor};
use serde_json::Value;
use std::fs;

/// The text with one letter near its end changed.
fn tampered(text: &str) -> String {
    let text = text.trim_end();
    let place = text.len() - 20;
    let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..place], &text[place + 1..])
}

#[test]
fn what_is_shown_raw_is_what_install_reads() {
    let dev = Dev::start();
    let raw = dev.ctl.out(&["license", "show", "--raw"]);
    let documents: Vec<_> = raw.lines().collect();
    let held = dev.socket.json("/v1/license");
    assert_eq!(documents, [held["trust"].as_str().unwrap(), held["license"].as_str().unwrap()]);
    let done = dev.ctl.run_with(&["license", "install", "-"], &raw);
    assert!(done.out.contains("held already"), "{done:?}");
    let file = dev.path("license.jwt");
    fs::write(&file, &raw).unwrap();
    let told = dev.ctl.json(&["license", "install", file.to_str().unwrap()]);
    assert_eq!(told["status"]["state"], "active");
}

#[test]
fn a_license_is_inspected_without_an_agent() {
    let dev = Dev::start();
    let raw = dev.ctl.out(&["license", "show", "--raw"]);
    let (trust, license) = raw.trim().split_once('\n').unwrap();
    let file = |name: &str, text: &str| {
        let path = dev.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (whole, alone, trust) = (file("whole", &raw), file("alone", license), file("trust", trust));
    let roots = dev.path("roots.d").to_str().unwrap().to_owned();
    let key_file = dev.path("roots.d/dev.jwks").to_str().unwrap().to_owned();
    let ctl = Ctl::alone();
    let verified = |arguments: &[&str]| {
        let documents = ctl.json(&[&["license", "inspect"], arguments].concat());
        let documents = documents.as_array().unwrap().clone();
        documents.iter().map(|document| document["verified"].clone()).collect::<Vec<_>>()
    };
    let yes = Value::from(true);
    for by in [&roots, &key_file] {
        assert_eq!(verified(&[&whole, "--roots", by]), [yes.clone(), yes.clone()]);
        assert_eq!(verified(&[&alone, "--roots", by, "--trust", &trust]), vec![yes.clone()]);
        assert_eq!(verified(&[&alone, "--roots", by]), [Value::Null], "no trust document");
    }
    assert_eq!(verified(&[&whole]), [Value::Null, Value::Null], "no root keys");
    let page = ctl.out(&["license", "inspect", &whole, "--roots", &roots]);
    assert!(page.contains("yes, up to a root key of the vendor"), "{page}");
    assert!(page.contains("Environment      Development (development)"), "{page}");

    let done = ctl.run(&["license", "inspect", &whole, "--roots", &roots, "--product", "other"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("other"), "{done:?}");
    let forged = file("forged", &tampered(&raw));
    let done = ctl.run(&["license", "inspect", &forged, "--roots", &roots]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.out.contains("NO:"), "{done:?}");
    let done = ctl.run_with(&["license", "inspect", "-", "--roots", &roots], &raw);
    assert_eq!(done.code, 0, "{done:?}");
    ctl.run(&["license", "inspect", &whole, "--roots", "/nonexistent"]).failed(1, "/nonexistent");
}

#[test]
fn a_refused_file_changes_nothing_but_the_audit() {
    let dev = Dev::start();
    let raw = dev.ctl.out(&["license", "show", "--raw"]);
    let (trust, license) = raw.trim().split_once('\n').unwrap();
    let foreign = Dev::start();
    let foreign_raw = foreign.ctl.out(&["license", "show", "--raw"]);
    let (_, foreign_license) = foreign_raw.trim().split_once('\n').unwrap();
    let before = (dev.socket.status(), dev.socket.json("/v1/license"));
    let events = dev.ctl.json(&["events"]).as_array().unwrap().len();
    let cases = [
        tampered(&raw),
        tampered(license),
        format!("{}\n{license}", tampered(trust)),
        license[..license.len() / 2].to_owned(),
        foreign_raw.clone(),
        foreign_license.to_owned(),
        trust.to_owned(),
        String::new(),
        "{\"license\": true}".to_owned(),
        "\0\u{fffd}".to_owned(),
        "a.b.c".to_owned(),
        "a".repeat(2 << 20),
    ];
    for case in &cases {
        let done = dev.ctl.run_with(&["license", "install", "-", "--json"], case);
        let error: Value = serde_json::from_str(&done.err).unwrap();
        let start: String = case.chars().take(40).collect();
        assert_eq!(done.code, 1, "{start}: {done:?}");
        assert!(error["code"].as_str().unwrap().starts_with("document-"), "{start}: {error}");
        assert!(done.err.len() < 2_000, "it repeats the file: {}", done.err.len());
    }
    assert_eq!((dev.socket.status(), dev.socket.json("/v1/license")), before);
    let after = dev.ctl.json(&["events"]);
    let after: Vec<_> = after.as_array().unwrap().iter().map(|e| e["action"].clone()).collect();
    assert!(
        after.len() > events
            && after[..after.len() - events].iter().all(|a| a == "document-refused"),
        "{after:?}"
    );
    dev.ctl.out(&["refresh"]);
}

#[test]
fn an_older_license_does_not_take_the_place_of_a_newer_one() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let _daemon = controller.start();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    let old = controller.ctl.out(&["license", "show", "--raw"]);
    vendor.json(&["subscription", "set", &id, "--feature", "sso"]);
    controller.ctl.out(&["refresh"]);
    let done = controller.ctl.run_with(&["license", "install", "-"], &old);
    done.failed(1, "sequence");
    assert_eq!(controller.socket.status()["license"]["sequence"], 2);
    assert_eq!(controller.socket.json("/v1/features/sso")["value"], true);
}

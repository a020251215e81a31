//! Activation: where the code may come from, and what is told of a wrong one.

use crate::stage::{Controller, PRODUCT, Vendor};
use entitled::codes::ActivationCode;
use serde_json::{Value, json};

/// What is activated at the portal.
fn environments(vendor: &Vendor) -> usize {
    vendor.json(&["environment", "list"]).as_array().unwrap().len()
}

#[test]
fn a_code_comes_from_standard_input_a_file_or_the_command_line() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    for (road, purpose) in [("input", "quality"), ("file", "development"), ("word", "production")] {
        let (_, code) = vendor.sell();
        let controller = Controller::new(&vendor, &server);
        let daemon = controller.start();
        let file = controller.write("code", &format!("  {}\n\n", code.expose().to_lowercase()));
        let text = code.expose().replace('.', " ");
        let (arguments, input) = match road {
            "input" => (vec![], text.as_str()),
            "file" => (vec!["--code-file", file.to_str().unwrap()], ""),
            _ => (vec![text.as_str()], ""),
        };
        let name = format!("Site of {road}");
        let more = ["--name", &name, "--purpose", purpose];
        let arguments = [&["activate"], arguments.as_slice(), &more].concat();
        let done = controller.ctl.run_with(&arguments, input);
        assert_eq!(done.code, 0, "{road}: {done:?}");
        assert!(done.out.starts_with("installed license sequence 1 of "), "{done:?}");
        let status = controller.socket.status();
        assert_eq!(status["license"]["activation_code"], code.masked());
        assert_eq!(status["environment"]["name"], name);
        assert_eq!(status["environment"]["purpose"], purpose);
        daemon.stop();
    }
    assert_eq!(environments(&vendor), 3);
}

#[test]
fn a_typing_error_is_told_before_anything_is_asked() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let _daemon = controller.start();
    let right = code.expose();
    // Of two neighbours; one swap in thirty-one makes a sound Serial Number of it, which is told as that.
    let swapped = (1..right.len() - 1)
        .map(|place| {
            let mut symbols: Vec<char> = right.chars().collect();
            symbols.swap(place, place + 1);
            symbols.into_iter().collect::<String>()
        })
        .find(|text| {
            let is_other = text.replace('.', "") != right.replace('.', "");
            is_other && text.parse::<entitled::codes::SerialNumber>().is_err()
        })
        .unwrap();
    let serial = controller.ctl.out(&["serial"]);
    let before = (controller.socket.status(), controller.events());
    for (wrong, told) in [
        (swapped.as_str(), "type it again"),
        (&right[..27], "24 letters and digits"),
        ("", "--code-file"),
        (" \n", "--code-file"),
        (serial.trim(), "found the Serial Number"),
        ("U".repeat(24).as_str(), "type it again"),
    ] {
        let done = controller.ctl.run_with(&["activate"], wrong);
        done.failed(1, told);
        assert!(
            wrong.len() < 9 || !done.err.contains(&wrong[..9]),
            "it repeats the code: {done:?}"
        );
        let json = controller.ctl.run_with(&["activate", "--json"], wrong);
        let error: Value = serde_json::from_str(&json.err).unwrap();
        assert_ne!(error["code"], "activation-code-unknown", "{error}");
    }
    // The agent checks by itself what another client sends.
    let admin = controller.socket.beside("admin.sock");
    let body = json!({ "activation_code": swapped });
    let answer = admin.send(&reqwest::Method::POST, "/v1/activate", |r| r.json(&body));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!((controller.socket.status(), controller.events()), before);
    assert_eq!(environments(&vendor), 0);
}

#[test]
fn an_unknown_code_is_the_word_of_the_portal() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let controller = Controller::new(&vendor, &server);
    let _daemon = controller.start();
    let unknown = ActivationCode::random().unwrap();
    let done = controller.ctl.run_with(&["activate", "--json"], &unknown.expose());
    assert_eq!(done.code, 1, "{done:?}");
    let error: Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(error["code"], "activation-code-unknown");
    let requests = controller.events().iter().filter(|e| e.starts_with("requested:")).count();
    assert_eq!(requests, 1);
    assert_eq!(controller.socket.status()["state"], "unlicensed");
    // The right one then goes through.
    let done = controller.ctl.run_with(&["activate"], &code.expose());
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(controller.socket.status()["state"], "active");
    assert_eq!(PRODUCT, controller.socket.json("/v1/license")["claims"]["aud"]);
}

#[test]
fn a_subscription_without_a_free_slot_is_told_with_the_mend() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    for (n, expected) in [(1, 0), (2, 1)] {
        let own = format!("[identity]\noverride = 'asset {n}'\n");
        let controller = Controller::with(&vendor, &server, &own);
        let daemon = controller.start();
        let done = controller.ctl.run_with(&["activate"], &code.expose());
        assert_eq!(done.code, expected, "{done:?}");
        if expected == 1 {
            assert!(done.err.contains("production"), "{done:?}");
        }
        daemon.stop();
    }
    assert_eq!(environments(&vendor), 1);
}

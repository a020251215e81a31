//! README.md: the vendor's commands, the customer's, and the courier's, as they stand there.

use super::{Desk, blocks};
use crate::stage::{Captured, Controller, Dev, Running, Vendor, between};
use std::{fs, path::Path};

const PAGE: &str = include_str!("../../../README.md");

/// The block that has a command which begins so.
fn block(begin: &str) -> Vec<String> {
    let mut all = blocks(PAGE).into_iter();
    let found = all.find(|block| block.iter().any(|line| line.starts_with(begin)));
    found.unwrap_or_else(|| panic!("README.md has no command {begin}"))
}

/// The customer's settings of the page, with folders of the test in place of the system's, and another portal.
fn settings(controller: &Controller, url: &str) -> String {
    let page = PAGE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let there = page.replace("https://licensing.acme.example", url);
    let at = |name| controller.path(name).display().to_string();
    let own = format!(
        "state_directory = '{}'\nruntime_directory = '{}'\nroot_directories = ['{}']\n",
        at("state"),
        at("run"),
        at("roots.d")
    );
    own + &there + "\n[identity]\noverride = 'asset 4711'\n"
}

/// What the page calls a vendor's folder and port.
fn here(line: &str, vendor: &Path) -> String {
    line.replace("/var/lib/entitle-portal", &vendor.display().to_string())
        .replace("127.0.0.1:8443", "127.0.0.1:0")
}

#[test]
fn vendor_and_customer_do_as_the_page_says() {
    // For its folder alone: the page makes a vendor of its own.
    let elsewhere = Vendor::new();
    let place = elsewhere.path("acme");
    let desk = Desk::new(&elsewhere, elsewhere.path("desk"));
    let nobody = Path::new("/nonexistent/entitled.sock");
    let vendors = block("entitle-portal init");
    assert_eq!(vendors.len(), 3, "{vendors:#?}");
    desk.run(&here(&vendors[0], &place), nobody, "");
    let sold = desk.run(&here(&vendors[1], &place), nobody, "").out;
    let code = sold.split_whitespace().find(|word| word.matches('.').count() == 7).unwrap();
    let mut server =
        Running::start(desk.command(&format!("exec {}", here(&vendors[2], &place)), nobody));
    let url = server.await_line("listening on ");
    let url = between(&url, "listening on ", "\n");

    let controller = Controller::at(&elsewhere, url, "");
    fs::copy(place.join("roots.jwks"), controller.path("roots.d/vendor.jwks")).unwrap();
    controller.write("entitled.toml", &settings(&controller, url));
    let customers = block("entitled run");
    assert!(customers[0].starts_with("entitled run "), "{customers:#?}");
    let daemon = controller.start();
    let socket = &controller.socket.path;
    for line in &customers[1..] {
        desk.run(line, socket, code);
    }
    let status = controller.socket.status();
    assert_eq!(
        (&status["state"], &status["license"]["edition"]),
        (&"active".into(), &"enterprise".into())
    );
    assert_eq!(status["environment"]["name"], "Production");

    let renewal = "entitle-portal subscription renew ID --ends-at DATE";
    assert!(PAGE.contains(renewal));
    let id = desk
        .run(
            &format!("entitle-portal --json subscription list --dir '{}'", place.display()),
            nobody,
            "",
        )
        .out;
    let id = serde_json::from_str::<serde_json::Value>(&id).unwrap()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let renewed = renewal.replace("ID", &id).replace("DATE", "2035-01-01");
    desk.run(&format!("{renewed} --dir '{}'", place.display()), nobody, "");
    desk.run("entitlectl refresh", socket, "");
    assert!(controller.socket.status()["license"]["ends_at"].as_str().unwrap().starts_with("2035"));

    for line in block("entitlectl request activate") {
        desk.run(&here(&line, &place), socket, code);
    }
    daemon.stop();
    drop(server);
}

#[test]
fn each_command_of_the_table_says_what_it_takes() {
    let captured = Captured::server();
    let vendor = Vendor::new();
    let desk = Desk::new(&vendor, vendor.path("desk"));
    let nobody = Path::new("/nonexistent/entitled.sock");
    let rows = PAGE.lines().filter(|line| line.starts_with("| `entitlectl "));
    let mut seen = 0;
    for row in rows {
        let cell = row.split('|').nth(1).unwrap();
        let first = cell.split('`').nth(1).unwrap();
        let words =
            first.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let line = words.collect::<Vec<_>>().join(" ");
        let help = desk.run(&format!("{line} --help"), nobody, "").out;
        assert!(help.contains("Usage: entitlectl"), "{line}: {help}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
    let serial = format!("entitlectl serial --root '{}'", captured.root());
    assert_eq!(desk.run(&serial, nobody, "").out.matches('-').count(), 7);
}

#[test]
#[ignore = "needs curl and Python 3.9 or newer"]
fn documents_of_a_session_are_asked_as_the_page_says() {
    let dev = Dev::start();
    let vendor = Vendor::new();
    let desk = Desk::new(&vendor, env!("CARGO_MANIFEST_DIR").into());
    let folder = dev.socket.path.parent().unwrap().display().to_string();
    let blocks = [
        block("cargo run --release --bin entitlectl"),
        block("curl --unix-socket"),
        block("cargo run --release --example ask"),
    ];
    for line in blocks.concat() {
        let here = line
            .replace(".entitled-dev", &folder)
            .replace("cargo run --release --bin entitlectl --", "entitlectl")
            // Of the profile that is built already.
            .replace("cargo run --release", "cargo run --offline --quiet");
        if line.contains("/v1/watch") {
            // It goes on for ever.
            let mut watching =
                Running::start(desk.command(&format!("exec {here}"), &dev.socket.path));
            watching.await_line("data: {");
            continue;
        }
        let said = desk.run(&here, &dev.socket.path, "").out;
        assert!(!said.contains("urn:entitled:problem"), "{line}: {said}");
    }
    assert_eq!(dev.socket.status()["limits"]["users"]["used"], 812);
}

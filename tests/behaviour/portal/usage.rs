//! What is used, from a program on the server to the customer's page, the vendor's commands and its API.

use super::pages::Browser;
use crate::stage::{Controller, PATIENCE, Vendor};
use rustix::process::Signal;
use serde_json::Value;
use std::time::Instant;

const OVERRIDE: &str = "[identity]\noverride = 'asset 4711'\n";
const TELLS: &str = "[usage]\nreport_to_portal = true\n";

/// What the vendor knows of a subscription's users.
fn known(vendor: &Vendor, subscription: &str) -> Value {
    let shown = vendor.json(&["subscription", "show", subscription]);
    let limits = shown["usage"]["limits"].as_array().unwrap();
    limits.iter().find(|limit| limit["name"] == "users").unwrap().clone()
}

#[test]
fn what_programs_use_is_seen_by_customer_and_vendor_once_the_operator_says_so() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    vendor.json(&["subscription", "set", &id, "--limit", "users=1000"]);
    let controller = Controller::with(&vendor, &server, OVERRIDE);
    let daemon = controller.start();
    assert_eq!(controller.ctl.run_with(&["activate"], &code.expose()).code, 0);
    controller.ctl.out(&["usage", "set", "users", "812", "--ttl", "1h"]);
    controller.ctl.out(&["refresh"]);
    assert_eq!(known(&vendor, &id)["environments"], serde_json::json!([]));
    assert!(controller.ctl.out(&["usage"]).contains("The portal is told nothing of it"));

    let settings = std::fs::read_to_string(controller.settings()).unwrap();
    controller.write("entitled.toml", &format!("{settings}{TELLS}"));
    daemon.signal(Signal::HUP);
    let deadline = Instant::now() + PATIENCE;
    while controller.ctl.json(&["usage"])["told_to_portal"] != true {
        assert!(Instant::now() < deadline, "the new setting was never taken");
    }
    assert!(controller.ctl.out(&["usage"]).contains("The portal is told these sums"));
    controller.ctl.out(&["refresh"]);
    let users = known(&vendor, &id);
    let told = &users["environments"][0];
    assert_eq!((&told["used"], &told["road"]), (&812.into(), &"online".into()), "{users:#}");
    assert_eq!(users["together"]["used"], 812);
    let environment = told["environment_id"].as_str().unwrap();

    let token = vendor.json(&["token", "create", "crm", "--scope", "environments:read"]);
    let token = token["token"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let api = |path: &str| {
        let url = format!("{}/v1/vendor{path}", server.url);
        let request = reqwest::Client::new().get(url).bearer_auth(&token);
        runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() })
    };
    let json = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    assert_eq!(json(api(&format!("/subscriptions/{id}/usage")))["limits"][0], users);
    assert_eq!(json(api(&format!("/environments/{environment}/usage")))["limits"][0], users);
    let csv = api("/export/usage.csv");
    assert!(
        csv.contains(",users,1000,soft,812,812,") && csv.trim_end().ends_with(",online"),
        "{csv}"
    );
    let shown = vendor.json(&["environment", "show", environment]);
    assert_eq!(shown["usage"]["limits"][0], users);
    let shown =
        String::from_utf8(vendor.run(&["environment", "show", environment]).stdout).unwrap();
    assert!(shown.contains("HIGHEST") && shown.contains("812 on "), "{shown}");

    let mut browser = Browser::new(&server);
    browser.sign_in(&code);
    let page = browser.get("/subscription").text;
    assert!(page.contains("812 on ") && page.contains("the server"), "{page}");
    let audit = controller.events().join("\n");
    assert!(audit.contains("tells what is used"), "{audit}");
    daemon.stop();
}

#[test]
fn a_request_file_carries_what_is_used() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    vendor.json(&["subscription", "set", &id, "--limit", "users=1000"]);
    let settings = format!("{OVERRIDE}{TELLS}");
    let controller = Controller::at(&vendor, "http://127.0.0.1:9", &settings);
    let _daemon = controller.start();
    let mut browser = Browser::new(&server);
    browser.sign_in(&code);
    let file = controller.write("code", &code.expose());
    browser.carry(&controller, &["activate", "--code-file", file.to_str().unwrap()]);
    controller.ctl.out(&["usage", "set", "users", "7", "--ttl", "1h"]);
    let request = controller.ctl.out(&["request", "refresh"]);
    let file = controller.write("refresh.jws", &request);
    let inspected = controller.ctl.json(&["license", "inspect", file.to_str().unwrap()]);
    let claims = inspected.to_string();
    assert!(claims.contains("\"usage\":{") && claims.contains("\"used\":7"), "{inspected:#}");
    browser.carry(&controller, &["refresh"]);
    let users = known(&vendor, &id);
    assert_eq!(users["environments"][0]["road"], "courier", "{users:#}");
    let page = browser.get("/subscription").text;
    assert!(page.contains("a request file") && page.contains("7 on "), "{page}");
}

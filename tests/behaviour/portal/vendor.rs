//! Operators, tokens, the vendor's API and its webhooks, by real processes.

use crate::stage::Vendor;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Stdio,
    sync::mpsc,
    time::Duration,
};

/// Runs a command that reads a secret from standard input.
fn with_input(vendor: &Vendor, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = vendor.command();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn an_operator_is_added_changed_and_disabled() {
    let vendor = Vendor::new();
    let add = ["operator", "add", "alice", "--role", "admin"];
    let (done, text) = with_input(&vendor, &add, "too short\n");
    assert!(!done && text.contains("at least 12 characters"), "{text}");
    let (done, text) = with_input(&vendor, &add, "correct horse battery\n");
    assert!(done && !text.contains("correct"), "{text}");
    let (done, text) = with_input(&vendor, &add, "correct horse battery\n");
    assert!(!done && text.contains("there is an operator alice already"), "{text}");
    let file = vendor.path("password");
    std::fs::write(&file, "another long password\n").unwrap();
    let file = file.to_str().unwrap();
    vendor.json(&["operator", "password", "alice", "--password-file", file]);
    assert_eq!(vendor.json(&["operator", "set-role", "alice", "support"])["role"], "support");
    vendor.json(&["operator", "disable", "alice"]);
    let listed = vendor.json(&["operator", "list"]);
    assert_eq!(listed[0]["name"], "alice");
    assert!(listed[0]["disabled_at"].is_string() && !listed.to_string().contains("argon2"));
    vendor.json(&["operator", "enable", "alice"]);
    let audit = vendor.json(&["audit"]);
    let last = audit.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["event"], &last["detail"]["operator"]),
        (&json!("operator-enabled"), &json!("alice"))
    );
}

fn token(vendor: &Vendor, scopes: &[&str]) -> String {
    let mut arguments = vec!["token", "create", "crm"];
    arguments.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
    vendor.json(&arguments)["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_crm_sells_once_and_is_told_of_it() {
    let vendor = Vendor::new();
    let (url, told) = receiver();
    let added = vendor.json(&["webhook", "add", &url, "--event", "subscription-*"]);
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"));
    let token = token(&vendor, &["subscriptions:read", "subscriptions:write"]);
    let mut server = vendor.serve();
    let client = reqwest::Client::new();
    let sell = |url: &str| {
        client
            .post(format!("{url}/v1/vendor/subscriptions"))
            .bearer_auth(&token)
            .header("idempotency-key", "order-4711")
            .json(&json!({ "customer": "ACME", "terms": { "ends_at": "2199-01-01T00:00:00Z" } }))
            .send()
    };
    let first = sell(&server.url).await.unwrap();
    assert_eq!(first.status(), 201);
    let first: Value = first.json().await.unwrap();
    // Nobody saw the answer: the portal was killed, and is asked again after it was started.
    server.kill();
    let server = vendor.serve();
    let again: Value = sell(&server.url).await.unwrap().json().await.unwrap();
    assert_eq!(again, first);
    assert_eq!(vendor.json(&["subscription", "list"]).as_array().unwrap().len(), 1);
    let message = told.recv_timeout(Duration::from_mins(1)).unwrap();
    assert!(message.contains("webhook-signature: v1,"), "{message}");
    let id = first["id"].as_str().unwrap();
    assert!(message.contains("subscription-created") && message.contains(id), "{message}");

    let scope = client.get(format!("{}/v1/vendor/audit", server.url)).bearer_auth(&token);
    let refused = scope.send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("audit:read"));
    vendor.json(&["token", "revoke", "crm"]);
    assert_eq!(sell(&server.url).await.unwrap().status(), 401);
    let log = std::fs::read_to_string(vendor.path("serve.log")).unwrap();
    assert!(!log.contains(&token) && !log.contains("whsec_"));
}

/// A receiver that takes each message, and gives it to the test as it came.
pub(crate) fn receiver() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (give, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut text, mut part) = (String::new(), [0; 4_096]);
            loop {
                let read = stream.read(&mut part).unwrap();
                text.push_str(std::str::from_utf8(&part[..read]).unwrap());
                let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
                let length = text.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>())
                });
                if read == 0 || length.is_some_and(|length| length.unwrap() <= body) {
                    break;
                }
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            if give.send(text).is_err() {
                return;
            }
        }
    });
    (url, told)
}

#[test]
fn what_a_customer_may_not_release_alone_waits_and_a_term_is_lengthened() {
    let vendor = Vendor::new();
    let (id, _) = vendor.sell();
    let set = vendor.json(&["subscription", "set", &id, "--releases-a-year", "2"]);
    assert_eq!(set["releases_a_year"], 2);
    let set = vendor.json(&["subscription", "set", &id, "--releases-a-year", "unlimited"]);
    assert_eq!(set["releases_a_year"], Value::Null);
    assert_eq!(vendor.json(&["environment", "releases"]), json!([]));
    let renewed = vendor.json(&["subscription", "renew", &id, "--ends-at", "2199-01-01"]);
    assert_eq!(renewed["ends_at"], "2199-01-01T00:00:00Z");
    let sooner = vendor.run(&["subscription", "renew", &id, "--ends-at", "2198-01-01"]);
    assert!(String::from_utf8_lossy(&sooner.stderr).contains("is not later"));
}

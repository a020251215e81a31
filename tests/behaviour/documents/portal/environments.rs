//! Lost keys, forks, and what waits for the vendor: the commands at the portal and those on the machine.

use super::{Reader, after};
use crate::{
    portal::Agent,
    stage::{Controller, Vendor},
};
use entitled::{
    license::RequestKind,
    portal::{Options, Portal, ReleaseAnswer, SystemClock},
};
use std::{fs, sync::Arc};

fn environment(vendor: &Vendor) -> String {
    vendor.json(&["environment", "list"])[0]["id"].as_str().unwrap().to_owned()
}

pub(super) const LOST: &[&str] = &[
    "entitlectl activate",
    "entitle-portal environment rebind-code ID [--hours 24]",
    "entitlectl rebind --rebind-code CODE",
    "entitle-portal environment pending",
    "entitle-portal environment approve ID [--key THUMBPRINT]",
    "entitlectl events",
    "entitlectl license install",
    "entitlectl release",
];

#[test]
fn a_lost_key_is_mended_as_the_page_says() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (subscription, code) = vendor.sell();
    let mut reader = Reader::new(&vendor, LOST);
    // Each is the same machine, installed anew: the same Serial Number, another key.
    let first = Controller::new(&vendor, &server);
    let daemon = first.start();
    reader.on(&first.socket.path, LOST[0], &[], &code.expose());
    let id = environment(&vendor);
    daemon.stop();

    let second = Controller::new(&vendor, &server);
    let daemon = second.start();
    second.ctl.run_with(&["activate"], &code.expose()).failed(1, "rebind");
    let told = reader.run(LOST[1], &[("ID", &id)]);
    let one_time = after(&told, "One-time code").to_owned();
    reader.on(&second.socket.path, LOST[2], &[("CODE", &one_time)], &code.expose());
    assert_eq!(second.socket.status()["state"], "active");
    daemon.stop();

    vendor.json(&["subscription", "set", &subscription, "--rebind", "approval"]);
    let third = Controller::new(&vendor, &server);
    let daemon = third.start();
    third.ctl.run_with(&["rebind"], &code.expose()).failed(1, "approv");
    let waits = reader.run(LOST[3], &[]);
    let key = vendor.json(&["environment", "pending"])[0]["key"].as_str().unwrap().to_owned();
    assert!(waits.contains(&key), "{waits}");
    let events = reader.on(&third.socket.path, LOST[5], &[], "");
    assert!(events.contains(&key), "the page has them compared: {events}");
    reader.run(LOST[4], &[("ID", &id), ("THUMBPRINT", &key)]);
    let done = third.ctl.run_with(&["rebind"], &code.expose());
    assert_eq!(done.code, 0, "{done:?}");

    // By courier: the very bytes.
    let request = vendor.path("request");
    fs::write(&request, third.ctl.out(&["request", "refresh"])).unwrap();
    let answer = vendor.run(&["answer", request.to_str().unwrap()]);
    assert!(answer.status.success(), "{answer:?}");
    fs::write(reader.path("answer"), answer.stdout).unwrap();
    let install = [("entitlectl license install", "entitlectl license install answer")];
    reader.on(&third.socket.path, LOST[6], &install, "");
    reader.on(&third.socket.path, LOST[7], &[], "");
    assert_eq!(third.socket.status()["state"], "unlicensed");
    daemon.stop();
}

pub(super) const FORKED: &[&str] = &[
    "entitle-portal answer REQUEST > ANSWER",
    "entitle-portal environment forks ID",
    "entitle-portal environment survivor ID --branch REQUEST",
    "entitle-portal environment show ID",
    "entitle-portal environment release ID",
];

#[test]
fn a_fork_is_ended_as_the_page_says() {
    let vendor = Vendor::new();
    let (_, code) = vendor.sell();
    let mut reader = Reader::new(&vendor, FORKED);
    let mut one = Agent::new("a");
    fs::write(reader.path("request"), one.request(RequestKind::Activate, Some(&code))).unwrap();
    reader.run(FORKED[0], &[("REQUEST", "request"), ("ANSWER", "answer")]);
    one.settle(&fs::read_to_string(reader.path("answer")).unwrap(), &vendor);
    let mut two = one.copy();
    for agent in [&mut one, &mut two] {
        fs::write(reader.path("request"), agent.request(RequestKind::Refresh, None)).unwrap();
        let answer = vendor.run(&["answer", reader.path("request").to_str().unwrap()]);
        agent.settle(&String::from_utf8(answer.stdout).unwrap(), &vendor);
    }
    let id = environment(&vendor);
    let forks = reader.run(FORKED[1], &[("ID", &id)]);
    assert!([&one, &two].iter().all(|agent| forks.contains(&agent.last_request())), "{forks}");
    let named = reader.run(FORKED[2], &[("ID", &id), ("REQUEST", &one.last_request())]);
    assert!(named.contains("survivor"), "{named}");
    assert!(reader.run(FORKED[3], &[("ID", &id)]).contains(&id));
    reader.run(FORKED[4], &[("ID", &id)]);
    assert_eq!(vendor.json(&["environment", "list"]), serde_json::json!([]));
}

pub(super) const WAITING: &[&str] = &[
    "entitle-portal environment releases",
    "entitle-portal environment approve-release ID",
    "entitle-portal environment refuse-release ID --reason 'please call us'",
];

#[tokio::test]
async fn a_release_that_waits_is_decided_as_the_page_says() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (subscription, code) = vendor.sell();
    vendor.json(&["subscription", "set", &subscription, "--releases-a-year", "0"]);
    Agent::new("a").activate(&server, &vendor, &code).await;
    let environment = environment(&vendor);
    let mut reader = Reader::new(&vendor, WAITING);
    // What the customer's page does.
    let portal = Portal::open(vendor.path(""), Options::default(), Arc::new(SystemClock)).unwrap();
    let ask = || {
        let asked = portal.ask_release(environment.parse().unwrap(), "it is broken").unwrap();
        assert_eq!(asked, ReleaseAnswer::AwaitsApproval);
        vendor.json(&["environment", "releases"])[0]["id"].as_str().unwrap().to_owned()
    };
    let first = ask();
    assert!(reader.run(WAITING[0], &[]).contains(&first));
    reader.run(WAITING[2], &[("ID", &first)]);
    reader.run(WAITING[1], &[("ID", &ask())]);
    assert_eq!(vendor.json(&["environment", "list"]), serde_json::json!([]));
}

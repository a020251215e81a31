//! The libraries for programs against real agents: `entitled::client`, and the one for Python.

mod crowd;
mod documents;
mod python;

use crate::stage::{Controller, Dev, PATIENCE, Running, Vendor};
use entitled::client::{Agent, Client, Freshness, LimitState, Snapshot, State};
use reqwest::Method;
use serde_json::json;
use std::{path::Path, time::Duration};

fn connect(socket: &Path) -> Client {
    Client::builder().socket(socket).patience(PATIENCE).connect().unwrap()
}

/// An activated controller whose license names the feature `reports`.
fn controller() -> (Vendor, crate::stage::Server, Controller, Running) {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    vendor.json(&["subscription", "set", &id, "--feature", "reports"]);
    let controller = Controller::new(&vendor, &server);
    let daemon = controller.start();
    let done = controller.ctl.run_with(&["activate"], &code.expose());
    assert_eq!(done.code, 0, "{done:?}");
    (vendor, server, controller, daemon)
}

#[test]
fn a_program_is_told_what_the_socket_tells_and_each_change_of_it() {
    let dev = Dev::start();
    let client = connect(&dev.socket.path);
    let told = client.status().unwrap();
    assert_eq!(serde_json::to_value(&*told).unwrap(), dev.socket.status());
    let agent = Agent::new(&dev.socket.path).patience(PATIENCE);
    assert_eq!(agent.status().unwrap(), *told);
    assert!(matches!(client.freshness(), Freshness::Live { .. }));
    let (reports, projects) = (client.feature("reports"), client.feature("projects"));
    assert!(reports.granted() && reports.known() && !reports.is_stale());
    assert_eq!(projects.value(), &json!(50));
    assert!(!client.feature("no/such thing").known());

    let mut watch = client.watch_blocking();
    for (value, state) in [(1, LimitState::Within), (900, LimitState::Near)] {
        agent.report_usage("users", "web-1", value, Duration::from_mins(10)).unwrap();
        let used = |told: &Snapshot| told.limit("users").is_some_and(|l| l.used == Some(value));
        let told = watch.find(used).unwrap();
        assert_eq!(told.limit("users").unwrap().state, state);
        assert_eq!(client.limit("users"), told.limit("users"));
    }
    let refused = agent.report_usage("no/such thing", "a", 1, PATIENCE).unwrap_err();
    assert_eq!(refused.code(), "no-such-limit", "{refused}");
}

#[test]
fn an_agent_that_is_killed_leaves_its_answer_stale_and_takes_up_again_where_it_comes_back() {
    let (_vendor, _server, controller, daemon) = controller();
    let client = connect(&controller.socket.path);
    let mut watch = client.watch_blocking();
    watch.find(Snapshot::entitled).unwrap();
    let before = client.status().unwrap();

    daemon.kill();
    let lost = watch.find(Snapshot::is_stale).unwrap();
    assert_eq!(lost.error().unwrap().code(), "agent-unreachable");
    assert_eq!(lost.status().unwrap(), &*before, "the last answer is kept");
    assert!(client.feature("reports").granted() && client.feature("reports").is_stale());
    assert!(matches!(client.freshness(), Freshness::Stale { age: Some(_) }));
    let refused = client.agent().status().unwrap_err();
    assert_eq!(refused.code(), "agent-unreachable", "{refused}");

    let daemon = controller.start();
    let back = client.wait(PATIENCE).unwrap();
    assert!(back.entitled() && back.status().unwrap().generation >= before.generation);
    controller.ctl.out(&["release"]);
    let released = watch.find(|told| told.status().unwrap().state == State::Unlicensed).unwrap();
    assert!(!released.is_stale() && !released.granted("reports"));
    assert!(!client.feature("reports").granted() && !client.entitled());
    daemon.stop();
    assert!(watch.find(Snapshot::is_stale).unwrap().error().is_some());
}

#[test]
fn a_program_that_starts_before_its_agent_is_told_as_soon_as_that_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("dev/entitled.sock");
    let refused = Client::builder().socket(&socket).connect().unwrap_err();
    assert_eq!(refused.code(), "agent-unreachable", "{refused}");
    let client = Client::builder().socket(&socket).open().unwrap();
    assert!(client.is_stale() && client.status().is_none());
    std::fs::create_dir(folder.path().join("dev")).unwrap();
    let mut running = Running::start(Dev::command(&folder.path().join("dev"), &[]));
    running.await_line("Ctrl-C stops it");
    client.wait(PATIENCE).unwrap();
    client.watch_blocking().find(Snapshot::entitled).unwrap();
}

#[test]
fn a_check_of_a_limit_is_answered_by_the_agent() {
    let dev = Dev::start();
    let client = connect(&dev.socket.path);
    let allowed = client.check_limit("users", 1).unwrap();
    assert!(allowed.allowed && allowed.known && allowed.entitled, "{allowed:?}");
    let raw = dev.socket.send(&Method::GET, "/v1/limits/users/check?amount=1", |r| r).json();
    assert_eq!(
        (raw["limit"].as_u64(), raw["fresh"].as_bool()),
        (allowed.limit, Some(allowed.fresh))
    );
    let users = ["ada", "bob"];
    client.agent().report_users("users", &users, &[], PATIENCE).unwrap();
    client.agent().report_users("users", &["ada"], &["bob"], PATIENCE).unwrap();
    assert_eq!(client.check_limit("users", 1).unwrap().used, Some(1), "who left is not counted");
    let refused = client.agent().report_users("users", &[""], &[], PATIENCE).unwrap_err();
    assert_eq!(refused.code(), "bad-user", "{refused}");
    let unknown = client.check_limit("no/such thing", 5).unwrap();
    assert!(!unknown.known && unknown.allowed, "{unknown:?}");
}

#[test]
fn the_stream_works_in_any_executor() {
    let dev = Dev::start();
    let client = connect(&dev.socket.path);
    let agent = client.agent().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use futures_util::StreamExt;
        let mut watch = client.watch();
        assert!(watch.next().await.unwrap().entitled());
        let used = tokio::task::spawn_blocking(move || {
            agent.report_usage("users", "web-1", 900, Duration::from_mins(10))
        });
        while watch.next().await.unwrap().limit("users").unwrap().used != Some(900) {}
        used.await.unwrap().unwrap();
    });
}

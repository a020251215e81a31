//! A thousand programs of one user that watch one agent.

use super::controller;
use crate::stage::PATIENCE;
use entitled::client::{Client, Snapshot, State};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Instant;

const PROGRAMS: usize = 1_000;

#[test]
fn a_thousand_programs_hear_each_change_and_the_agents_restart() {
    // A thousand sockets are more than a process may have as it starts; the agent raises its own limit.
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let (_vendor, _server, controller, daemon) = controller();
    let socket = &controller.socket.path;
    let open = |_| Client::builder().socket(socket).patience(PATIENCE).open().unwrap();
    let clients: Vec<_> = (0..PROGRAMS).map(open).collect();
    let all = |what: &str, is: fn(&Snapshot) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        for (i, client) in clients.iter().enumerate() {
            let mut watch = client.watch_blocking();
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                let told = watch.next_within(left);
                let told =
                    told.unwrap_or_else(|| panic!("{i} is not {what}: {:?}", client.snapshot()));
                if is(&told) {
                    break;
                }
            }
        }
    };
    all("entitled", |told| told.entitled() && !told.is_stale());
    daemon.kill();
    all("stale", Snapshot::is_stale);
    let daemon = controller.start();
    all("told by the new agent", |told| told.entitled() && !told.is_stale());
    controller.ctl.out(&["release"]);
    all("told of the release", |told| told.status().unwrap().state == State::Unlicensed);
    drop(clients);
    daemon.stop();
}

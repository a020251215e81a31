//! How a program learns of a change as it happens.

use crate::stage::{Dev, Socket};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};

/// One event of a stream.
#[derive(Debug)]
struct Event {
    id: u64,
    status: Value,
}

/// The stream of `/v1/watch`, read line by line from the bare socket.
struct Stream(BufReader<std::os::unix::net::UnixStream>);

impl Stream {
    fn open(socket: &Socket) -> Self {
        let mut stream = socket.connect();
        stream.write_all(b"GET /v1/watch HTTP/1.0\r\n\r\n").unwrap();
        let mut stream = Self(BufReader::new(stream));
        let head = stream.lines_to_blank();
        assert!(head[0].contains("200 OK"), "{head:?}");
        assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
        stream
    }

    fn lines_to_blank(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).unwrap();
            if read == 0 || line.trim().is_empty() {
                return lines;
            }
            lines.push(line.trim().to_owned());
        }
    }

    /// The next event; none where the stream ended.
    fn next(&mut self) -> Option<Event> {
        let lines = self.lines_to_blank();
        let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
        let id = field("id: ")?.parse().unwrap();
        assert_eq!(field("event: "), Some("status"), "{lines:?}");
        let status = serde_json::from_str(field("data: ").unwrap()).unwrap();
        Some(Event { id, status })
    }
}

fn use_up(dev: &Dev, value: u64) {
    let body = json!({ "reporter": "a", "value": value });
    let usage = dev.socket.beside("usage.sock");
    let answer = usage.send(&Method::PUT, "/v1/usage/users", |request| request.json(&body));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_stream_tells_what_is_and_then_each_change_until_the_agent_stops() {
    let dev = Dev::start();
    let mut stream = Stream::open(&dev.socket);
    let first = stream.next().unwrap();
    assert_eq!(first.status, dev.socket.status());
    assert_eq!(first.status["generation"], first.id);
    let mut last = first.id;
    // Each brings the limit of 1,000 into another state; a gauge that moves within one is no change.
    for value in [1, 900] {
        use_up(&dev, value);
        let next = stream.next().unwrap();
        assert!(next.id > last, "{} after {last}", next.id);
        assert_eq!(next.status["limits"]["users"]["used"], value);
        last = next.id;
    }
    dev.stop();
    assert!(stream.next().is_none(), "the stream ends with the agent");
}

#[test]
fn a_blocking_read_answers_with_the_change_or_when_its_time_is_up() {
    let dev = Dev::start();
    let generation = dev.socket.status()["generation"].as_u64().unwrap();
    let older = dev.socket.json(&format!("/v1/status?after={}", generation - 1));
    assert_eq!(older["generation"], generation, "there is something newer already");
    let same = dev.socket.json(&format!("/v1/status?after={generation}&wait=0s"));
    assert_eq!(same["generation"], generation, "its time is up");
    let waiting = {
        let socket = dev.socket.clone();
        std::thread::spawn(move || socket.json(&format!("/v1/status?after={generation}&wait=60")))
    };
    use_up(&dev, 5);
    let told = waiting.join().unwrap();
    assert!(told["generation"].as_u64().unwrap() > generation, "{told:#}");
    assert_eq!(told["limits"]["users"]["used"], 5);
}

#[test]
fn entitlectl_watches_as_lines_and_as_json() {
    let dev = Dev::start();
    for (arguments, part, used) in [
        (vec!["watch"], "active: in term", 1),
        (vec!["watch", "--json"], "\"state\":\"active\"", 900),
    ] {
        let mut command = dev.ctl.command();
        command.args(&arguments);
        let mut watching = crate::stage::Running::start(command);
        watching.await_line(part);
        let generation = dev.socket.status()["generation"].as_u64().unwrap();
        use_up(&dev, used);
        watching.await_line(&format!("{}", generation + 1));
        watching.kill();
    }
}

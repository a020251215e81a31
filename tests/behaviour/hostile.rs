//! Clients that mean no good, or know no better: the daemon stays up and keeps answering.

mod activated;
mod documents;
mod floods;
mod impostor;
mod portal;
mod requests;

use crate::stage::{Dev, Socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

/// An honest answer takes milliseconds; this is far below the half minute after which silent connections are closed.
const PROMPT: Duration = Duration::from_secs(10);

/// Asserts that honest clients are answered, promptly.
#[track_caller]
fn assert_answers(dev: &Dev) {
    let begin = Instant::now();
    assert_eq!(dev.ctl.run(&["status"]).code, 0);
    for socket in [dev.socket.clone(), dev.socket.beside("admin.sock")] {
        assert_eq!(socket.get("/livez").body, "ok\n");
    }
    assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
}

fn every_socket(dev: &Dev) -> [Socket; 3] {
    ["entitled.sock", "usage.sock", "admin.sock"].map(|name| dev.socket.beside(name))
}

#[test]
fn garbage_is_answered_with_an_error_or_a_closed_connection() {
    let dev = Dev::start();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for socket in every_socket(&dev) {
        for bytes in [
            &noise[..],
            b"\r\n\r\n\r\n",
            b"\0",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /v1/status HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            b"POST /v1/install HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ] {
            // Nothing more comes from this side, so that an unfinished request is one for good.
            let mut stream = socket.connect();
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut back = Vec::new();
            let _ = stream.read_to_end(&mut back);
            let back = String::from_utf8_lossy(&back);
            assert!(back.is_empty() || back.starts_with("HTTP/1."), "{back}");
            assert!(!back.contains(" 200 "), "{back}");
        }
    }
    assert_answers(&dev);
}

#[test]
fn half_a_request_holds_nobody_up() {
    let dev = Dev::start();
    let halves: Vec<_> = every_socket(&dev)
        .iter()
        .flat_map(|socket| (0..50).map(|_| socket.connect()))
        .map(|mut stream| {
            stream.write_all(b"POST /v1/refresh HTTP/1.1\r\nhost: x\r\ncontent-le").unwrap();
            stream
        })
        .collect();
    let admin = dev.socket.beside("admin.sock");
    let mut body = admin.connect();
    body.write_all(b"POST /v1/install HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
        .unwrap();
    assert_answers(&dev);
    assert_eq!(dev.ctl.run(&["refresh"]).code, 0, "changes go through as well");
    drop(halves);
}

#[test]
fn a_stop_waits_for_no_half_request() {
    let dev = Dev::start();
    let mut half = dev.socket.connect();
    half.write_all(b"GET /v1/status HT").unwrap();
    let mut watching = dev.socket.connect();
    watching.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let begin = Instant::now();
    dev.stop();
    assert!(begin.elapsed() < PROMPT * 2, "{:?}", begin.elapsed());
}

#[test]
fn a_large_body_is_refused_and_not_kept() {
    let dev = Dev::start();
    let large = "a".repeat(10 << 20);
    let before = dev.socket.status();
    for path in ["/v1/install", "/v1/activate"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            large.len()
        );
        let back =
            dev.socket.beside("admin.sock").raw(&[head.as_bytes(), large.as_bytes()].concat());
        assert!(back.is_empty() || back.starts_with("HTTP/1.1 413"), "{back}");
        // On the socket for everyone there is nothing that takes it.
        let back = dev.socket.raw(&[head.as_bytes(), large.as_bytes()].concat());
        assert!(back.is_empty() || back.starts_with("HTTP/1.1 404"), "{back}");
    }
    let get = "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10485760\r\n\r\n";
    let back = dev.socket.raw(&[get.as_bytes(), large.as_bytes()].concat());
    assert!(back.is_empty() || back.starts_with("HTTP/1.1 200"), "{back}");
    assert_eq!(dev.socket.status(), before);
    assert_answers(&dev);
}

#[test]
fn a_bomb_of_headers_is_refused() {
    let dev = Dev::start();
    let many = "x-header: y\r\n".repeat(10_000);
    let long = format!("x: {}\r\n", "y".repeat(4 << 20));
    let path = format!("GET /v1/features/{} HTTP/1.1\r\n\r\n", "y".repeat(4 << 20));
    for head in [
        format!("GET /v1/status HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("GET /v1/status HTTP/1.1\r\n{long}\r\n"),
        path,
    ] {
        let back = dev.socket.raw(head.as_bytes());
        assert!(back.is_empty() || back.starts_with("HTTP/1.1 4"), "{back}");
    }
    assert_answers(&dev);
}

/// As many connections as this test may hold, at most `wanted`; other tests run beside it.
fn room_for(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let files = limit.maximum.map_or(wanted * 2, |maximum| maximum.min(wanted * 2));
    if limit.current.is_some_and(|current| current < files) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(files), ..limit }).unwrap();
    }
    wanted.min(files / 2)
}

#[test]
fn watchers_that_never_read_hold_nobody_up() {
    let dev = Dev::start();
    let mut streams: Vec<_> = (0..100).map(|_| dev.socket.connect()).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    let usage = dev.socket.beside("usage.sock");
    for value in 0..300 {
        let body = format!("{{\"reporter\":\"a\",\"value\":{value}}}");
        let head = format!(
            "PUT /v1/usage/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let back = usage.raw(&[head, body].concat().into_bytes());
        assert!(back.starts_with("HTTP/1.1 200"), "{back}");
    }
    assert_answers(&dev);
    assert_eq!(dev.socket.status()["limits"]["users"]["used"], 299);
}

#[test]
fn many_requests_on_one_connection_are_answered_in_turn() {
    let dev = Dev::start();
    let one = "GET /v1/serial HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let back = dev.socket.raw((one.repeat(500) + last).as_bytes());
    assert_eq!(back.matches("HTTP/1.1 200 OK").count(), 501);
    assert!(back.ends_with("ok\n"));
}

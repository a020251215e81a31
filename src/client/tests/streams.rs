//! Whatever comes over the socket: it is an error of that connection, and nothing more.

use super::agents::{PATIENCE, Place, STREAM, asked, event, status};
use crate::client::{Agent, Client, Freshness, wire::LONGEST_BODY};
use serde_json::Value;
use std::{io::Write, thread, time::Duration};

/// What a client whose agent answers so says of it.
fn refused(answer: impl Into<Vec<u8>>) -> (String, String) {
    let place = Place::new();
    place.always(answer.into());
    let error = place.builder().connect().unwrap_err();
    // Asked once, it is the same.
    let asked_once = Agent::new(place.socket()).patience(PATIENCE).status().unwrap_err();
    assert_ne!(asked_once.code(), "agent-silent", "{asked_once}");
    (error.code().to_owned(), error.to_string())
}

#[test]
fn an_answer_that_is_none_is_named_as_such() {
    let head = "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n";
    let more = LONGEST_BODY + 1;
    for (answer, code, part) in [
        (b"".to_vec(), "agent-unreachable", "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), "not-an-agent", "no HTTP"),
        (vec![0xFF; 100_000], "not-an-agent", "no HTTP"),
        (
            [b"HTTP/1.0 200 OK\r\nx: ".to_vec(), vec![b'y'; 100_000]].concat(),
            "not-an-agent",
            "without an end",
        ),
        (
            b"HTTP/1.0 200 OK\r\ncontent-type: text/html\r\n\r\nhello".to_vec(),
            "not-an-agent",
            "something else",
        ),
        (b"HTTP/1.0 500 Oh\r\n\r\n".to_vec(), "not-an-agent", "the status 500"),
        (format!("{head}content-length: {more}\r\n\r\n").into(), "not-an-agent", "length"),
        (format!("{head}content-length: -1\r\n\r\n").into(), "not-an-agent", "length"),
        (
            format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhello").into(),
            "not-an-agent",
            "transfer encoding",
        ),
        (format!("{STREAM}data: [1, 2\n\n").into(), "not-an-agent", "no status"),
        (format!("{STREAM}data: \u{0}\n\n").into(), "not-an-agent", "no status"),
        ([STREAM.as_bytes(), b"data: \xFF\xFE\n\n"].concat(), "not-an-agent", "no status"),
        (format!("{STREAM}data: {}", "x".repeat(more)).into(), "not-an-agent", "without an end"),
        (
            format!("{STREAM}{}", "data: xxxxxxxxxxxxxxxx\n".repeat(more / 16)).into(),
            "not-an-agent",
            "without an end",
        ),
        (format!("{STREAM}: nothing\n\nevent: status\n\n").into(), "agent-unreachable", "ended"),
    ] {
        let (found, message) = refused(answer);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_problem_document_is_told_in_its_words() {
    let problem = r#"{"type":"urn:entitled:problem:not-ready","title":"T","status":503,"detail":"wait a second","retry_after":1}"#;
    let length = problem.len();
    let answer = format!(
        "HTTP/1.0 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\r\n{problem}"
    );
    assert_eq!(refused(answer), ("not-ready".to_owned(), "wait a second".to_owned()));
}

#[test]
fn an_event_in_several_lines_with_comments_and_carriage_returns_is_one() {
    let place = Place::new();
    let pretty = serde_json::to_string_pretty(&status(3, true)).unwrap();
    let lines = pretty.replace('\n', "\r\n: alive\r\ndata:");
    let listener = place.listen();
    let client = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            assert_eq!(asked(&stream), "GET /v1/watch HTTP/1.0");
            // Byte by byte: it may come in any pieces.
            for byte in format!("{STREAM}retry: 1\r\ndata:{lines}\r\n\r\n").bytes() {
                stream.write_all(&[byte]).unwrap();
            }
            // Held open until the client has seen it.
            asked(&stream);
        });
        let client = place.builder().connect().unwrap();
        assert!(matches!(client.freshness(), Freshness::Live { .. }));
        let told = client.snapshot();
        drop(client);
        told
    });
    assert_eq!(client.status().unwrap().generation, 3);
}

#[test]
fn a_feature_is_what_the_license_says_of_it() {
    let place = Place::new();
    place.always(format!("{STREAM}{}", event(&status(1, 250))).into());
    let client = place.builder().open().unwrap();
    let told = client.watch_blocking().find(|told| told.status().is_some()).unwrap();
    assert!(told.granted("reports") && told.entitled());
    for (name, value, known, granted) in [
        ("reports", Value::from(250), true, true),
        ("tier", Value::from("gold"), true, true),
        ("off", Value::from(false), true, false),
        ("none", Value::Null, true, false),
        ("unheard-of", Value::from(false), false, false),
        ("", Value::from(false), false, false),
    ] {
        let feature = client.feature(name);
        let found = (feature.value(), feature.known(), feature.granted());
        assert_eq!(found, (&value, known, granted), "{name}: {feature:?}");
    }
    assert_eq!(client.limit("users").unwrap().used, Some(812));
    assert_eq!(client.limit("unheard-of"), None);
}

#[test]
fn a_silent_socket_is_waited_for_as_long_as_was_said() {
    let place = Place::new();
    let _never_answers = place.listen();
    let soon = Duration::from_millis(50);
    let error = Client::builder().socket(place.socket()).patience(soon).connect().unwrap_err();
    assert_eq!(error.code(), "agent-silent", "{error}");
    let error = Agent::new(place.socket()).patience(soon).status().unwrap_err();
    assert_eq!(error.code(), "agent-silent", "{error}");
}

#[test]
fn a_socket_whose_queue_is_full_is_not_waited_for_either() {
    let place = Place::new();
    let listener = place.listen();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(place.socket()).unwrap();
    let agent = Agent::new(place.socket()).patience(Duration::from_millis(50));
    let error = agent.status().unwrap_err();
    assert_eq!(error.code(), "agent-silent", "{error}");
}

#[test]
fn a_path_that_no_socket_can_have_is_an_error() {
    for path in
        ["/nowhere/at/all.sock".to_owned(), format!("/{}", "x".repeat(300)), "a\0b".to_owned()]
    {
        let error = Client::builder().socket(&path).connect().unwrap_err();
        assert_eq!(error.code(), "agent-unreachable", "{error}");
    }
}

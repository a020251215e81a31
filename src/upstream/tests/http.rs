//! A real client before a socket that answers anything.

use crate::{
    license::{MAX_DOCUMENT, MEDIA_TYPE},
    upstream::*,
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Somebody who takes one request and does what they like with the connection.
struct Server<T> {
    url: String,
    thread: JoinHandle<(String, T)>,
}

impl<T: Send + 'static> Server<T> {
    fn new(answer: impl FnOnce(&mut TcpStream) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&stream);
            (request, answer(&mut stream))
        });
        Self { url, thread }
    }

    async fn exchange(&self) -> Result<String, ExchangeError> {
        exchange(&self.url).await
    }

    /// What it was asked, and what it says of it. The client's task hangs up meanwhile, so this must not block it.
    async fn ended(self) -> (String, T) {
        tokio::task::spawn_blocking(move || self.thread.join().unwrap()).await.unwrap()
    }
}

async fn exchange(url: &str) -> Result<String, ExchangeError> {
    let settings = PortalSettings { url: url.to_owned(), ..PortalSettings::default() };
    HttpPortal::new(&settings).unwrap().exchange("the request".to_owned()).await
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let mut body = [0; "the request".len()];
    reader.read_exact(&mut body).unwrap();
    head + std::str::from_utf8(&body).unwrap()
}

/// The start of an answer with a body of that length.
fn head(status: &str, headers: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

fn document(length: usize) -> Vec<u8> {
    head("200 OK", "Content-Type: application/jose", length)
}

/// What comes of an answer that is said in full.
async fn answered(status: &str, headers: &str, body: &[u8]) -> Result<String, ExchangeError> {
    let answer = [&head(status, headers, body.len()), body].concat();
    // One who has heard enough hangs up.
    Server::new(move |stream| drop(stream.write_all(&answer))).exchange().await
}

async fn answered_as(kind: &str, status: &str, body: &[u8]) -> Result<String, ExchangeError> {
    answered(status, &format!("Content-Type: {kind}"), body).await
}

#[tokio::test]
async fn an_answer_comes_as_it_is() {
    let server = Server::new(|stream| {
        let kind = "Content-Type: application/jose; charset=utf-8";
        stream.write_all(&head("200 OK", kind, 10)).unwrap();
        stream.write_all(b"the answer").unwrap();
    });
    assert_eq!(server.exchange().await.unwrap(), "the answer");
    let (request, ()) = server.ended().await;
    assert!(request.starts_with("POST /v1/requests HTTP/1.1\r\n"), "{request}");
    let lower = request.to_ascii_lowercase();
    for line in
        ["content-type: application/jose", "accept: application/jose", "user-agent: entitled/"]
    {
        assert!(lower.contains(line), "{request}");
    }
    assert!(request.ends_with("\r\n\r\nthe request"), "{request}");
}

#[tokio::test]
async fn a_refusal_is_the_portals_word() {
    let kind = "application/problem+json";
    let problem = br#"{"type":"urn:entitled:problem:no-free-slot","title":"No slot","detail":"all\u001b[31m of 2","x":1}"#;
    let refused = answered_as(kind, "409 Conflict", problem).await.unwrap_err();
    assert_eq!((refused.code(), refused.is_passing()), ("no-free-slot", false));
    assert_eq!(refused.to_string(), "all[31m of 2", "without control characters");
    // Without a detail its title is all there is.
    let bare = br#"{"type":"urn:entitled:problem:y","title":"No slot"}"#;
    let refused = answered_as(kind, "403 Forbidden", bare).await.unwrap_err();
    assert_eq!((refused.code(), refused.to_string().as_str()), ("y", "No slot"));
}

/// Trouble of the portal's own is no word on the request: an activation that waits must not be given up for it.
#[tokio::test]
async fn a_portal_in_trouble_is_asked_again() {
    let problem = br#"{"type":"urn:entitled:problem:portal-failed","title":"The portal failed"}"#;
    for status in [
        "408 Request Timeout",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ] {
        for kind in ["application/problem+json", "text/html"] {
            let busy = answered_as(kind, status, problem).await.unwrap_err();
            assert_eq!((busy.code(), busy.is_passing()), ("portal-busy", true), "{status} {kind}");
        }
    }
}

#[tokio::test]
async fn what_the_portal_asks_for_is_understood_in_seconds() {
    for (value, expected) in [
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("0", Some(0)),
        ("-1", None),
        ("soon", None),
        ("99999999999999999999999", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ] {
        let headers = format!("Content-Type: text/plain\r\nRetry-After: {value}");
        let busy = answered("503 Service Unavailable", &headers, b"").await.unwrap_err();
        assert_eq!(busy.retry_after(), expected.map(Duration::from_secs), "{value}");
    }
}

#[tokio::test]
async fn who_is_no_portal_is_told_so() {
    for (kind, status, body) in [
        ("text/html", "200 OK", &b"<html>Welcome to the hotel</html>"[..]),
        ("application/json", "200 OK", b"{}"),
        ("application/problem+json", "200 OK", b"{}"),
        (MEDIA_TYPE, "201 Created", b"text"),
        (MEDIA_TYPE, "404 Not Found", b"text"),
        (MEDIA_TYPE, "200 OK", b"\xff\xfe"),
        ("application/problem+json", "404 Not Found", b"not json"),
        ("application/problem+json", "404 Not Found", b"[]"),
        // A refusal without a type is nobody's word.
        ("application/problem+json", "404 Not Found", b"{}"),
    ] {
        let found = answered_as(kind, status, body).await;
        let error = found.unwrap_err();
        assert_eq!(error.code(), "portal-not-an-answer", "{kind} {status} {body:?}");
        assert!(error.is_passing(), "{kind} {status}");
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let location = format!("Location: http://{}/", elsewhere.local_addr().unwrap());
        let error = answered(status, &location, b"").await.unwrap_err();
        assert_eq!(error.code(), "portal-not-an-answer", "{status}");
        assert!(elsewhere.accept().is_err(), "{status} was followed");
    }
}

#[tokio::test]
async fn a_document_of_the_largest_size_is_read_and_no_byte_more() {
    let largest = vec![b'x'; MAX_DOCUMENT];
    assert_eq!(answered_as(MEDIA_TYPE, "200 OK", &largest).await.unwrap().len(), MAX_DOCUMENT);
    let larger = vec![b'x'; MAX_DOCUMENT + 1];
    let error = answered_as(MEDIA_TYPE, "200 OK", &larger).await.unwrap_err();
    assert!(error.to_string().contains("more than 1 MiB"), "{error}");
}

#[tokio::test]
async fn who_sends_without_end_is_hung_up_on() {
    let server = Server::new(|stream| {
        stream.write_all(&document(10 << 30)).unwrap();
        let chunk = [b'x'; 8_192];
        let mut sent = 0;
        while stream.write_all(&chunk).is_ok() {
            sent += chunk.len();
        }
        sent
    });
    assert_eq!(server.exchange().await.unwrap_err().code(), "portal-not-an-answer");
    let (_, sent) = server.ended().await;
    assert!(sent < 32 * MAX_DOCUMENT, "{sent}");
}

#[tokio::test]
async fn who_hangs_up_is_unreachable() {
    let at_once = Server::new(|_| ());
    assert_eq!(at_once.exchange().await.unwrap_err().code(), "portal-unreachable");
    let within = Server::new(|stream| {
        stream.write_all(&document(100)).unwrap();
        stream.write_all(b"half an answer").unwrap();
    });
    assert_eq!(within.exchange().await.unwrap_err().code(), "portal-unreachable");
    let other = Server::new(|stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n")));
    assert_eq!(other.exchange().await.unwrap_err().code(), "portal-unreachable");
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_the_cause_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = exchange(&url).await.unwrap_err();
    assert_eq!(error.code(), "portal-unreachable");
    assert!(error.to_string().contains("refused"), "{error}");
}

/// While nothing comes, the clock of the test leaps to the end of the client's patience.
#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_given_a_minute() {
    let start = tokio::time::Instant::now();
    let silent = Server::new(|stream| drop(stream.read(&mut [0])));
    let error = silent.exchange().await.unwrap_err();
    assert_eq!(error.code(), "portal-unreachable");
    assert!(start.elapsed() <= Duration::from_secs(61), "{:?}", start.elapsed());
    silent.ended().await;
}

#[tokio::test(start_paused = true)]
async fn who_drips_is_given_no_more_than_a_minute() {
    let start = tokio::time::Instant::now();
    let dripping = Server::new(|stream| {
        stream.write_all(&document(1_000_000)).unwrap();
        while stream.write_all(b"x").is_ok() {
            // The other side's time, not the test's: only so is it a drip.
            thread::sleep(Duration::from_millis(1));
        }
    });
    let error = dripping.exchange().await.unwrap_err();
    assert_eq!(error.code(), "portal-unreachable");
    assert!(start.elapsed() <= Duration::from_secs(61), "{:?}", start.elapsed());
    dripping.ended().await;
}

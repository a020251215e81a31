//! What stands in front of hyper, held against hyper alone: whatever is sent, both say the same.

use super::stage::*;
use crate::api::{AgentHandle, ServerOptions, read_router, serve, serve_status};
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use std::{future::pending, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time::timeout,
};

const PLAIN: &str = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";

/// Requests that are nearly the one that is answered in front, and some that are not.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let near = prop::sample::select(vec![
        PLAIN,
        "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        "GET /v1/status HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nhost: x\r\nif-none-match: W/\"1\"\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\n\r\n",
        "GET /v1/status HTTP/1.0\r\nhost: x\r\n\r\n",
        "HEAD /v1/status HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /v1/status?after=0 HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /v1/serial HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST /v1/status HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    ]);
    prop_oneof![
        4 => near.prop_map(|text| text.as_bytes().to_vec()),
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| {
            let mut bytes = PLAIN.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        2 => (any::<Index>(), proptest::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, more)| {
            let mut bytes = PLAIN.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes.splice(at..at, more);
            bytes
        }),
        1 => any::<Index>().prop_map(|at| PLAIN.as_bytes()[..at.index(PLAIN.len())].to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        // Longer than what is looked at in front.
        1 => (0..5_000_usize).prop_map(|length| {
            format!("GET /v1/status HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(length)).into_bytes()
        }),
    ]
}

/// A socket with the front before hyper, and one with hyper alone.
fn served(folder: &TempDir, agent: &AgentHandle) -> [std::path::PathBuf; 2] {
    let [fronted, alone] = ["fronted", "alone"].map(|name| folder.path().join(name));
    let options = ServerOptions::default();
    let bind = |path: &Path| UnixListener::bind(path).unwrap();
    let published = agent.published.clone();
    let router = read_router(agent.clone());
    tokio::spawn(serve_status(bind(&fronted), router, published, options, pending()));
    tokio::spawn(serve(bind(&alone), read_router(agent.clone()), options, pending()));
    [fronted, alone]
}

/// What came back, and whether the other end hung up on what was still being sent: then it may not all have come through.
struct Said {
    back: Vec<u8>,
    hung_up: bool,
}

/// Sends bytes in pieces, and reads to the end.
async fn said(path: &Path, bytes: &[u8], piece: usize) -> Said {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let mut hung_up = false;
    for piece in bytes.chunks(piece) {
        hung_up = stream.write_all(piece).await.is_err();
        if hung_up {
            break;
        }
        tokio::task::yield_now().await;
    }
    hung_up |= stream.shutdown().await.is_err();
    let mut back = Vec::new();
    let end = timeout(Duration::from_mins(1), stream.read_to_end(&mut back));
    hung_up |= end.await.expect("it never ended").is_err();
    Said { back, hung_up }
}

/// Answers as they can be compared: the lines of each head sorted, the time left out. So is a last `400`: whether hyper says it or
/// hangs up in silence depends on the pieces in which what is wrong arrives.
fn comparable(back: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(back);
    let text = text.split("HTTP/1.1 400 Bad Request").next().unwrap_or_default().to_lowercase();
    let mut lines: Vec<_> =
        text.lines().filter(|line| !line.starts_with("date:")).map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn whatever_is_sent_is_answered_as_by_hyper_alone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::activated());
    let folder = tempfile::tempdir().unwrap();
    let [fronted, alone] = runtime.block_on(async { served(&folder, stage.handle()) });
    let requests = proptest::collection::vec(any_request(), 1..4);
    let compared = std::cell::Cell::new(0);
    let config =
        ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let ran = TestRunner::new(config).run(&(requests, 1..300_usize), |(requests, piece)| {
        let bytes = requests.concat();
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let (front, hyper) = runtime.block_on(async {
            (said(&fronted, &bytes, piece).await, said(&alone, &bytes, piece).await)
        });
        let (one, other) = (comparable(&front.back), comparable(&hyper.back));
        if front.hung_up || hyper.hung_up {
            let (less, more) = if front.hung_up { (one, other) } else { (other, one) };
            prop_assert!(hyper.hung_up || less.iter().all(|line| more.contains(line)), "{}", shown);
            return Ok(());
        }
        compared.set(compared.get() + 1);
        prop_assert_eq!(one, other, "{}", shown);
        Ok(())
    });
    ran.unwrap();
    assert!(compared.get() > 200, "{} were compared", compared.get());
}

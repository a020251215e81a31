//! One server after another on the same socket and the same connections: nobody who asks sees that one ended.

use super::stage::*;
use crate::api::{AgentHandle, Resumed, ServerOptions, read_router, serve, serve_status};
use std::{
    os::{fd::OwnedFd, unix::net},
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

/// Servers that come one after another.
const SERVERS: usize = 40;
/// Answers of each, before the next one comes.
const ANSWERS: usize = 300;

/// Who answers: hyper alone, or with the status in front of it.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Hyper,
    Fronted,
}

/// A socket that stays while its servers change.
struct Socket {
    _folder: TempDir,
    path: PathBuf,
    listener: net::UnixListener,
}

impl Socket {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = net::UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { _folder: folder, path, listener }
    }

    /// Serves the socket and what was left of it until `stop`, and leaves what waits.
    async fn serve(
        &self,
        kind: Kind,
        agent: &AgentHandle,
        left: Vec<OwnedFd>,
        stop: impl Future<Output = ()> + Send,
    ) -> Vec<OwnedFd> {
        let listener = UnixListener::from_std(self.listener.try_clone().unwrap()).unwrap();
        let left = left.into_iter().map(net::UnixStream::from);
        let left = left.map(|stream| UnixStream::from_std(stream).unwrap()).collect();
        let listener = Resumed::new(listener, left);
        let options = ServerOptions { hand_over: true, ..ServerOptions::default() };
        let router = read_router(agent.clone());
        match kind {
            Kind::Hyper => serve(listener, router, options, stop).await,
            Kind::Fronted => {
                serve_status(listener, router, agent.published.clone(), options, stop).await
            }
        }
    }
}

/// What a client sends again and again, in these pieces, and how many answers that brings.
const QUESTIONS: [(&[&str], usize); 5] = [
    (&["GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"], 1),
    (&["GET /v1/serial HTTP/1.1\r\nhost: x\r\n\r\n"], 1),
    (&["GET /v1/sta", "tus HTTP/1.1\r\nho", "st: x\r\n\r\n"], 1),
    (&["GET /v1/ser", "ial HTTP/1.1\r\nho", "st: x\r\n\r\n"], 1),
    (
        &[
            "GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/features HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/sta",
            "tus HTTP/1.1\r\nhost: x\r\n\r\n",
        ],
        3,
    ),
];

/// Reads an answer that tells its length, to its end, and no further.
async fn read_answer(stream: &mut UnixStream, ahead: &mut Vec<u8>) {
    loop {
        let text = String::from_utf8_lossy(ahead).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().unwrap();
            if body.len() >= length {
                ahead.drain(..head.len() + 4 + length);
                return;
            }
        }
        let read = stream.read_buf(ahead).await.expect("the connection was reset");
        assert!(read > 0, "the connection was closed after {text:?}");
    }
}

/// Asks until the servers have ended, on one connection or on a new one each time.
async fn ask(path: PathBuf, which: usize, keeps: bool, answered: watch::Sender<usize>) {
    let (pieces, answers) = QUESTIONS[which % QUESTIONS.len()];
    let connect = || UnixStream::connect(&path);
    let mut stream = connect().await.unwrap();
    while *answered.borrow() < SERVERS * ANSWERS {
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.expect("what was asked was not taken");
            tokio::task::yield_now().await;
        }
        let mut ahead = Vec::new();
        for _ in 0..answers {
            read_answer(&mut stream, &mut ahead).await;
        }
        assert!(ahead.is_empty());
        answered.send_modify(|number| *number += 1);
        if !keeps {
            stream = connect().await.unwrap();
        }
    }
}

#[tokio::test]
async fn no_question_is_lost_where_one_server_follows_another() {
    for kind in [Kind::Hyper, Kind::Fronted] {
        let stage = Stage::activated().await;
        let socket = Socket::new();
        let answered = watch::Sender::new(0);
        let mut clients = JoinSet::new();
        for which in 0..20 {
            clients.spawn(ask(socket.path.clone(), which, which < 15, answered.clone()));
        }
        let (mut left, mut kept) = (Vec::new(), 0);
        for server in 1..=SERVERS + 1 {
            let mut count = answered.subscribe();
            // Some are stopped before they have looked at anything.
            let answers = if server % 4 == 0 { 0 } else { server * ANSWERS };
            let stop = async move {
                let _ = count.wait_for(|count| *count >= answers).await;
            };
            let clients_end =
                async { while clients.join_next().await.is_some_and(|c| c.is_ok()) {} };
            let serving = socket.serve(kind, stage.handle(), left, stop);
            left = tokio::select! {
                left = serving => left,
                () = clients_end, if server > SERVERS => break,
            };
            kept += left.len();
        }
        assert!(clients.is_empty(), "{kind:?}: a client failed");
        assert!(kept > 10 * SERVERS, "{kind:?}: {kept} connections were handed over");
    }
}

/// A connection on which one question was answered.
async fn connection(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(QUESTIONS[0].0[0].as_bytes()).await.unwrap();
    read_answer(&mut stream, &mut Vec::new()).await;
    stream
}

#[tokio::test]
async fn a_stream_of_events_ends_whole_and_its_connection_goes_on() {
    let stage = Stage::activated().await;
    let socket = Socket::new();
    let (stop, mut stopped) = watch::channel(false);
    let (mut agent, published) = (stage.handle().clone(), watch::Sender::new(None));
    published.send_replace(agent.published.borrow().clone());
    agent.published = published.subscribe();
    let serving = async {
        socket
            .serve(Kind::Fronted, &agent, Vec::new(), async move {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            })
            .await
    };
    let watching = async {
        let mut stream = connection(&socket.path).await;
        stream.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"\n\n\r\n") {
            stream.read_buf(&mut told).await.unwrap();
        }
        stop.send_replace(true);
        tokio::task::yield_now().await;
        // The agent ends.
        drop(published);
        while !told.ends_with(b"\r\n0\r\n\r\n") {
            assert!(stream.read_buf(&mut told).await.unwrap() > 0, "it broke off");
        }
        stream
    };
    let (left, mut stream) = tokio::join!(serving, watching);
    assert_eq!(left.len(), 1);
    let going_on = socket.serve(Kind::Hyper, stage.handle(), left, std::future::pending());
    let asking = async {
        stream.write_all(QUESTIONS[1].0[0].as_bytes()).await.unwrap();
        read_answer(&mut stream, &mut Vec::new()).await;
    };
    tokio::select! {
        _ = going_on => unreachable!("it has no stop"),
        () = asking => {}
    }
}

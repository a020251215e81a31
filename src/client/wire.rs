//! One connection to the agent: HTTP/1.0, in which an answer ends with its connection, within bounds of time and size.

use super::ClientError;
use crate::problem::{PROBLEM_MEDIA_TYPE, Problem};
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::{
    io::{self, Read},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest head of an answer, bytes.
const LONGEST_HEAD: usize = 16 << 10;
/// Headers of a head.
const MOST_HEADERS: usize = 64;
/// Longest body, and longest line of a stream, bytes: a status is a few thousand.
pub(super) const LONGEST_BODY: usize = 4 << 20;
/// Bytes that are read at once.
const PIECE: usize = 8 << 10;

/// The end of the time that something may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    patience: Duration,
    end: Instant,
}

impl Deadline {
    /// In that time, a day at the most.
    pub(super) fn within(patience: Duration) -> Self {
        let patience = patience.clamp(Duration::from_millis(1), Duration::from_hours(24));
        Self { patience, end: Instant::now() + patience }
    }

    fn left(self) -> Option<Duration> {
        self.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    path: PathBuf,
    stream: Arc<UnixStream>,
    /// What was read and not taken yet.
    buffer: Vec<u8>,
    /// Up to where there is no line's end in it.
    scanned: usize,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    status: u16,
    media_type: String,
    length: Option<usize>,
}

impl Head {
    pub(super) fn is_stream(&self) -> bool {
        self.status == 200 && self.media_type.starts_with("text/event-stream")
    }
}

impl Wire {
    /// Connects to a socket.
    pub(super) fn connect(path: &Path, deadline: Deadline) -> Result<Self, ClientError> {
        let connect = || -> io::Result<UnixStream> {
            let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
            let socket: OwnedFd = net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
            let left = deadline.left().ok_or(io::ErrorKind::TimedOut)?;
            // Set before the socket connects, it bounds the wait for a place in the queue as well.
            net::sockopt::set_socket_timeout(&socket, net::sockopt::Timeout::Send, Some(left))?;
            rustix::io::retry_on_intr(|| net::connect(&socket, &SocketAddrUnix::new(path)?))?;
            Ok(UnixStream::from(socket))
        };
        let stream = connect()
            .map_err(|error| ClientError::of_socket(path.to_owned(), &error, deadline.patience))?;
        let stream = Arc::new(stream);
        Ok(Self { path: path.to_owned(), stream, buffer: Vec::new(), scanned: 0 })
    }

    /// What ends the connection from another thread.
    pub(super) fn stream(&self) -> Arc<UnixStream> {
        Arc::clone(&self.stream)
    }

    /// Sends a request.
    pub(super) fn send(&self, request: &[u8], deadline: Deadline) -> Result<(), ClientError> {
        let mut rest = request;
        while !rest.is_empty() {
            // The host may not ignore SIGPIPE, as Rust's programs do.
            let sent =
                rustix::io::retry_on_intr(|| net::send(&*self.stream, rest, SendFlags::NOSIGNAL));
            let sent = sent.map_err(|error| self.failed(&error.into(), deadline))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads the head of the answer.
    pub(super) fn head(&mut self, deadline: Deadline) -> Result<Head, ClientError> {
        loop {
            if let Some((head, length)) = self.parse()? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            if self.buffer.len() > LONGEST_HEAD {
                return Err(self.not_an_agent("a head without an end"));
            }
            if !self.fill(deadline)? {
                return Err(self.broke_off());
            }
        }
    }

    fn parse(&self) -> Result<Option<(Head, usize)>, ClientError> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&self.buffer);
        let Ok(httparse::Status::Complete(begun)) = parsed else {
            let error = parsed.err();
            return error.map_or(Ok(None), |_| Err(self.not_an_agent("no HTTP")));
        };
        let text = |name: &str| {
            let found = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
            found.map(|header| String::from_utf8_lossy(header.value).into_owned())
        };
        if text("transfer-encoding").is_some() {
            return Err(self.not_an_agent("a transfer encoding, which HTTP/1.0 has not"));
        }
        let length = match text("content-length").map(|length| length.parse::<usize>()) {
            None => None,
            Some(Ok(length)) if length <= LONGEST_BODY => Some(length),
            Some(_) => return Err(self.not_an_agent("an answer of a length that it can't have")),
        };
        let status = response.code.unwrap_or_default();
        let media_type = text("content-type").unwrap_or_default();
        Ok(Some((Head { status, media_type, length }, begun)))
    }

    /// Reads the body: that of a success, or what was refused.
    pub(super) fn body(mut self, head: &Head, deadline: Deadline) -> Result<Vec<u8>, ClientError> {
        while head.length.is_none_or(|length| self.buffer.len() < length) {
            if self.buffer.len() > LONGEST_BODY {
                return Err(self.not_an_agent("an answer without an end"));
            }
            if !self.fill(deadline)? {
                if head.length.is_some() {
                    return Err(self.broke_off());
                }
                break;
            }
        }
        if let Some(length) = head.length {
            self.buffer.truncate(length);
        }
        if head.status == 200 {
            return Ok(self.buffer);
        }
        if head.media_type.starts_with(PROBLEM_MEDIA_TYPE)
            && let Ok(problem) = serde_json::from_slice::<Problem>(&self.buffer)
        {
            return Err(ClientError::Refused(problem));
        }
        Err(self.not_an_agent(&format!("the status {}", head.status)))
    }

    /// The next line of a stream without its end; nothing where the stream is over.
    pub(super) fn line(&mut self, deadline: Deadline) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
            if let Some(end) = unseen.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=self.scanned + end).collect();
                self.scanned = 0;
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            self.scanned = self.buffer.len();
            if self.buffer.len() > LONGEST_BODY {
                return Err(self.not_an_agent("a line without an end"));
            }
            if !self.fill(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Reads what comes next; false at the end.
    fn fill(&mut self, deadline: Deadline) -> Result<bool, ClientError> {
        let begun = self.buffer.len();
        let read = loop {
            let Some(left) = deadline.left() else {
                let (path, patience) = (self.path.clone(), deadline.patience);
                return Err(ClientError::TimedOut { path, patience });
            };
            self.buffer.resize(begun + PIECE, 0);
            let room = self.buffer.get_mut(begun..).unwrap_or_default();
            let timeout = self.stream.set_read_timeout(Some(left));
            let read = timeout.and_then(|()| (&*self.stream).read(room));
            self.buffer.truncate(begun + read.as_ref().copied().unwrap_or_default());
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        read.map(|read| read > 0).map_err(|error| self.failed(&error, deadline))
    }

    fn failed(&self, error: &io::Error, deadline: Deadline) -> ClientError {
        ClientError::of_socket(self.path.clone(), error, deadline.patience)
    }

    fn broke_off(&self) -> ClientError {
        let reason = "the connection broke off before the answer was whole".to_owned();
        ClientError::Unreachable { path: self.path.clone(), reason }
    }

    pub(super) fn not_an_agent(&self, found: &str) -> ClientError {
        ClientError::NotAnAgent { path: self.path.clone(), found: found.to_owned() }
    }
}

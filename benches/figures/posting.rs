//! A lean client that sends other bodies each time: one thread, non-blocking sockets, `poll`.

use crate::{Failure, load::cpu_time};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// What one lot of requests gave.
pub(crate) struct Posted {
    pub(crate) per_second: f64,
    pub(crate) median_milliseconds: f64,
    pub(crate) p99_milliseconds: f64,
    /// The server's user and system time, microseconds a request.
    pub(crate) cpu_microseconds: f64,
    /// The bodies of the answers, in the order of the requests.
    pub(crate) answers: Vec<String>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// The request under way.
    request: Option<usize>,
    asked: Instant,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, received: Vec::new(), request: None, asked: Instant::now() })
    }

    /// Sends the next request, if there is one. A request fits the socket's buffer.
    fn send(&mut self, requests: &[Vec<u8>], next: &mut usize) -> Result<(), Failure> {
        self.request = requests.get(*next).map(|_| *next);
        let Some(request) = self.request else { return Ok(()) };
        *next += 1;
        self.asked = Instant::now();
        Ok(self.stream.write_all(&requests[request])?)
    }

    /// The answer's body where it is whole.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<String>, Failure> {
        match self.stream.read(buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(read) => self.received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Some(head) = self.received.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&self.received[..head])?.to_ascii_lowercase();
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let whole = head + 4 + length.unwrap_or(0);
        if self.received.len() < whole {
            return Ok(None);
        }
        let body = String::from_utf8(self.received.drain(..whole).skip(head + 4).collect())?;
        if text.starts_with("http/1.1 200 ") {
            return Ok(Some(body));
        }
        Err(format!("refused: {body}").into())
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /v1/requests HTTP/1.1\r\nHost: portal\r\nContent-Type: application/jose\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Sends all `requests` to the server of `process`, as many at once as there are connections.
pub(crate) fn post_all(
    address: SocketAddr,
    process: u32,
    connections: usize,
    requests: &[Vec<u8>],
) -> Result<Posted, Failure> {
    let open = (0..connections).map(|_| Connection::open(address));
    let mut connections = open.collect::<Result<Vec<_>, _>>()?;
    let mut answers = vec![String::new(); requests.len()];
    let mut waited = Vec::with_capacity(requests.len());
    let (mut buffer, mut next) = (vec![0; 64 << 10], 0);
    let cpu = cpu_time(process)?;
    let start = Instant::now();
    for connection in &mut connections {
        connection.send(requests, &mut next)?;
    }
    while waited.len() < requests.len() {
        let mut waiting: Vec<_> =
            connections.iter().map(|c| PollFd::new(&c.stream, PollFlags::IN)).collect();
        poll(&mut waiting, None)?;
        let ready: Vec<bool> = waiting.iter().map(|w| !w.revents().is_empty()).collect();
        for (connection, _) in connections.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            if let (Some(request), Some(answer)) =
                (connection.request, connection.receive(&mut buffer)?)
            {
                waited.push(connection.asked.elapsed());
                answers[request] = answer;
                connection.send(requests, &mut next)?;
            }
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = cpu_time(process)?.saturating_sub(cpu).as_secs_f64();
    waited.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let count = f64::from(u32::try_from(waited.len())?);
    Ok(Posted {
        per_second: count / elapsed,
        median_milliseconds: milliseconds(waited[waited.len() / 2]),
        p99_milliseconds: milliseconds(waited[waited.len() * 99 / 100]),
        cpu_microseconds: cpu * 1e6 / count,
        answers,
    })
}

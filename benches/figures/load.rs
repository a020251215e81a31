//! A lean client: one thread, non-blocking sockets, `poll`. A client that costs more than the server hides differences.

use crate::Failure;
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// An answer taken apart.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// Head and body, bytes.
    length: usize,
}

/// What one round gave.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) mean_microseconds: f64,
    pub(crate) cpu_microseconds: f64,
}

/// A question asked again and again on some connections.
pub(crate) struct Load {
    socket: PathBuf,
    path: &'static str,
    connections: usize,
    process: u32,
}

struct Connection {
    stream: UnixStream,
    received: usize,
    asked: Instant,
}

impl Load {
    pub(crate) fn new(
        socket: PathBuf,
        path: &'static str,
        connections: usize,
        process: u32,
    ) -> Self {
        Self { socket, path, connections, process }
    }

    pub(crate) fn run(&self, duration: Duration) -> Result<Measured, Failure> {
        let question = question(self.path);
        let length = fetch(&self.socket, self.path)?.length;
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_nonblocking(true)?;
            stream.write_all(question.as_bytes())?;
            connections.push(Connection { stream, received: 0, asked: Instant::now() });
        }
        let mut buffer = vec![0; 64 << 10];
        let (mut answers, mut waited) = (0u32, Duration::ZERO);
        let cpu = cpu_time(self.process)?;
        let start = Instant::now();
        while start.elapsed() < duration {
            wait(&connections)?;
            for connection in &mut connections {
                if !receive(connection, &mut buffer, length)? {
                    continue;
                }
                answers += 1;
                waited += connection.asked.elapsed();
                connection.asked = Instant::now();
                connection.stream.write_all(question.as_bytes())?;
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        let cpu = cpu_time(self.process)?.saturating_sub(cpu).as_secs_f64();
        let answers = f64::from(answers);
        Ok(Measured {
            per_second: answers / elapsed,
            mean_microseconds: waited.as_secs_f64() * 1e6 / answers,
            cpu_microseconds: cpu * 1e6 / answers,
        })
    }
}

fn wait(connections: &[Connection]) -> Result<(), Failure> {
    let mut waiting: Vec<_> =
        connections.iter().map(|c| PollFd::new(&c.stream, PollFlags::IN)).collect();
    poll(&mut waiting, None)?;
    Ok(())
}

/// Reads what there is; true where the answer is whole.
fn receive(connection: &mut Connection, buffer: &mut [u8], length: usize) -> Result<bool, Failure> {
    match connection.stream.read(buffer) {
        Ok(0) => Err("the server closed a connection".into()),
        Ok(read) => {
            connection.received += read;
            let whole = connection.received >= length;
            if whole {
                connection.received = 0;
            }
            Ok(whole)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// One answer.
pub(crate) fn fetch(socket: &Path, path: &str) -> Result<Answer, Failure> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(question(path).as_bytes())?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..read]);
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(head) = head.map(|at| at + 4) else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.ok_or("an answer without content-length")?;
        if bytes.len() >= head + length {
            return Ok(Answer { body: bytes[head..head + length].to_vec(), length: head + length });
        }
    }
}

fn question(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// User and system time of a process, proc(5): fields 14 and 15, in hundredths of a second.
pub(crate) fn cpu_time(process: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?.1;
    let mut ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let mut next = || ticks.next().ok_or("too few fields in /proc/PID/stat");
    Ok(Duration::from_millis(10 * (next()?? + next()??)))
}

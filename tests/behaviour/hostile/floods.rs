//! Clients in great numbers and of great size: nobody else waits for them, memory stays bounded, and nothing of it is stored.

use super::{activated::Activated, room_for};
use crate::stage::{Done, Socket};
use rustix::process::geteuid;
use std::{
    fs::{self, Permissions},
    io::{ErrorKind, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    process::Command,
    time::{Duration, Instant},
};

/// Below the half minute after which silent ends are closed; an honest answer takes milliseconds on a machine that is not busy.
const PROMPT: Duration = Duration::from_secs(25);
/// What floods may cost in memory, KiB: some kilobytes for each of the connections that are kept.
const MOST_MEMORY: u64 = 48 << 10;
/// Who owns nothing, on most systems.
const NOBODY: u32 = 65_534;
const STATUS: &[u8] = b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n";

fn every_socket(agent: &Activated) -> [Socket; 3] {
    ["entitled.sock", "usage.sock", "admin.sock"].map(|name| agent.controller.socket.beside(name))
}

/// Another user, where this test may become one. The command is a copy, in a folder that everybody may enter.
struct Other(Option<std::path::PathBuf>);

impl Other {
    fn of(agent: &Activated) -> Self {
        if !geteuid().is_root() {
            return Self(None);
        }
        let copy = agent.controller.path("run/entitlectl");
        fs::copy(env!("CARGO_BIN_EXE_entitlectl"), &copy).unwrap();
        for folder in [copy.parent().unwrap(), copy.parent().unwrap().parent().unwrap()] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        Self(Some(copy))
    }

    /// Asks for the status, which is answered promptly.
    #[track_caller]
    fn asks(&self, agent: &Activated) {
        let Some(ctl) = &self.0 else { return };
        let begin = Instant::now();
        let mut command = Command::new(ctl);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        command.arg("--socket").arg(&agent.controller.socket.path).arg("status");
        let done = Done::of(command, "");
        assert_eq!(done.code, 0, "{done:?}");
        assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
    }
}

/// Connects as often as that, and sends the same on each.
fn crowd(socket: &Socket, many: u64, bytes: &[u8]) -> Vec<UnixStream> {
    let connect = |_| {
        let mut stream = socket.connect();
        // One that was sent away at once can't be written to.
        let _ = stream.write_all(bytes);
        stream
    };
    (0..many).map(connect).collect()
}

#[test]
fn five_thousand_connections_keep_no_other_user_out() {
    let many = room_for(5_000);
    let agent = Activated::new();
    let (other, before) = (Other::of(&agent), agent.stored());
    let memory = agent.peak_memory();
    for socket in every_socket(&agent) {
        let half = b"POST /v1/refresh HTTP/1.1\r\nhost: x\r\ncontent-le";
        for bytes in [&b""[..], STATUS, half] {
            let streams = crowd(&socket, many, bytes);
            other.asks(&agent);
            let begin = Instant::now();
            // The same user on another socket: each has places of its own.
            let elsewhere = every_socket(&agent).into_iter().find(|s| s.path != socket.path);
            assert!(answers(&elsewhere.unwrap()));
            assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
            drop(streams);
            // Those that left are noticed as soon as their ends are read.
            while UnixStream::connect(&socket.path).is_err() || !answers(&socket) {
                assert!(begin.elapsed() < PROMPT * 2, "{}", socket.path.display());
            }
        }
    }
    assert!(agent.peak_memory() < memory + MOST_MEMORY, "{} KiB", agent.peak_memory());
    assert_eq!(agent.stored(), before);
    agent.assert_well();
}

fn answers(socket: &Socket) -> bool {
    // On the socket for usage there is nothing to read: it says so.
    let livez = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let back = socket.raw(livez);
    back.starts_with("HTTP/1.1 200") || back.starts_with("HTTP/1.1 404")
}

/// Asks until the answers that nobody reads have filled every buffer.
fn ask_without_reading(socket: &Socket, question: &str) -> UnixStream {
    let mut stream = socket.connect();
    stream.set_nonblocking(true).unwrap();
    let questions = question.repeat(200);
    // Far more than any buffer holds; the server stops to read long before.
    for _ in 0..2_000 {
        match stream.write(questions.as_bytes()) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream
}

#[test]
fn who_never_reads_costs_one_buffer_and_holds_nobody_up() {
    let agent = Activated::new();
    let (other, before) = (Other::of(&agent), agent.stored());
    let memory = agent.peak_memory();
    let mut streams = Vec::new();
    for socket in every_socket(&agent) {
        for path in ["/v1/status", "/v1/features", "/livez"] {
            let question = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            streams.extend((0..6).map(|_| ask_without_reading(&socket, &question)));
        }
    }
    other.asks(&agent);
    let begin = Instant::now();
    assert_eq!(agent.controller.ctl.run(&["status"]).code, 0);
    assert!(every_socket(&agent).iter().all(answers));
    assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
    assert!(agent.peak_memory() < memory + MOST_MEMORY, "{} KiB", agent.peak_memory());
    drop(streams);
    assert_eq!(agent.stored(), before);
    agent.assert_well();
}

#[test]
fn ten_mebibytes_are_refused_on_every_socket_and_kept_nowhere() {
    let agent = Activated::new();
    let (before, memory) = (agent.stored(), agent.peak_memory());
    let large = "a".repeat(10 << 20);
    let routes = [
        ("admin.sock", "POST /v1/install"),
        ("admin.sock", "POST /v1/activate"),
        ("admin.sock", "POST /v1/request"),
        ("admin.sock", "POST /v1/refresh"),
        ("admin.sock", "POST /v1/release"),
        ("usage.sock", "PUT /v1/usage/users"),
    ];
    for (socket, route) in routes {
        let declared = format!("content-length: {}", large.len());
        for framing in [declared.as_str(), "transfer-encoding: chunked"] {
            let head = format!(
                "{route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
            );
            let body = if framing.starts_with("transfer") {
                format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len())
            } else {
                large.clone()
            };
            let socket = agent.controller.socket.beside(socket);
            let back = socket.raw(&[head.as_bytes(), body.as_bytes()].concat());
            // Hung up on while it still sends, or answered.
            assert!(
                back.is_empty() || back.starts_with("HTTP/1.1 413"),
                "{route} {framing}: {back}"
            );
            assert!(back.len() < 4_096, "it repeats what came");
            other_is_answered(&agent);
        }
    }
    assert!(agent.peak_memory() < memory + MOST_MEMORY, "{} KiB", agent.peak_memory());
    assert_eq!(agent.stored(), before);
    agent.assert_well();
}

#[track_caller]
fn other_is_answered(agent: &Activated) {
    assert_eq!(agent.controller.socket.get("/livez").body, "ok\n");
}

/// Garbage, half requests and nonsense in the right form, on every socket: nothing is stored, not even that it came.
#[test]
fn garbage_is_stored_nowhere() {
    let agent = Activated::new();
    let before = agent.stored();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for socket in every_socket(&agent) {
        for bytes in [
            &noise[..],
            b"POST /v1/activate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"a\":[[[[",
            b"POST /v1/request HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nnull",
            b"PUT /v1/usage/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            b"DELETE / HTTP/1.1\r\nhost: x\r\n\r\n",
            b"POST /v1/release HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf",
        ] {
            let mut stream = socket.connect();
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut back = Vec::new();
            let _ = std::io::Read::read_to_end(&mut stream, &mut back);
            let back = String::from_utf8_lossy(&back);
            assert!(!back.contains(" 200 "), "{back}");
        }
    }
    assert_eq!(agent.stored(), before);
    agent.assert_well();
}

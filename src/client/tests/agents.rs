//! A socket that plays an agent, by a script.

use crate::client::{Builder, Client};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

pub(super) const STREAM: &str = "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// A socket in a folder of its own.
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("entitled.sock")
    }

    pub(super) fn listen(&self) -> UnixListener {
        let path = self.socket();
        drop(std::fs::remove_file(&path));
        UnixListener::bind(path).unwrap()
    }

    pub(super) fn builder(&self) -> Builder {
        Client::builder().socket(self.socket()).patience(PATIENCE)
    }

    /// Answers every connection with the same, and closes it; the first line of each request goes to nobody.
    pub(super) fn always(&self, answer: Vec<u8>) {
        let listener = self.listen();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                asked(&stream);
                // A client that has read enough hangs up.
                drop((&stream).write_all(&answer));
            }
        });
    }
}

/// Reads the head of a request: its first line.
pub(super) fn asked(stream: &UnixStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    first
}

/// An event with a status.
pub(super) fn event(status: &Value) -> String {
    format!("event: status\nid: {}\ndata: {status}\n\n", status["generation"])
}

/// A status of that generation, in which `reports` has a value.
pub(super) fn status(generation: u64, reports: impl Into<Value>) -> Value {
    json!({
        "serial_number": null, "role": "controller", "state": "active", "entitled": true,
        "reason": "in-term", "message": "in term", "generation": generation,
        "since": "2026-11-24T06:00:00Z", "environment": null, "license": null,
        "features": { "reports": reports.into(), "tier": "gold", "off": false, "none": null },
        "limits": { "users": { "limit": 1000, "enforcement": "hard", "used": 812, "state": "near" } },
        "conditions": [], "hardware": null,
        "upstream": { "kind": "none", "url": null, "reachable": null, "last_contact": null, "next_refresh": null },
    })
}

//! A way to the server that can be blocked, and that can be lost at the worst moment.

use super::admin_url;
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// What becomes of what the portal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is passed on.
    Open,
    /// It is taken and not passed on: the server's machine acknowledges, and nobody answers.
    Blocked,
    /// It is passed on, and the answer to the first commit is lost with the connection.
    LostAtCommit,
}

#[derive(Default)]
struct Gate(Mutex<Option<Way>>, Condvar);

impl Gate {
    /// How it is passed on, once it is.
    fn pass(&self) -> Way {
        let way = self.0.lock().unwrap();
        let way = self.1.wait_while(way, |way| *way == Some(Way::Blocked)).unwrap();
        way.unwrap_or(Way::Open)
    }
}

pub(super) struct Proxy {
    gate: Arc<Gate>,
    port: u16,
}

impl Proxy {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Arc::<Gate>::default();
        let kept = gate.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(server()).unwrap();
                join(&client.unwrap(), &server, &kept);
            }
        });
        Self { gate, port }
    }

    /// The URL of that database by this way.
    pub(super) fn url(&self, url: &str) -> String {
        url.replace(&server(), &format!("127.0.0.1:{}", self.port))
    }

    pub(super) fn set(&self, way: Way) {
        *self.gate.0.lock().unwrap() = Some(way);
        self.gate.1.notify_all();
    }
}

/// The server's address and port.
fn server() -> String {
    let url = admin_url();
    let (_, rest) = url.rsplit_once('@').unwrap();
    rest.split_once('/').unwrap().0.to_owned()
}

fn join(client: &TcpStream, server: &TcpStream, gate: &Arc<Gate>) {
    let is_lost = Arc::new(Mutex::new(false));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (gate, lost) = (gate.clone(), is_lost.clone());
    thread::spawn(move || {
        each(&mut from, |bytes| {
            let is_commit = bytes.windows(7).any(|seen| seen == b"COMMIT\0");
            if gate.pass() == Way::LostAtCommit && is_commit {
                *lost.lock().unwrap() = true;
            }
            to.write_all(bytes).is_ok()
        });
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        each(&mut from, |bytes| !*is_lost.lock().unwrap() && to.write_all(bytes).is_ok());
        let _ = to.shutdown(Shutdown::Both);
    });
}

fn each(from: &mut TcpStream, mut take: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 8 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !take(&buffer[..length]) {
            return;
        }
    }
}

//! Somebody between an agent and its portal: honest, until it is told to be otherwise.

use crate::stage::Server;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

type Forger = Arc<dyn Fn(&str, &str) -> String + Send + Sync>;

/// What it does with a request.
#[derive(Clone)]
pub(super) enum Manners {
    /// Carries it to the portal, and the answer back.
    Honest,
    /// Says these bytes, whatever they are.
    Says(Vec<u8>),
    /// Says nothing, and keeps the connection.
    Hangs,
    /// Says a byte a second.
    Drips,
    /// Promises 10 GiB, and sends them.
    Floods,
    /// Makes a document of the request and the true answer.
    Forges(Forger),
}

impl Manners {
    pub(super) fn forges(forger: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        Self::Forges(Arc::new(forger))
    }
}

/// The head of an answer with a document of that length.
pub(super) fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/jose\r\ncontent-length: {length}\r\n\r\n")
}

/// It, on loopback, to the end of the test.
pub(super) struct Impostor {
    pub(super) url: String,
    manners: Arc<Mutex<Manners>>,
    answers: Arc<Mutex<Vec<String>>>,
}

impl Impostor {
    pub(super) fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let impostor = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            manners: Arc::new(Mutex::new(Manners::Honest)),
            answers: Arc::default(),
        };
        let portal = server.url.strip_prefix("http://").unwrap().to_owned();
        let (manners, answers) = (Arc::clone(&impostor.manners), Arc::clone(&impostor.answers));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let manners = manners.lock().unwrap().clone();
                let (portal, answers) = (portal.clone(), Arc::clone(&answers));
                // One who has heard enough hangs up: that is no error here.
                thread::spawn(move || drop(receive(&stream.unwrap(), manners, &portal, &answers)));
            }
        });
        impostor
    }

    pub(super) fn be(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }

    /// The portal's answers that came through here.
    pub(super) fn answers(&self) -> Vec<String> {
        self.answers.lock().unwrap().clone()
    }
}

fn receive(
    mut stream: &TcpStream,
    manners: Manners,
    portal: &str,
    answers: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let request = read_request(stream)?;
    match manners {
        Manners::Honest => {
            let (whole, body) = carried(&request, portal)?;
            answers.lock().unwrap().push(body);
            stream.write_all(whole.as_bytes())
        }
        Manners::Says(bytes) => stream.write_all(&bytes),
        // To the end of the other side's patience.
        Manners::Hangs => stream.read(&mut [0]).map(drop),
        Manners::Drips => {
            stream.write_all(head(1_000_000).as_bytes())?;
            loop {
                stream.write_all(b"x")?;
                thread::sleep(Duration::from_secs(1));
            }
        }
        Manners::Floods => {
            stream.write_all(head(10 << 30).as_bytes())?;
            let piece = vec![b'x'; 65_536];
            (0..(10_u64 << 30) / 65_536).try_for_each(|_| stream.write_all(&piece))
        }
        Manners::Forges(forger) => {
            let (_, body) = carried(&request, portal)?;
            let forged = forger(&request, &body);
            stream.write_all((head(forged.len()) + &forged).as_bytes())
        }
    }
}

/// The body of a request.
fn read_request(stream: &TcpStream) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(found) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = found.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(String::from_utf8(body).unwrap())
}

/// What the portal answers, whole and its body.
fn carried(request: &str, portal: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(portal)?;
    let head = format!(
        "POST /v1/requests HTTP/1.1\r\nhost: portal\r\nconnection: close\r\n\
         content-type: application/jose\r\ncontent-length: {}\r\n\r\n",
        request.len()
    );
    stream.write_all((head + request).as_bytes())?;
    let mut whole = String::new();
    stream.read_to_string(&mut whole)?;
    let body = whole.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Ok((whole, body))
}

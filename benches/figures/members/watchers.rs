//! Many watches in one thread, and when each of them heard what.

use super::people::{Person, controller_name};
use crate::Failure;
use rustls::ClientConfig;
use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::{TcpSocket, TcpStream},
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Connections that are being made at once.
const AT_ONCE: usize = 256;
/// After that a figure is none.
const PATIENCE: Duration = Duration::from_mins(3);
const WATCH: &[u8] = b"GET /v1/watch HTTP/1.1\r\nhost: controller.entitled.internal\r\n\r\n";

/// What all watches have heard.
#[derive(Default)]
pub(super) struct Board {
    /// Statements of a higher generation count.
    after: Cell<u64>,
    heard: RefCell<Vec<Instant>>,
    lost: Cell<usize>,
    changed: Notify,
}

impl Board {
    /// From now on statements of a higher generation than that count.
    pub(super) fn expect(&self, after: u64) {
        self.after.set(after);
        self.heard.borrow_mut().clear();
    }

    /// Waits until so many watches have heard: when each of them did, in that order.
    pub(super) async fn all_heard(&self, count: usize) -> Result<Vec<Instant>, Failure> {
        let whole = async {
            while self.heard.borrow().len() < count {
                self.changed.notified().await;
            }
        };
        timeout(PATIENCE, whole).await.map_err(|_| {
            format!(
                "{} of {count} have heard, {} were lost",
                self.heard.borrow().len(),
                self.lost.get()
            )
        })?;
        Ok(self.heard.borrow().clone())
    }

    /// Waits until so many watches have ended.
    pub(super) async fn all_lost(&self, count: usize) -> Result<(), Failure> {
        let whole = async {
            while self.lost.get() < count {
                self.changed.notified().await;
            }
        };
        timeout(PATIENCE, whole).await.map_err(|_| "the watches do not end")?;
        self.lost.set(0);
        Ok(())
    }

    /// How many have ended.
    pub(super) fn lost(&self) -> usize {
        self.lost.get()
    }

    fn hears(&self, generation: u64, before: u64) {
        let after = self.after.get();
        if generation > after && before <= after {
            self.heard.borrow_mut().push(Instant::now());
            self.changed.notify_one();
        }
    }
}

/// How the watches of some members are opened.
pub(super) struct Crowd {
    pub(super) address: SocketAddr,
    pub(super) board: Rc<Board>,
}

impl Crowd {
    /// Opens a watch for each over a time, in tasks that go on until their watch ends.
    pub(super) fn come(&self, people: &[Person], spread: Duration) -> Result<JoinSet<()>, Failure> {
        let mut tasks = JoinSet::new();
        let doors = Rc::new(Semaphore::new(AT_ONCE));
        let count = f64::from(u32::try_from(people.len())?);
        for (number, person) in people.iter().enumerate() {
            let (config, from, address) = (person.tls()?, person.address, self.address);
            let (board, doors) = (Rc::clone(&self.board), Rc::clone(&doors));
            let wait = spread.mul_f64(f64::from(u32::try_from(number)?) / count);
            tasks.spawn_local(async move {
                tokio::time::sleep(wait).await;
                let ended = watch(config, from, address, &board, &doors).await;
                if let Err(error) = ended {
                    eprintln!("a watch failed: {error}");
                }
                board.lost.set(board.lost.get() + 1);
                board.changed.notify_one();
            });
        }
        Ok(tasks)
    }
}

async fn watch(
    config: Arc<ClientConfig>,
    from: IpAddr,
    address: SocketAddr,
    board: &Board,
    doors: &Semaphore,
) -> Result<(), Failure> {
    let door = doors.acquire().await?;
    let stream = connect(from, address).await?;
    let connector = TlsConnector::from(config);
    let mut tls = Box::new(Box::pin(connector.connect(controller_name()?, stream)).await?);
    drop(connector);
    tls.write_all(WATCH).await?;
    tls.flush().await?;
    follow(&mut tls, board, door).await;
    Ok(())
}

pub(super) async fn connect(from: IpAddr, address: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Hears events until the end. The door is left to the next one at the first word.
pub(super) async fn follow(stream: &mut (impl AsyncRead + Unpin), board: &Board, door: impl Sized) {
    let (mut ears, mut door) = (Ears::default(), Some(door));
    loop {
        // One buffer for all: what waits holds none.
        let read = std::future::poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                let polled = Pin::new(&mut *stream).poll_read(context, &mut buffer);
                polled.map_ok(|()| {
                    ears.take(buffer.filled(), board);
                    buffer.filled().len()
                })
            })
        });
        if !read.await.is_ok_and(|read| read > 0) {
            return;
        }
        drop(door.take());
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

/// Reads chunks, of which each is an event.
#[derive(Default)]
struct Ears {
    /// Bytes of a beginning that is not whole yet.
    begun: Vec<u8>,
    /// What is left of the chunk, with its end.
    left: usize,
    generation: u64,
    before: u64,
}

impl Ears {
    fn take(&mut self, piece: &[u8], board: &Board) {
        let mut joined = std::mem::take(&mut self.begun);
        let mut piece = if joined.is_empty() {
            piece
        } else {
            joined.extend_from_slice(piece);
            &joined[..]
        };
        while !piece.is_empty() {
            if self.left == 0 {
                let Some(begin) = self.begin(piece) else {
                    self.begun = piece.to_vec();
                    return;
                };
                piece = &piece[begin..];
            }
            let there = self.left.min(piece.len());
            self.left -= there;
            piece = &piece[there..];
            if self.left == 0 && self.generation > self.before {
                board.hears(self.generation, self.before);
                self.before = self.generation;
            }
        }
    }

    /// Reads the beginning of a chunk, or the head before the first, and returns its length; nothing where it is not whole.
    fn begin(&mut self, piece: &[u8]) -> Option<usize> {
        if piece.starts_with(b"HTTP") {
            return Some(piece.windows(4).position(|four| four == b"\r\n\r\n")? + 4);
        }
        let line = piece.windows(2).take(16).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&piece[..line]).ok()?, 16).ok()?;
        let event = &piece[line + 2..];
        let near = event.get(..size.min(96))?;
        self.left = size + 2;
        if let Some(id) = id_in(near) {
            self.generation = id;
        }
        Some(line + 2)
    }
}

/// The generation, where an event begins so.
fn id_in(event: &[u8]) -> Option<u64> {
    let at = event.windows(5).position(|five| five == b"\nid: ")? + 5;
    let digits = event[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| 10 * number + u64::from(digit - b'0')))
}

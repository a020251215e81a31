//! Many watches in one thread, and when each of them heard what.

use super::people::{Person, controller_name};
use crate::Failure;
use rustls::ClientConfig;
use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
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
    let (mut generation, mut before, mut door) = (0, 0, Some(door));
    loop {
        let mut buffer = [0; 4_096];
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
        drop(door.take());
        let piece = &buffer[..read];
        if let Some(id) = id_in(piece) {
            generation = id;
        }
        // Where it is whole.
        if generation > before && piece.ends_with(b"\n\n\r\n") {
            board.hears(generation, before);
            before = generation;
        }
    }
}

/// The generation, where an event begins here: near the beginning of the piece, and of the first one perhaps behind the head.
fn id_in(piece: &[u8]) -> Option<u64> {
    let near = if piece.starts_with(b"HTTP") { 512 } else { 96 };
    let head = &piece[..piece.len().min(near)];
    let at = head.windows(5).position(|five| five == b"\nid: ")? + 5;
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| 10 * number + u64::from(digit - b'0')))
}

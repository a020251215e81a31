//! The floor: the same bytes to as many plain TCP connections, from a thread of its own.

use super::{
    people::Person,
    watchers::{Board, connect, follow},
};
use crate::Failure;
use bytes::Bytes;
use std::{net::SocketAddr, rc::Rc, sync::mpsc, thread, time::Instant};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::watch, task::JoinSet};

/// What a change is.
type Event = Option<Bytes>;

/// Sends `rounds` events of a size to each; the times of each round's hearers after it was sent, and how long it took them
/// all to connect, milliseconds.
pub(super) async fn measure(
    people: &[Person],
    size: usize,
    rounds: usize,
) -> Result<(Vec<Vec<f64>>, f64), Failure> {
    let (events, watched) = watch::channel(Event::None);
    let (told, address) = mpsc::channel();
    let server = thread::spawn(move || serve(&watched, &told));
    let address = address.recv()?;
    let board = Rc::new(Board::default());
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for person in people {
        let mut stream = connect(person.address, address).await?;
        let board = Rc::clone(&board);
        tasks.spawn_local(async move { follow(&mut stream, &board, ()).await });
    }
    let connected = start.elapsed().as_secs_f64() * 1e3;
    let mut times = Vec::new();
    for round in 1..=rounds {
        board.expect(u64::try_from(round)? - 1);
        let mut event = format!("retry: 1000\nevent: statement\nid: {round}\ndata: ");
        event.extend(std::iter::repeat_n('a', size.saturating_sub(event.len() + 4)));
        event.push_str("\n\n\r\n");
        let sent = Instant::now();
        events.send(Some(event.into()))?;
        let heard = board.all_heard(people.len()).await?;
        times.push(heard.iter().map(|at| at.duration_since(sent).as_secs_f64() * 1e3).collect());
    }
    drop(events);
    tasks.shutdown().await;
    server.join().map_err(|_| "the server's thread has failed")??;
    Ok((times, connected))
}

fn serve(watched: &watch::Receiver<Event>, told: &mpsc::Sender<SocketAddr>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        told.send(address).map_err(|error| error.to_string())?;
        let mut all = watched.clone();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (mut stream, _) = accepted.map_err(|error| error.to_string())?;
                    let mut events = watched.clone();
                    tasks.spawn(async move {
                        while events.changed().await.is_ok() {
                            let Some(event) = events.borrow_and_update().clone() else { continue };
                            if stream.write_all(&event).await.is_err() {
                                return;
                            }
                        }
                    });
                }
                changed = all.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    })
}

//! The floor: the same bytes to as many plain TCP connections, from a process of its own.

use super::{
    people::Person,
    watchers::{Board, connect, follow},
};
use crate::Failure;
use bytes::Bytes;
use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    rc::Rc,
    time::Instant,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
};

/// What this program is asked for by the one that measures.
pub(crate) const SERVER: &str = "floor";

/// This program as the server; ended when dropped.
struct Floor(Child);

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends `rounds` events of a size to each; the times of each round's hearers after it was ordered, milliseconds.
pub(super) async fn measure(
    people: &[Person],
    size: usize,
    rounds: usize,
) -> Result<Vec<Vec<f64>>, Failure> {
    let mut floor = Floor(
        Command::new(env::current_exe()?)
            .args([SERVER, &size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let mut line = String::new();
    BufReader::new(floor.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let address = line.trim().parse()?;
    let mut orders = floor.0.stdin.take().ok_or("no input")?;
    let board = Rc::new(Board::default());
    let mut tasks = JoinSet::new();
    for person in people {
        let mut stream = connect(person.address, address).await?;
        let board = Rc::clone(&board);
        tasks.spawn_local(async move { follow(&mut stream, &board, ()).await });
    }
    let mut times = Vec::new();
    for round in 1..=rounds {
        board.expect(u64::try_from(round)? - 1);
        let sent = Instant::now();
        writeln!(orders, "{round}")?;
        let heard = board.all_heard(people.len()).await?;
        times.push(heard.iter().map(|at| at.duration_since(sent).as_secs_f64() * 1e3).collect());
    }
    tasks.shutdown().await;
    Ok(times)
}

/// Sends an event to all connections for each line of standard input, until its end.
pub(crate) fn serve(size: usize) -> Result<(), Failure> {
    super::raise_limit_of_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let events = watch::Sender::new(Bytes::new());
        let (asynchronous, reader) = std::os::unix::net::UnixStream::pair()?;
        std::thread::spawn(move || std::io::copy(&mut std::io::stdin(), &mut { asynchronous }));
        reader.set_nonblocking(true)?;
        let reader = tokio::net::UnixStream::from_std(reader)?;
        let mut orders = tokio::io::BufReader::new(reader).lines();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (mut stream, _) = accepted?;
                    let mut events = events.subscribe();
                    tasks.spawn(async move {
                        while events.changed().await.is_ok() {
                            let event = events.borrow_and_update().clone();
                            if stream.write_all(&event).await.is_err() {
                                return;
                            }
                        }
                    });
                }
                order = orders.next_line() => {
                    let Some(round) = order? else { return Ok(()) };
                    let mut event = format!("retry: 1000\nevent: statement\nid: {round}\ndata: ");
                    event.extend(std::iter::repeat_n('a', size.saturating_sub(event.len() + 4)));
                    event.push_str("\n\n");
                    let event = format!("{:x}\r\n{event}\r\n", event.len());
                    events.send_replace(event.into());
                }
            }
        }
    })
}

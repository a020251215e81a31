//! Hostile clients beside members that watch: what refusing costs, and what the members notice of it.

use super::{
    SETTLED, come, float, milliseconds_of,
    people::{controller_name, strangers},
    scene::Scene,
    watchers::{Board, Crowd, connect},
};
use crate::{
    Failure,
    daemon::{median_and_worst, memory_mib},
};
use rustls::ClientConfig;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, LocalSet},
};
use tokio_rustls::TlsConnector;

/// Hostile connections at once.
const AT_ONCE: usize = 64;
const SILENT_AT_ONCE: usize = 500;
const CHANGES: usize = 5;
const HOSTILE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 1, 0, 1));

/// What hostile clients do, again and again.
#[derive(Clone, Copy)]
enum Deed {
    /// Nothing.
    Rest,
    /// Connects and says nothing.
    Silence,
    /// Speaks something else.
    Garbage,
    /// Shows a certificate of another environment.
    Foreign,
    /// Joins with a token that nobody made.
    Token,
    /// A member that shows a statement which is none, a mebibyte of it.
    Nonsense,
}

const DEEDS: [(&str, Deed); 6] = [
    ("nobody", Deed::Rest),
    ("500 that never begin their handshake", Deed::Silence),
    ("64 that speak something else", Deed::Garbage),
    ("64 with certificates of another environment", Deed::Foreign),
    ("64 that join with a token that nobody made", Deed::Token),
    ("64 connections of a member that shows 1 MiB of nonsense", Deed::Nonsense),
];

/// Prints what a change takes beside each of them.
pub(super) async fn print(scene: &mut Scene, count: usize) -> Result<(), Failure> {
    let (agent, _) = scene.site.start()?;
    let process = agent.0.id();
    let crowd = Crowd { address: scene.address, board: Rc::new(Board::default()) };
    let watches = come(scene, &crowd, &agent, count, Duration::ZERO).await?;
    println!(
        "| beside {count} members | deeds a second | its CPU a deed | its memory | a change: last member | members lost |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, deed) in DEEDS {
        let flood = Flood::begin(deed, scene)?;
        tokio::time::sleep(2 * SETTLED).await;
        let (cpu, done, start) = (milliseconds_of(process)?, flood.done(), Instant::now());
        let mut last = Vec::new();
        for _ in 0..CHANGES {
            last.extend(scene.change(&crowd.board, count).await?.last());
            tokio::time::sleep(SETTLED).await;
        }
        let deeds = float(usize::try_from(flood.done() - done)?)?;
        let rate = deeds / start.elapsed().as_secs_f64();
        let cost = 1e3 * (milliseconds_of(process)? - cpu) / deeds.max(1.0);
        let memory = memory_mib(process, "VmRSS")?;
        let (median, worst) = median_and_worst(last);
        let cost = if deeds > 0.0 { format!("{cost:.0} us") } else { "-".to_owned() };
        println!(
            "| {name} | {rate:.0} | {cost} | {memory:.0} MiB | {median:.0} ms (worst {worst:.0}) | {} |",
            crowd.board.lost()
        );
        flood.end()?;
        tokio::time::sleep(2 * SETTLED).await;
    }
    drop(watches);
    Ok(())
}

/// Hostile clients in a thread of their own.
struct Flood {
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<std::io::Result<()>>,
}

impl Flood {
    fn begin(deed: Deed, scene: &Scene) -> Result<Self, Failure> {
        let (done, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (counted, ended, address) = (Arc::clone(&done), Arc::clone(&over), scene.address);
        let foreign = strangers(99, 1)?;
        let config = match deed {
            Deed::Foreign => scene.people[0].tls_as(foreign.first())?,
            Deed::Token => scene.people[0].tls_as(None)?,
            _ => scene.people[0].tls()?,
        };
        let at_once = match deed {
            Deed::Rest => 0,
            Deed::Silence => SILENT_AT_ONCE,
            _ => AT_ONCE,
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, async {
                let mut tasks = JoinSet::new();
                for _ in 0..at_once {
                    let (counted, config) = (Arc::clone(&counted), Arc::clone(&config));
                    tasks.spawn_local(async move {
                        loop {
                            // However it is refused: that it was is what counts.
                            if once(deed, address, &config).await.is_err() {
                                tokio::task::yield_now().await;
                            }
                            counted.fetch_add(1, Relaxed);
                        }
                    });
                }
                while !ended.load(Relaxed) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                tasks.shutdown().await;
            });
            Ok(())
        });
        Ok(Self { done, over, thread })
    }

    fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    fn end(self) -> Result<(), Failure> {
        self.over.store(true, Relaxed);
        Ok(self.thread.join().map_err(|_| "the hostile thread has failed")??)
    }
}

/// One deed, to the end of the connection.
async fn once(deed: Deed, address: SocketAddr, config: &Arc<ClientConfig>) -> Result<(), Failure> {
    let stream = connect(HOSTILE, address).await?;
    match deed {
        Deed::Rest => Ok(()),
        Deed::Silence => to_the_end(stream).await,
        Deed::Garbage => said(stream, b"GET / HTTP/1.1\r\n\r\n").await,
        Deed::Foreign => {
            spoken(stream, config, b"GET /v1/statement HTTP/1.1\r\nhost: x\r\n\r\n").await
        }
        Deed::Token => {
            let body =
                r#"{"token_id":"AAAA","token_secret":"BBBB","signing_request":"","name":"x"}"#;
            let head = request("/v1/join", "application/json", body.len());
            spoken(stream, config, format!("{head}{body}").as_bytes()).await
        }
        Deed::Nonsense => {
            let body = "a".repeat(1 << 20);
            let head = request("/v1/present", "application/jose", body.len());
            spoken(stream, config, format!("{head}{body}").as_bytes()).await
        }
    }
}

fn request(path: &str, kind: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    )
}

async fn spoken(
    stream: TcpStream,
    config: &Arc<ClientConfig>,
    words: &[u8],
) -> Result<(), Failure> {
    let connector = TlsConnector::from(Arc::clone(config));
    let tls = connector.connect(controller_name()?, stream).await?;
    said(tls, words).await
}

async fn said(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    words: &[u8],
) -> Result<(), Failure> {
    stream.write_all(words).await?;
    stream.flush().await?;
    to_the_end(stream).await
}

async fn to_the_end(mut stream: impl tokio::io::AsyncRead + Unpin) -> Result<(), Failure> {
    let mut rest = [0; 1_024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

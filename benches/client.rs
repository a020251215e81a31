//! What a feature check costs in a program, beside what else it could do:
//! `cargo bench --no-default-features --features client --bench client`.
//!
//! Figures are printed, never asserted, and are of the thread's CPU time. The agent is a thread that says the same always, so that a question over the socket costs
//! what the kernel takes for it; `CLIENT_SOCKET` names a real one.

use entitled::client::{Agent, Client};
use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::HashMap,
    env,
    error::Error,
    hint::black_box,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Rounds, taken in turn; the median counts.
const ROUNDS: usize = 9;
/// Features of the license.
const FEATURES: usize = 20;

const STATUS: &str = r#"{"serial_number":null,"role":"controller","state":"active","entitled":true,"reason":"in-term","message":"in term","generation":1,"since":"2026-11-24T06:00:00Z","environment":null,"license":null,"features":FEATURES,"limits":{},"conditions":[],"hardware":null,"upstream":{"kind":"none","url":null,"reachable":null,"last_contact":null,"next_refresh":null}}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let socket = match env::var_os("CLIENT_SOCKET") {
        Some(socket) => PathBuf::from(socket),
        None => serve(folder.path().join("entitled.sock"))?,
    };
    let client = Client::builder().socket(&socket).connect()?;
    let agent = Agent::new(&socket);
    let name = "feature-11";

    let start = Instant::now();
    let flag = AtomicBool::new(true);
    let by_hand: HashMap<String, bool> =
        (0..FEATURES).map(|i| (format!("feature-{i}"), true)).collect();
    let by_hand = RwLock::new(by_hand);
    let guarded = || by_hand.read().is_ok_and(|map| map.get(black_box(name)) == Some(&true));
    let feature = || client.feature(black_box(name)).granted();
    let fresh = || {
        let feature = client.feature(black_box(name));
        feature.granted() && !feature.is_stale()
    };
    let rows: [(&str, u32, &dyn Fn() -> bool); 6] = [
        ("an atomic load", 10_000_000, &|| black_box(&flag).load(Ordering::Acquire)),
        ("the clock, read once", 2_000_000, &|| black_box(Instant::now()) > start),
        ("a map of 20 in a lock", 2_000_000, &guarded),
        ("`feature(name).granted()`", 2_000_000, &feature),
        ("the same, and not stale", 2_000_000, &fresh),
        ("the status over the socket, each time (its own CPU, not the wait)", 2_000, &|| {
            agent.status().is_ok()
        }),
    ];
    println!("| a check by | ns, median of {ROUNDS} | best | worst |");
    println!("| --- | --- | --- | --- |");
    let mut seen: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((.., count, check), seen) in rows.iter().zip(&mut seen) {
            seen.push(nanoseconds(*count, *check));
        }
    }
    for ((label, ..), seen) in rows.iter().zip(seen) {
        print(label, seen);
    }
    let busy = (0..ROUNDS).map(|_| beside_another(&client, name, &fresh)).collect();
    print("`feature(name)`, not stale, while another thread asks too", busy);
    Ok(())
}

fn print(label: &str, mut seen: Vec<f64>) {
    seen.sort_by(f64::total_cmp);
    let (best, median, worst) = (seen[0], seen[ROUNDS / 2], seen[ROUNDS - 1]);
    println!("| {label} | {median:.1} | {best:.1} | {worst:.1} |");
}

/// What a check takes while another thread makes them as fast as it can.
fn beside_another(client: &Client, name: &str, check: &dyn Fn() -> bool) -> f64 {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                black_box(client.feature(black_box(name)).granted());
            }
        });
        let took = nanoseconds(2_000_000, check);
        stop.store(true, Ordering::Relaxed);
        took
    })
}

fn nanoseconds(count: u32, check: &dyn Fn() -> bool) -> f64 {
    let start = thread_time();
    for _ in 0..count {
        black_box(check());
    }
    (thread_time() - start) * 1e9 / f64::from(count)
}

/// CPU time of this thread, seconds: what others do on this machine is not counted.
fn thread_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(time.tv_sec.unsigned_abs(), nanoseconds).as_secs_f64()
}

/// An agent that says the same always.
fn serve(path: PathBuf) -> Result<PathBuf, Box<dyn Error>> {
    let features: Vec<String> = (0..FEATURES).map(|i| format!(r#""feature-{i}":true"#)).collect();
    let status = STATUS.replace("FEATURES", &format!("{{{}}}", features.join(",")));
    let listener = UnixListener::bind(&path)?;
    thread::spawn(move || {
        let mut watches = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            if answer(&stream, &status).is_ok_and(|is_watch| is_watch) {
                watches.push(stream);
            }
        }
    });
    Ok(path)
}

/// Answers one question; whether it is a watch, to be held open.
fn answer(mut stream: &UnixStream, status: &str) -> std::io::Result<bool> {
    let mut lines = BufReader::new(stream).lines();
    let is_watch = lines.next().transpose()?.is_some_and(|line| line.contains("/v1/watch"));
    lines.map_while(Result::ok).find(String::is_empty);
    let (kind, body) = if is_watch {
        ("text/event-stream", format!("data: {status}\n\n"))
    } else {
        ("application/json", status.to_owned())
    };
    let answer = format!("HTTP/1.0 200 OK\r\ncontent-type: {kind}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes())?;
    Ok(is_watch)
}

//! Figures of this machine, each beside its baseline in the same run: `cargo bench --bench figures`.
//!
//! They are printed, never asserted: machines are noisy, and ratios of one run are what can be compared. The baseline of
//! the socket is nginx (Debian's package `nginx-light`) serving a static file of the same size with one worker; that of the
//! portal is SQLite alone; that of the members a fan-out of the same bytes over plain TCP. `-- status`, `-- agent`, `-- portal`, `-- stored` and
//! `-- members` print one part. Set `FIGURES_ENTITLED` to the binary
//! that a package ships to have its memory, its start and its size.

mod commits;
mod controller;
mod daemon;
mod fleet;
mod load;
mod members;
mod nginx;
mod portal;
mod posting;
mod stored;

use daemon::Dev;
use load::{Load, Measured};
use nginx::Nginx;
use std::{path::Path, time::Duration};

/// Rounds, taken in turn; the median counts.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

type Failure = Box<dyn std::error::Error>;
/// Prints a part, with its files in the folder.
type Part = fn(&Path) -> Result<(), Failure>;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let parts: [(&str, Part); 5] = [
        ("status", status),
        ("agent", agent),
        ("portal", portal::print),
        ("stored", stored::print),
        ("members", members::print),
    ];
    // Cargo says `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if let [part, size] = &asked[..]
        && part == members::fanout::SERVER
    {
        return members::fanout::serve(size.parse()?);
    }
    for (name, print) in parts {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            print(folder.path())?;
            println!();
        }
    }
    Ok(())
}

fn status(folder: &Path) -> Result<(), Failure> {
    let dev = Dev::start(&folder.join("dev"))?;
    let answer = load::fetch(&dev.socket(), "/v1/status")?;
    println!("| figure | entitled | nginx, one worker | ratio |");
    println!("| --- | --- | --- | --- |");
    match Nginx::start(folder, &answer.body) {
        Ok(nginx) => {
            for connections in [64, 1] {
                compare(&dev, &nginx, connections)?;
            }
        }
        Err(error) => println!("| GET /v1/status | not measured: {error} | | |"),
    }
    Ok(())
}

fn agent(folder: &Path) -> Result<(), Failure> {
    let dev = Dev::start(&folder.join("idle"))?;
    println!("| figure | seen |");
    println!("| --- | --- |");
    println!(
        "| resident memory, `entitled dev`: agent and embedded portal, idle | {:.1} MiB |",
        daemon::memory_mib(dev.process(), "VmRSS")?
    );
    drop(dev);
    controller::print(folder)?;
    let (median, worst) = daemon::fingerprint();
    println!("| fingerprint | {median:.1} ms (worst {worst:.1} ms) |");
    Ok(())
}

/// One row: throughput, mean time and the server's own CPU time a request, side by side.
fn compare(dev: &Dev, nginx: &Nginx, connections: usize) -> Result<(), Failure> {
    let ours = Load::new(dev.socket(), "/v1/status", connections, dev.process());
    let theirs = Load::new(nginx.socket(), "/status.json", connections, nginx.worker());
    let mut rounds: (Vec<Measured>, Vec<Measured>) = Default::default();
    for _ in 0..ROUNDS {
        rounds.0.push(ours.run(ROUND)?);
        rounds.1.push(theirs.run(ROUND)?);
    }
    let median = |of: &[Measured], value: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = of.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let row = |name: &str, value: fn(&Measured) -> f64, unit: &str| {
        let (a, b) = (median(&rounds.0, value), median(&rounds.1, value));
        println!(
            "| {name}, {connections} connections | {a:.1} {unit} | {b:.1} {unit} | {:.2} |",
            a / b
        );
    };
    row("requests", |m| m.per_second / 1_000.0, "k/s");
    row("mean time", |m| m.mean_microseconds, "us");
    row("server CPU a request", |m| m.cpu_microseconds, "us");
    Ok(())
}

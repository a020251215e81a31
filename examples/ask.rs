//! Asks the agent whether a feature is licensed; with `watch` behind it, tells each change until it is stopped.
//!
//! `cargo run --no-default-features --features client --example ask -- /run/entitled/entitled.sock reports`

use entitled::client::{Client, ClientError, DEFAULT_SOCKET, Snapshot};
use std::{env, io, process::ExitCode};

fn main() -> Result<ExitCode, ClientError> {
    let mut arguments = env::args().skip(1);
    let socket = arguments.next().unwrap_or_else(|| DEFAULT_SOCKET.to_owned());
    let feature = arguments.next().unwrap_or_else(|| "reports".to_owned());
    if arguments.next().is_some_and(|word| word == "watch") {
        // The agent may come later, and go and come again.
        let client = Client::builder().socket(socket).open()?;
        for snapshot in client.watch_blocking() {
            if tell(&snapshot, &feature).is_err() {
                break;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let client = Client::builder().socket(socket).connect()?;
    let snapshot = client.snapshot();
    // Whoever reads may be gone.
    let _ = tell(&snapshot, &feature);
    Ok(if snapshot.granted(&feature) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(snapshot: &Snapshot, feature: &str) -> io::Result<()> {
    use io::Write;
    let mut out = io::stdout().lock();
    if let Some(error) = snapshot.error() {
        writeln!(out, "stale: {error}")?;
    }
    if let Some(status) = snapshot.status() {
        writeln!(out, "{}: {}", status.state, status.message)?;
    }
    let granted = if snapshot.granted(feature) { "granted" } else { "not granted" };
    writeln!(out, "{feature} is {granted}")
}

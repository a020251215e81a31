//! Follows the status.

use super::{
    CliError, DONE, Output,
    client::Agent,
    exec::Runner,
    output::{print, print_json_line, reader_gone, shown},
};
use crate::{entitlement::Status, upstream::Backoff};
use jiff::Timestamp;
use reqwest::Response;
use std::time::Duration;

/// Longest line of the stream, bytes.
const LONGEST_LINE: usize = 4 << 20;
/// Longest pause before the agent is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Shows each change until it is stopped (Ctrl-C) or nobody reads any more, over restarts of the agent.
///
/// With a command, that is run for each instead, and nothing is shown.
pub(super) async fn watch(
    agent: &Agent,
    output: Output,
    command: Option<String>,
) -> Result<u8, CliError> {
    let to = match command {
        Some(command) => To::Command(Runner::start(command)),
        None => To::Reader(output),
    };
    tokio::select! {
        watched = watch_on(agent, &to) => watched,
        () = reader_gone(), if matches!(to, To::Reader(_)) => Ok(DONE),
    }
}

/// Who is told.
enum To {
    Reader(Output),
    Command(Runner),
}

impl To {
    fn tell(&self, status: Status) -> Result<(), CliError> {
        match self {
            Self::Command(runner) => {
                runner.tell(status);
                Ok(())
            }
            Self::Reader(output) if output.json => print_json_line(&status),
            Self::Reader(_) => print(&line_of(&status)),
        }
    }
}

async fn watch_on(agent: &Agent, to: &To) -> Result<u8, CliError> {
    let mut seen = None;
    let mut response = agent.watch().await?;
    loop {
        follow(response, to, &mut seen).await?;
        let mut backoff = Backoff::new(u64::from(std::process::id()));
        response = loop {
            match agent.watch().await {
                Ok(response) => break response,
                Err(error) => {
                    let pause = (backoff.next(None) / 5).min(LONGEST_PAUSE);
                    tracing::warn!(%error, "asking again in {} seconds", pause.as_secs());
                    tokio::time::sleep(pause).await;
                }
            }
        };
    }
}

/// Shows the events of one connection; ends with it.
async fn follow(mut response: Response, to: &To, seen: &mut Option<u64>) -> Result<u8, CliError> {
    let mut buffer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            let Ok(status) = serde_json::from_slice::<Status>(data) else { continue };
            if *seen == Some(status.generation) {
                continue;
            }
            *seen = Some(status.generation);
            to.tell(status)?;
        }
        if buffer.len() > LONGEST_LINE {
            break;
        }
    }
    Ok(DONE)
}

fn line_of(status: &Status) -> String {
    let conditions: Vec<_> = status.conditions.iter().map(|c| c.kind.as_str()).collect();
    let with =
        if conditions.is_empty() { String::new() } else { format!(" [{}]", conditions.join(", ")) };
    let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "{time} generation {} {}: {}{with}",
        status.generation,
        status.state,
        shown(&status.message)
    )
}

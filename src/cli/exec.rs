//! Runs a command of the operator's for each change of the status.

use crate::entitlement::Status;
use std::process::{ExitStatus, Stdio};
use tokio::{io::AsyncWriteExt, process::Command, sync::watch};

/// Runs the command, one at a time; of changes that come meanwhile, for the last.
pub(super) struct Runner(watch::Sender<Option<Status>>);

impl Runner {
    pub(super) fn start(command: String) -> Self {
        let (sender, mut changes) = watch::channel(None::<Status>);
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let status = changes.borrow_and_update().clone();
                let Some(status) = status else { continue };
                match run(&command, &status).await {
                    Ok(ended) if ended.success() => {}
                    Ok(ended) => tracing::warn!(%ended, "the command failed"),
                    Err(error) => tracing::warn!(%error, "the command could not be run"),
                }
            }
        });
        Self(sender)
    }

    pub(super) fn tell(&self, status: Status) {
        self.0.send_replace(Some(status));
    }
}

async fn run(command: &str, status: &Status) -> std::io::Result<ExitStatus> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("ENTITLED_STATE", status.state.as_str())
        .env("ENTITLED_ENTITLED", status.entitled.to_string())
        .env("ENTITLED_GENERATION", status.generation.to_string())
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A command need not read it.
        let _ = input.write_all(&serde_json::to_vec(status)?).await;
    }
    child.wait().await
}

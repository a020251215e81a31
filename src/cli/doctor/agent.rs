//! Whether the agent answers, and is of this version.

use super::{Code, Finding};
use crate::{cli::client::Agent, entitlement::Status};
use serde_json::Value;

pub(super) async fn check(agent: &Agent, findings: &mut Vec<Finding>) -> Option<Status> {
    match agent.status().await {
        Ok(status) => {
            findings.push(Finding::ok(Code::Socket, "the agent answers"));
            findings.push(if agent.is_alive().await {
                Finding::ok(Code::Loop, "its loop turns")
            } else {
                let message = "the agent answers, but its loop is stuck";
                let mend = "look at `journalctl -u entitled`, then `systemctl restart entitled`";
                Finding::failed(Code::Loop, message, mend)
            });
            check_version(agent, findings).await;
            Some(status)
        }
        Err(error) => {
            let mend = "`systemctl start entitled`; `journalctl -u entitled` says why it does not";
            findings.push(Finding::failed(Code::Socket, error.to_string(), mend));
            None
        }
    }
}

/// An agent that was not restarted after an upgrade is of another version than the commands.
async fn check_version(agent: &Agent, findings: &mut Vec<Finding>) {
    let code = Code::Version;
    let here = env!("CARGO_PKG_VERSION");
    let described = agent.get::<Value>("/v1/openapi.json").await.ok();
    let there = described.as_ref().and_then(|d| d.pointer("/info/version")?.as_str());
    findings.push(match there {
        Some(there) if there == here => {
            Finding::ok(code, format!("the agent and entitlectl are of version {here}"))
        }
        Some(there) => {
            let message = format!("expected an agent of version {here}, found {there}");
            Finding::warning(code, message, "`systemctl restart entitled`")
        }
        None => Finding::skipped(code, "the agent does not tell its version"),
    });
}

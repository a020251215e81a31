//! Whether the agent answers.

use super::Finding;
use crate::{cli::client::Agent, entitlement::Status};

pub(super) async fn check(agent: &Agent, findings: &mut Vec<Finding>) -> Option<Status> {
    match agent.status().await {
        Ok(status) => {
            findings.push(Finding::ok("socket", "the agent answers"));
            if !agent.is_alive().await {
                let message = "the agent answers, but its loop is stuck";
                let mend = "look at `journalctl -u entitled`, then `systemctl restart entitled`";
                findings.push(Finding::failed("loop", message, mend));
            }
            Some(status)
        }
        Err(error) => {
            let mend = "`systemctl start entitled`; `journalctl -u entitled` says why it does not";
            findings.push(Finding::failed("socket", error.to_string(), mend));
            None
        }
    }
}

//! On a member, the way to its controller: name, connection, both certificates, and whether it states anything.

use super::Finding;
use crate::{
    config::Settings,
    members::{Connection, MemberIdentity, MembersError, controller_address},
    store::StateDirectory,
};
use std::{path::Path, time::Duration};
use tokio::net::TcpStream;

const CODE: &str = "controller";
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries each address until one answers: those of the settings, else the one that the agent goes to.
pub(super) async fn check(
    shown: Option<String>,
    settings: Option<&Settings>,
    findings: &mut Vec<Finding>,
) {
    let configured = settings.map(|settings| settings.controllers.clone()).unwrap_or_default();
    let addresses = if configured.is_empty() { shown.into_iter().collect() } else { configured };
    if addresses.is_empty() {
        let mend = "`entitlectl join ADDRESS` with a token from the controller";
        let message = "no controller is known: this server has not joined";
        findings.push(Finding::failed(CODE, message, mend));
        return;
    }
    let directory = settings.map_or(Path::new("/var/lib/entitled"), |s| &s.state_directory);
    // Opened where it exists: a check makes none.
    let kept = directory.is_dir().then(|| StateDirectory::open(directory));
    let identity = kept.map(|directory| directory.and_then(|found| found.member_identity()));
    let identity = match identity {
        Some(Ok(Some(pem))) => Some(MemberIdentity::from_pem(pem)),
        _ => None,
    };
    let mut failures = Vec::new();
    for address in &addresses {
        let tried = match &identity {
            Some(identity) => as_member(address, identity).await,
            None => as_stranger(address).await,
        };
        match tried {
            Ok(found) => return findings.push(found),
            Err(error) => failures.push(error.to_string()),
        }
    }
    let mend = "check name, route and firewall, and `entitlectl members` on the controller; `entitlectl join` again where this server was removed";
    findings.push(Finding::failed(CODE, failures.join("; "), mend));
}

async fn as_member(address: &str, identity: &MemberIdentity) -> Result<Finding, MembersError> {
    let authority = identity.authority().ok_or_else(|| MembersError::Identity {
        reason: "member.pem holds no authority's certificate".to_owned(),
    })?;
    let states = Connection::to(address, &authority, identity).await?.probe().await?;
    Ok(if states {
        Finding::ok(CODE, format!("{address} takes this member and states the license"))
    } else {
        let mend = "on the controller: `entitlectl status`, then `entitlectl activate`";
        Finding::warning(CODE, format!("{address} takes this member, and holds no license"), mend)
    })
}

/// Without the key, which is for the agent alone.
async fn as_stranger(address: &str) -> Result<Finding, MembersError> {
    let address = controller_address(address)?;
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(&address)).await;
    let reason = match connected {
        Ok(Ok(_)) => {
            let message = format!(
                "{address} takes connections; this member's key can't be read: run this as root to try it"
            );
            return Ok(Finding::skipped(CODE, message));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its time was up".to_owned(),
    };
    Err(MembersError::Unreachable { address, reason })
}

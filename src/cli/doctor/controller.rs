//! On a member, the way to its controller, each address by itself: name, connection, both certificates, and whether it states
//! anything; and how long its certificate is good for.

use super::{Code, Finding, Patient, reach};
use crate::{
    members::{Connection, MemberIdentity, MembersError, controller_address},
    store::StateDirectory,
};
use jiff::{SignedDuration, Timestamp};
use std::{io, path::Path, time::Duration};

const CODE: Code = Code::Controller;
/// How long one address may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A certificate renews itself at half its life: one that is so near its end did not.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
const MEND: &str = "check name, route and firewall, and `entitlectl members` on the controller; `entitlectl join` again where this server was removed";

/// Tries each address: those of the settings, else the one that the agent goes to.
pub(super) async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let shown = patient.status.as_ref().and_then(|status| status.upstream.url.clone());
    let configured = patient.settings.as_ref().map(|settings| settings.controllers.clone());
    let configured = configured.unwrap_or_default();
    let addresses = if configured.is_empty() { shown.into_iter().collect() } else { configured };
    let identity = identity(&patient.state_directory());
    findings.extend(identity.as_ref().map(|identity| judge(identity, Timestamp::now())));
    if addresses.is_empty() {
        let mend = "`entitlectl join ADDRESS` with a token from the controller";
        let message = "no controller is known: this server has not joined";
        return findings.push(Finding::failed(CODE, message, mend));
    }
    let identity = identity.as_ref();
    let attempts = addresses.iter().map(|address| async move {
        (address, tokio::time::timeout(PATIENCE, attempt(address, identity)).await)
    });
    let tried = futures_util::future::join_all(attempts).await;
    let answers = tried.iter().any(|(_, tried)| matches!(tried, Ok(Ok(_))));
    for (address, tried) in tried {
        let told = match tried {
            Ok(Ok(found)) => {
                findings.push(found);
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("{address} gave no answer within {} seconds", PATIENCE.as_secs()),
        };
        // Another address is enough for now.
        findings.push(if answers {
            Finding::warning(CODE, told, MEND)
        } else {
            Finding::failed(CODE, told, MEND)
        });
    }
}

/// This member's key and certificate, where they may be read. A check makes no directory.
fn identity(directory: &Path) -> Option<MemberIdentity> {
    let kept = directory.is_dir().then(|| StateDirectory::open(directory))?;
    let pem = kept.and_then(|directory| directory.member_identity()).ok().flatten();
    pem.map(MemberIdentity::from_pem)
}

async fn attempt(
    address: &str,
    identity: Option<&MemberIdentity>,
) -> Result<Finding, MembersError> {
    match identity {
        Some(identity) => as_member(address, identity).await,
        None => as_stranger(address).await,
    }
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
    let unreachable = |error: io::Error| MembersError::Unreachable {
        address: address.clone(),
        reason: error.to_string(),
    };
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, ""));
    let found = reach::resolve(host, port.parse().unwrap_or_default()).await;
    reach::connect(&found.map_err(unreachable)?).await.map_err(unreachable)?;
    let message = format!(
        "{address} takes connections; this member's key can't be read: run this as root to try it"
    );
    Ok(Finding::skipped(CODE, message))
}

fn judge(identity: &MemberIdentity, now: Timestamp) -> Finding {
    let code = Code::MemberCertificate;
    let join = "`systemctl restart entitled` has it renewed where the controller can be reached; else `entitlectl join` with a new token";
    let Some(ends) = identity.expires_at() else {
        return Finding::failed(
            code,
            "expected this member's certificate in member.pem, found none",
            join,
        );
    };
    let message = format!("this member's certificate is good until {}", ends.strftime("%Y-%m-%d"));
    if ends < now {
        let message = format!("this member's certificate ended on {}", ends.strftime("%Y-%m-%d"));
        Finding::failed(code, message, join)
    } else if ends.duration_since(now) < SOON {
        Finding::warning(code, message, join)
    } else {
        Finding::ok(code, message)
    }
}

//! On a controller: the port and the authority of its members, and how they are.

use super::{Code, Finding, Patient, reach};
use crate::api::MemberLine;
use jiff::{SignedDuration, Timestamp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A clock that is off by so much is worth a word.
const MUCH: u64 = 300;
/// A lease that ends so soon is aging.
const SOON: SignedDuration = SignedDuration::from_hours(3 * 24);
/// So many members are named.
const NAMED: usize = 5;

pub(super) async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let listen = patient.settings.as_ref().and_then(|settings| settings.members_listen);
    let Some(listen) = listen else {
        let message = "[members] listen is not set: no members are served";
        return findings.push(Finding::skipped(Code::MembersPort, message));
    };
    findings.push(check_authority(patient));
    findings.push(check_port(listen).await);
    if patient.status.is_none() {
        let message = "the agent does not answer";
        return findings.push(Finding::skipped(Code::MembersStanding, message));
    }
    findings.push(match patient.agent.get_as_admin::<Vec<MemberLine>>("/v1/members").await {
        Ok(members) => judge(&members, Timestamp::now()),
        Err(error) => Finding::skipped(Code::MembersStanding, error.to_string()),
    });
}

fn check_authority(patient: &Patient<'_>) -> Finding {
    let code = Code::MembersAuthority;
    let directory = patient.state_directory();
    let path = directory.join("environment-ca.key");
    let shown = path.display();
    if std::fs::read_dir(&directory).is_err() {
        let message = format!("{shown} is for the agent alone: run this as root to look for it");
        return Finding::skipped(code, message);
    }
    if path.exists() {
        let message = format!(
            "{shown} is there; a backup of {} must hold it, for without it every member joins anew",
            directory.display()
        );
        return Finding::ok(code, message);
    }
    let mend = format!(
        "put {shown} back from a backup, then `systemctl restart entitled`, which makes a new one where there is none; members join anew then: `entitlectl member token`"
    );
    Finding::failed(
        code,
        format!("expected the key of the members' authority, found no {shown}"),
        mend,
    )
}

/// Whether the members' port takes connections on this machine. Firewalls on the way are the members' to see.
async fn check_port(listen: SocketAddr) -> Finding {
    let code = Code::MembersPort;
    if listen.port() == 0 {
        return Finding::skipped(
            code,
            format!("{listen} leaves the port to the system: it is not known here"),
        );
    }
    match reach::connect(&[local(listen)]).await {
        Ok(_) => Finding::ok(code, format!("{listen} takes connections of members")),
        Err(error) => {
            let message = format!("expected the members' port on {listen}, found: {error}");
            let mend = format!(
                "`ss -ltnp 'sport = :{}'` shows who has the port; free it or change [members] listen, then `systemctl restart entitled`",
                listen.port()
            );
            Finding::failed(code, message, mend)
        }
    }
}

/// Where this machine reaches what listens on that address.
pub(super) fn local(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn judge(members: &[MemberLine], now: Timestamp) -> Finding {
    let code = Code::MembersStanding;
    let ending = |at: Timestamp| at.duration_since(now) < SOON;
    let trouble = |member: &MemberLine| {
        let offset = member.clock_offset_seconds.unwrap_or_default();
        if !member.connected {
            Some(format!("{} is not connected", member.name))
        } else if offset.unsigned_abs() > MUCH {
            Some(format!("the clock of {} is {offset} seconds off", member.name))
        } else if member.lease_ends_at.is_some_and(ending) {
            Some(format!("the lease of {} ends soon", member.name))
        } else if ending(member.certificate_expires_at) {
            Some(format!("the certificate of {} ends soon", member.name))
        } else {
            None
        }
    };
    let found: Vec<String> = members.iter().filter_map(trouble).collect();
    if found.is_empty() {
        return Finding::ok(code, format!("all {} members are connected and well", members.len()));
    }
    let named = found.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    let message = format!("{} of {} members are not well: {named}", found.len(), members.len());
    let mend = "there: `entitlectl doctor`; `entitlectl members` shows all; one that is gone for good: `entitlectl member remove`";
    Finding::warning(code, message, mend)
}

#[cfg(test)]
mod tests {
    use super::{super::Result, *};
    use uuid::Uuid;

    fn member(name: &str) -> MemberLine {
        let at = Timestamp::UNIX_EPOCH;
        MemberLine {
            id: Uuid::nil(),
            name: name.to_owned(),
            address: "192.0.2.1".to_owned(),
            version: None,
            joined_at: at,
            last_seen: Some(at),
            connected: true,
            generation: Some(1),
            clock_offset_seconds: Some(-2),
            lease_ends_at: Some(at + SignedDuration::from_hours(24 * 14)),
            certificate_expires_at: at + SignedDuration::from_hours(24 * 40),
        }
    }

    #[test]
    fn members_that_are_not_well_are_named() {
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(judge(&[], at).result, Result::Ok);
        assert_eq!(judge(&[member("a"), member("b")], at).result, Result::Ok);
        for (what, change) in [
            ("not connected", (|m| m.connected = false) as fn(&mut MemberLine)),
            ("the clock of b is -301 seconds off", |m| m.clock_offset_seconds = Some(-301)),
            ("the lease of b ends soon", |m| m.lease_ends_at = Some(Timestamp::UNIX_EPOCH)),
            ("the certificate of b ends", |m| m.certificate_expires_at = Timestamp::UNIX_EPOCH),
        ] {
            let mut other = member("b");
            change(&mut other);
            let found = judge(&[member("a"), other], at);
            assert_eq!(found.result, Result::Warning, "{found:?}");
            assert!(
                found.message.contains(what) && found.message.starts_with("1 of 2"),
                "{found:?}"
            );
        }
    }
}

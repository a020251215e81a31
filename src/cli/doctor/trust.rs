//! The vendor's root keys, and the portal's keys that they vouch for.

use super::{Code, Finding, Patient};
use crate::{
    config::{Settings, read_roots},
    license::{KeyStatus, Roots, TrustClaims, Unverified},
};
use serde_json::Value;

pub(super) async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let roots = patient.settings.as_ref().map(|settings| check_roots(settings, findings));
    let mut held = None;
    if patient.status.is_some() {
        held = patient.agent.get::<Value>("/v1/license").await.ok();
    }
    let trust = held.and_then(|held| Some(held.get("trust")?.as_str()?.to_owned()));
    findings.push(match trust {
        Some(trust) => judge(&trust, patient.settings.as_ref(), roots.as_ref()),
        None => Finding::skipped(
            Code::Trust,
            "no license is held, or nobody tells of it: no trust document to look at",
        ),
    });
}

fn check_roots(settings: &Settings, findings: &mut Vec<Finding>) -> Roots {
    let code = Code::RootKeys;
    let (roots, complaints) = read_roots(&settings.root_directories);
    let folders: Vec<_> =
        settings.root_directories.iter().map(|folder| folder.display().to_string()).collect();
    let folders = folders.join(" and ");
    let mend = "install the vendor's package again, or put the vendor's roots.jwks into /etc/entitled/roots.d; then `systemctl reload entitled`";
    findings.push(if !complaints.is_empty() {
        Finding::failed(code, complaints.join("; "), mend)
    } else if roots.is_empty() {
        let message = format!("there is no root key in {folders}: no license can be verified");
        Finding::failed(code, message, mend)
    } else {
        Finding::ok(code, format!("the vendor's root keys in {folders} can be read"))
    });
    roots
}

/// Whether the held trust document is the vendor's, and names a key that signs.
fn judge(trust: &str, settings: Option<&Settings>, roots: Option<&Roots>) -> Finding {
    let code = Code::Trust;
    let refetch = "`entitlectl refresh` fetches the newest; by courier: `entitlectl request`, then `entitlectl license install`";
    let claims = Unverified::parse(trust).and_then(|document| document.peek::<TrustClaims>());
    let claims = match claims {
        Ok(claims) => claims,
        Err(error) => return Finding::failed(code, error.to_string(), refetch),
    };
    let active = claims.keys.iter().filter(|key| key.status == KeyStatus::Active).count();
    let (version, issuer, all) = (claims.version, claims.iss, claims.keys.len());
    let held = format!("trust document version {version} of {issuer}, {active} of {all} keys sign");
    if active == 0 {
        let message = format!("expected a key that signs, found the {held}");
        return Finding::failed(code, message, refetch);
    }
    let (Some(settings), Some(roots)) = (settings, roots.filter(|roots| !roots.is_empty())) else {
        return Finding::ok(code, format!("{held}; its root key could not be looked for"));
    };
    match roots.verify_trust(trust, &settings.product, None) {
        Ok(_) => Finding::ok(code, format!("{held}, by the word of a root key of this machine")),
        Err(error) => {
            let mend = "put the root key that signed it back (the vendor's package), then `systemctl reload entitled`; what is held stays meanwhile";
            Finding::warning(code, error.to_string(), mend)
        }
    }
}

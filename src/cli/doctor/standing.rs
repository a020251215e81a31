//! What the agent itself says of its license, and the conditions that hold.

use super::{Code, Finding};
use crate::entitlement::{Condition, ConditionType, Role, State, Status};

pub(super) fn check(status: Option<&Status>, findings: &mut Vec<Finding>) {
    let code = Code::License;
    let Some(status) = status else {
        return findings.push(Finding::skipped(code, "the agent does not answer"));
    };
    let message = format!("{}: {}", status.state, status.message);
    findings.push(if status.entitled {
        Finding::ok(code, message)
    } else {
        Finding::failed(code, message, mend_license(status))
    });
    for condition in &status.conditions {
        let message = format!("{}: {}", condition.kind.as_str(), condition.message);
        let code = Code::from(condition.kind);
        findings.push(match condition.kind {
            kind if kind.informs() => Finding::ok(code, message),
            ConditionType::CloneSuspected | ConditionType::HardwareChanged => {
                Finding::failed(code, message, mend(condition))
            }
            _ => Finding::warning(code, message, mend(condition)),
        });
    }
}

fn mend_license(status: &Status) -> &'static str {
    match (status.role, status.state) {
        (Role::Member, State::Unlicensed) => {
            "`entitlectl join ADDRESS` with a token from the controller; once joined: `entitlectl activate` on the controller"
        }
        (Role::Member, _) => "`entitlectl doctor` on the controller; the sentence says more",
        (_, State::Unlicensed) => {
            "`entitlectl activate`; by courier: `entitlectl request activate`, then `entitlectl license install`"
        }
        (_, State::Invalid) => {
            "`entitlectl rebind`, or `entitlectl activate`; the sentence says which"
        }
        _ => {
            "`entitlectl refresh` once the vendor has renewed it; by courier: `entitlectl request`, then `entitlectl license install`"
        }
    }
}

fn mend(condition: &Condition) -> &'static str {
    use ConditionType as C;
    match (condition.kind, condition.reason.as_str()) {
        // What is wrong comes from a parser there, which knows no commands.
        (C::ConfigInvalid, "RootKeys") => {
            "install the vendor's package again, then `systemctl reload entitled`"
        }
        (C::ConfigInvalid, _) => {
            "mend the settings, try them by `entitled run --check-config`, then `systemctl reload entitled`"
        }
        (C::HardwareDrift | C::IdentityOverride, _) => "`entitlectl hardware` shows what changed",
        (C::HardwareUnreadable, _) => {
            "`systemctl start entitled-hardware.service`; `entitlectl hardware` shows what could not be read"
        }
        (C::HardwareChanged, _) => "`entitlectl rebind`, or put the parts back",
        (C::ClockSkewed, _) => "`timedatectl set-ntp true`",
        (C::PortalUnreachable, _) => {
            "the findings on the portal say where the way ends; by courier: `entitlectl request`"
        }
        (C::LimitNear | C::LimitExceeded, _) => {
            "`entitlectl usage` shows who uses what; ask the vendor for more, then `entitlectl refresh`"
        }
        (C::LicensePending, _) => "`entitlectl refresh`, or `entitlectl license install`",
        (C::CloneSuspected, _) => {
            "at the vendor: `entitle-portal environment forks ID`, then `environment survivor`; switch the copy off"
        }
        (C::LeaseAging, _) => {
            "`entitlectl doctor` on the controller, and `systemctl start entitled` there"
        }
        (C::CheckInOverdue, _) => "`entitlectl refresh`; by courier: `entitlectl request`",
        (C::StoreDegraded, _) => {
            "check disk and room: `df -h /var/lib/entitled`, then `systemctl restart entitled`"
        }
    }
}

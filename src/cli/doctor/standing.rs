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
    findings.extend(status.conditions.iter().map(judge));
}

fn judge(condition: &Condition) -> Finding {
    let message = format!("{}: {}", condition.kind.as_str(), condition.message);
    let code = Code::Condition(condition.kind);
    match condition.kind {
        kind if kind.informs() => Finding::ok(code, message),
        ConditionType::CloneSuspected | ConditionType::HardwareChanged => {
            Finding::failed(code, message, mend(condition))
        }
        _ => Finding::warning(code, message, mend(condition)),
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

#[cfg(test)]
mod tests {
    use super::{super::Result, *};
    use crate::entitlement::ConditionStatus;
    use jiff::Timestamp;

    /// Those that a real agent is brought to have their tests in `tests/behaviour/doctor`; some take days to come.
    #[test]
    fn each_condition_is_a_finding_of_its_own_code_with_the_command_that_mends_it() {
        use ConditionType as C;
        for kind in C::ALL {
            let condition = Condition {
                kind,
                status: ConditionStatus::True,
                reason: "Reason".to_owned(),
                message: "as the agent says it".to_owned(),
                since: Timestamp::UNIX_EPOCH,
            };
            let found = judge(&condition);
            let code = kind.as_str().chars().fold(String::new(), |code, letter| {
                let hyphen = if letter.is_uppercase() && !code.is_empty() { "-" } else { "" };
                format!("{code}{hyphen}{}", letter.to_ascii_lowercase())
            });
            assert_eq!(found.code.to_string(), code);
            assert!(found.message.ends_with(": as the agent says it"), "{found:?}");
            let (result, command) = match kind {
                C::IdentityOverride => (Result::Ok, None),
                C::HardwareDrift => (Result::Warning, Some("`entitlectl hardware`")),
                C::HardwareUnreadable => {
                    (Result::Warning, Some("`systemctl start entitled-hardware.service`"))
                }
                C::HardwareChanged => (Result::Failed, Some("`entitlectl rebind`")),
                C::ClockSkewed => (Result::Warning, Some("`timedatectl set-ntp true`")),
                C::PortalUnreachable => (Result::Warning, Some("`entitlectl request`")),
                C::LimitNear | C::LimitExceeded => (Result::Warning, Some("`entitlectl usage`")),
                C::LicensePending | C::CheckInOverdue => {
                    (Result::Warning, Some("`entitlectl refresh`"))
                }
                C::CloneSuspected => {
                    (Result::Failed, Some("`entitle-portal environment forks ID`"))
                }
                C::LeaseAging => (Result::Warning, Some("`systemctl start entitled`")),
                C::StoreDegraded => (Result::Warning, Some("`systemctl restart entitled`")),
                C::ConfigInvalid => (Result::Warning, Some("`entitled run --check-config`")),
            };
            assert_eq!(found.result, result, "{found:?}");
            let mend = found.mend.as_deref();
            assert_eq!(mend.is_some(), command.is_some(), "{found:?}");
            let named = mend.zip(command).is_none_or(|(mend, command)| mend.contains(command));
            assert!(named, "{found:?}");
        }
    }
}

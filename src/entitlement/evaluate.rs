//! `evaluate`: the states of the documents' table, as one pure function.

use super::{ConditionType, Finding, LimitStatus, Reason, State, Threshold, limit_status};
use crate::{
    codes::SerialNumber,
    identity::Verdict,
    license::{
        DocumentError, LicenseClaims, Retirement, RevocationClaims, Thumbprint, VerifiedLicense,
    },
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// From so many days to the end of the term on, the state is `expiring`.
const EXPIRING_DAYS: i64 = 60;

/// What the environment holds.
#[derive(Debug, Clone, Copy)]
pub enum Held<'a> {
    /// Nothing, and never had.
    Nothing,
    /// Nothing more: it was released.
    Released,
    /// Nothing more: the environment goes on under another key, on the machine with that Serial Number.
    Retired(Retirement, SerialNumber),
    /// A license.
    License(&'a VerifiedLicense),
    /// A license and the vendor's word that it is over.
    Revoked(&'a VerifiedLicense, &'a RevocationClaims),
}

/// What the hardware says, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareStanding {
    /// The verdict of the last survey.
    pub verdict: Verdict,
    /// The agreeing share of what could be read, percent.
    pub score: u8,
    /// Until when too little readable evidence is put up with, where it is.
    pub holds_until: Option<Timestamp>,
    /// Since when this is other hardware, where it is or was before it could not be read any more.
    pub changed_since: Option<Timestamp>,
}

impl HardwareStanding {
    /// Of hardware that has just been enrolled, or that an override stands in the place of.
    pub const fn of_new(overridden: bool) -> Self {
        let verdict = if overridden { Verdict::Overridden } else { Verdict::Unchanged };
        Self { verdict, score: 100, holds_until: None, changed_since: None }
    }
}

/// Everything that entitlement depends on.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// What is held.
    pub held: Held<'a>,
    /// The Serial Number, once minted.
    pub serial_number: Option<SerialNumber>,
    /// The thumbprint of the environment key.
    pub environment_key: &'a Thumbprint,
    /// The hardware; nothing where it was never enrolled.
    pub hardware: Option<HardwareStanding>,
    /// When the portal was last heard of, by a time that it signed.
    pub last_contact: Option<Timestamp>,
    /// What is used, by limit.
    pub usage: &'a BTreeMap<String, u64>,
    /// Effective time.
    pub now: Timestamp,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// In one word.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
    /// Days to the end of the term, a part of a day counted as one; 0 after it; nothing without a license.
    pub days_left: Option<i64>,
    /// Conditions that follow from the inputs.
    pub findings: Vec<Finding>,
    /// Each limit of the license with its usage.
    pub limits: BTreeMap<String, LimitStatus>,
    /// The next time at which the calendar alone changes the state, its reason or its days.
    pub next_change: Option<Timestamp>,
}

/// Judges. The same inputs always give the same verdict.
pub fn evaluate(inputs: &Inputs<'_>) -> Evaluation {
    let license = match inputs.held {
        Held::Nothing => return without_license(Reason::NotActivated, inputs),
        Held::Released => return without_license(Reason::Released, inputs),
        Held::Retired(..) => return without_license(Reason::Retired, inputs),
        Held::License(license) | Held::Revoked(license, _) => license.claims(),
    };
    let (state, reason, message) = judge(license, inputs);
    let limits: BTreeMap<_, _> = license
        .limits
        .iter()
        .map(|(name, limit)| (name.clone(), limit_status(*limit, inputs.usage.get(name).copied())))
        .collect();
    let mut findings = hardware_findings(inputs, Some(license));
    findings.extend(limit_findings(&limits));
    if reason == Reason::CheckInOverdue {
        findings.push(Finding::new(ConditionType::CheckInOverdue, "Overdue", message.clone()));
    }
    Evaluation {
        state,
        reason,
        message,
        days_left: Some(days_until(license.subscription.ends_at, inputs.now)),
        findings,
        limits,
        next_change: next_change(license, inputs),
    }
}

/// The rows of the table of states, the strongest first.
fn judge(license: &LicenseClaims, inputs: &Inputs<'_>) -> (State, Reason, String) {
    let now = inputs.now;
    if let Some((reason, error)) = wrong_binding(inputs) {
        return (State::Invalid, reason, error.to_string());
    }
    if let Held::Revoked(_, revocation) = inputs.held {
        let RevocationClaims { revoked_at, reason, .. } = revocation;
        let message = format!(
            "the vendor revoked the license at {revoked_at} ({reason}): ask the vendor, then `entitlectl refresh`"
        );
        return (State::Restricted, Reason::Revoked, message);
    }
    let ends_at = license.subscription.ends_at;
    if now >= license.exp {
        let message = format!(
            "the term ended at {ends_at} and its grace at {}: renew the subscription, then `entitlectl refresh`",
            license.exp
        );
        return (State::Restricted, Reason::GraceEnded, message);
    }
    if let Some(deadline) = check_in_deadline(license, inputs).filter(|deadline| now >= *deadline) {
        let message = format!(
            "the license asks for a word from the portal by {deadline}: `entitlectl refresh`"
        );
        return (State::Restricted, Reason::CheckInOverdue, message);
    }
    if let Some(deadline) = hardware_deadline(license, inputs).filter(|deadline| now >= *deadline) {
        let message = format!(
            "this is not the hardware that the license is for, and its grace ended at {deadline}: `entitlectl hardware` shows what differs, `entitlectl rebind` takes the environment along to this hardware"
        );
        return (State::Restricted, Reason::HardwareChanged, message);
    }
    let days = days_until(ends_at, now);
    if now >= ends_at {
        let message = format!(
            "the term ended at {ends_at}, grace lasts until {}: renew the subscription, then `entitlectl refresh`",
            license.exp
        );
        (State::Grace, Reason::TermEnded, message)
    } else if days <= EXPIRING_DAYS {
        let message = format!("the term ends at {ends_at}, in {days} days: renew the subscription");
        (State::Expiring, Reason::TermEnds, message)
    } else {
        (State::Active, Reason::InTerm, format!("in term until {ends_at}"))
    }
}

fn without_license(reason: Reason, inputs: &Inputs<'_>) -> Evaluation {
    let message = match inputs.held {
        Held::Released => {
            "the license was released: `entitlectl activate` activates again".to_owned()
        }
        Held::Retired(Retirement::Move, to) => format!(
            "the environment was moved to the machine with Serial Number {to}, which is its controller now; this one has no license: `entitlectl activate` makes it another environment, where the subscription has a free slot"
        ),
        Held::Retired(Retirement::Rebind, _) => "the environment goes on under another key: this is a copy of its machine, or a snapshot from before; shut a copy down. If this is the right machine, `entitlectl rebind` with the Activation Code takes the environment back under a new key".to_owned(),
        _ => "no license is installed: `entitlectl activate` with the Activation Code on standard input fetches one, `entitlectl license install FILE` installs one".to_owned(),
    };
    Evaluation {
        state: State::Unlicensed,
        reason,
        message,
        days_left: None,
        findings: hardware_findings(inputs, None),
        limits: BTreeMap::new(),
        next_change: None,
    }
}

fn wrong_binding(inputs: &Inputs<'_>) -> Option<(Reason, DocumentError)> {
    let (Held::License(license) | Held::Revoked(license, _)) = inputs.held else { return None };
    // Without a Serial Number there is nothing to compare with: unreadable is not changed.
    let error = license.check_binding(inputs.serial_number?, inputs.environment_key).err()?;
    let reason = match error {
        DocumentError::Serial { .. } => Reason::OtherSerialNumber,
        _ => Reason::OtherKey,
    };
    Some((reason, error))
}

fn check_in_deadline(license: &LicenseClaims, inputs: &Inputs<'_>) -> Option<Timestamp> {
    let days = license.check_in_days?;
    // The license itself was a word from the portal.
    let heard = inputs.last_contact.map_or(license.iat, |contact| contact.max(license.iat));
    Some(after(heard, DAY * i32::try_from(days).unwrap_or(i32::MAX)))
}

/// When other hardware stops being put up with.
fn hardware_deadline(license: &LicenseClaims, inputs: &Inputs<'_>) -> Option<Timestamp> {
    let grace = SignedDuration::from_hours(i64::from(license.hardware_grace_hours));
    Some(after(inputs.hardware?.changed_since?, grace))
}

fn hardware_findings(inputs: &Inputs<'_>, license: Option<&LicenseClaims>) -> Vec<Finding> {
    let Some(hardware) = inputs.hardware else { return Vec::new() };
    let deadline = license.and_then(|license| hardware_deadline(license, inputs));
    let until = deadline.or(hardware.holds_until);
    let until = until.map_or(String::new(), |at| format!("; put up with until {at}"));
    let score = hardware.score;
    let finding = match hardware.verdict {
        Verdict::Unchanged => return Vec::new(),
        Verdict::Drifted => Finding::new(
            ConditionType::HardwareDrift,
            "FactsChanged",
            format!(
                "parts of the hardware changed since the last survey ({score} % agreed); the Serial Number is kept and the new parts are enrolled: `entitlectl hardware` shows them"
            ),
        ),
        Verdict::Degraded => Finding::new(
            ConditionType::HardwareUnreadable,
            "FactsUnreadable",
            format!(
                "too little of the hardware can be read to be sure{until}: `entitlectl hardware` shows what can't"
            ),
        ),
        Verdict::DifferentMachine => Finding::new(
            ConditionType::HardwareChanged,
            "OtherHardware",
            format!(
                "this is not the hardware that was enrolled ({score} % agrees){until}: `entitlectl hardware` shows what differs, `entitlectl rebind` takes the environment along to this hardware"
            ),
        ),
        Verdict::Overridden => Finding::new(
            ConditionType::IdentityOverride,
            "Override",
            "the Serial Number comes from the setting identity.override, not from hardware",
        ),
    };
    vec![finding]
}

/// What is warned of. Without what is used: a gauge that moves is no change of a condition.
fn limit_findings(limits: &BTreeMap<String, LimitStatus>) -> Vec<Finding> {
    let crossed = limits.iter().filter_map(|(name, limit)| {
        Some((Threshold::of(limit)?, name, limit.limit.unwrap_or_default()))
    });
    let (exceeded, near): (Vec<_>, Vec<_>) =
        crossed.partition(|(threshold, ..)| *threshold == Threshold::Exceeded);
    let mut findings = Vec::new();
    if let Some((highest, ..)) = near.iter().max() {
        let list: Vec<_> = (near.iter())
            .map(|(threshold, name, limit)| {
                format!("{name} (limit {limit}, {})", threshold.as_str())
            })
            .collect();
        let message = format!(
            "soon more is used than licensed: {}: `entitlectl usage` shows by whom; buy more, or use less",
            list.join(", ")
        );
        findings.push(Finding::new(ConditionType::LimitNear, highest.reason(), message));
    }
    if !exceeded.is_empty() {
        let list: Vec<_> =
            exceeded.iter().map(|(_, name, limit)| format!("{name} (limit {limit})")).collect();
        let message = format!(
            "more is used than licensed: {}: `entitlectl usage` shows by whom; buy more, or use less",
            list.join(", ")
        );
        findings.push(Finding::new(
            ConditionType::LimitExceeded,
            Threshold::Exceeded.reason(),
            message,
        ));
    }
    findings
}

/// Whole days from `now` to `end`, a part of a day counted as one; 0 from `end` on.
fn days_until(end: Timestamp, now: Timestamp) -> i64 {
    let left = end.duration_since(now);
    if left.is_negative() {
        return 0;
    }
    let seconds = left.as_secs() + i64::from(left.subsec_nanos() > 0);
    (seconds + DAY.as_secs() - 1) / DAY.as_secs()
}

/// The first of the coming times at which the state, its reason or its days change. A stronger row hides the times of
/// the weaker ones: nobody is woken for the end of a grace that a revocation has ended already.
fn next_change(license: &LicenseClaims, inputs: &Inputs<'_>) -> Option<Timestamp> {
    let (now, ends_at) = (inputs.now, license.subscription.ends_at);
    let next_day = match days_until(ends_at, now) {
        0 => None,
        days => {
            let remaining = SignedDuration::from_hours(24 * (days - 1));
            ends_at.checked_sub(remaining).ok()
        }
    };
    let verdict = |now| {
        let (state, reason, _) = judge(license, &Inputs { now, ..inputs.clone() });
        (state, reason, days_until(ends_at, now))
    };
    let current = verdict(now);
    let mut coming = [
        next_day,
        Some(license.exp),
        check_in_deadline(license, inputs),
        hardware_deadline(license, inputs),
    ];
    coming.sort_unstable();
    coming.into_iter().flatten().find(|at| *at > now && verdict(*at) != current)
}

fn after(start: Timestamp, duration: SignedDuration) -> Timestamp {
    start.checked_add(duration).unwrap_or(Timestamp::MAX)
}

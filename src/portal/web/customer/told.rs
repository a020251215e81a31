//! What a customer is told of an environment, a limit, a feature: words for what the portal knows.

use super::super::page::{day, moment};
use crate::{
    license::{Enforcement, LicenseClaims, Limit, Purpose, Unverified},
    portal::{
        BranchView, ForkView,
        domain::{CurrentDocument, Environment, EnvironmentStanding, Standing, Subscription},
    },
};
use jiff::Timestamp;

/// A word with a colour that only repeats what it says.
pub(super) struct Badge {
    pub(super) text: String,
    pub(super) class: &'static str,
}

fn badge(text: impl Into<String>, class: &'static str) -> Badge {
    Badge { text: text.into(), class }
}

/// How an environment stands.
pub(super) fn standing(environment: &Environment, now: Timestamp) -> Badge {
    let until = || environment.slot_held_until.map(day).unwrap_or_default();
    match environment.standing(now) {
        EnvironmentStanding::Reserved => badge(format!("reserved until {}", until()), "warn"),
        EnvironmentStanding::Held => badge(format!("released, slot free on {}", until()), "warn"),
        EnvironmentStanding::Released => badge("released", "muted"),
        EnvironmentStanding::Forked => badge("two machines", "bad"),
        EnvironmentStanding::SerialOnly => badge("bound to its Serial Number", "good"),
        EnvironmentStanding::Activated => badge("activated", "good"),
    }
}

/// How a subscription stands, and what that means.
pub(super) fn subscription(sold: &Subscription, now: Timestamp) -> (Badge, String) {
    let terms = &sold.terms;
    let days = |until: Timestamp| days_left(until, now);
    match &sold.standing {
        Standing::Revoked { reason, .. } => {
            let text =
                format!("Your vendor has revoked the subscription: {reason}. Ask your vendor.");
            (badge("revoked", "bad"), text)
        }
        Standing::Suspended => {
            let text = "Your vendor has suspended the subscription. Nothing new is issued; licenses that are installed stay as they are. Ask your vendor.";
            (badge("suspended", "bad"), text.to_owned())
        }
        Standing::Active if now < terms.starts_at => {
            (badge("not started", "warn"), format!("It starts on {}.", day(terms.starts_at)))
        }
        Standing::Active if now < terms.ends_at => {
            let left = days(terms.ends_at);
            let class = if left <= 60 { "warn" } else { "good" };
            (badge("active", class), format!("{} left.", counted(left, "day")))
        }
        Standing::Active if now < terms.grace_ends_at() => {
            let left = counted(days(terms.grace_ends_at()), "day");
            let text = format!(
                "The term is over. Licenses go on for {left} of grace; renew before that. The Activation Code stays the same."
            );
            (badge("grace", "warn"), text)
        }
        Standing::Active => {
            let text = "The term and its grace are over. Renew it at your vendor: the Activation Code stays the same.";
            (badge("ended", "bad"), text.to_owned())
        }
    }
}

/// What a subscription's standing does to new licenses, before anybody carries a file in vain; none where they are issued.
pub(super) fn obstacle(sold: &Subscription, now: Timestamp) -> Option<String> {
    let terms = &sold.terms;
    let why = match &sold.standing {
        Standing::Revoked { .. } => "Your vendor has revoked the subscription".to_owned(),
        Standing::Suspended => "Your vendor has suspended the subscription".to_owned(),
        Standing::Active if now < terms.starts_at => {
            format!("The subscription starts on {}", day(terms.starts_at))
        }
        Standing::Active if terms.ended(now) => "The subscription has ended".to_owned(),
        Standing::Active => return None,
    };
    Some(format!("{why}: no new license is issued now. A release is taken all the same."))
}

/// Whole days until then, the one that has begun included.
pub(super) fn days_left(until: Timestamp, now: Timestamp) -> i64 {
    let seconds = until.duration_since(now).as_secs().max(0);
    seconds / 86_400 + i64::from(seconds % 86_400 > 0)
}

/// `1 day`, `2 days`.
pub(super) fn counted(number: i64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A limit's number, and what happens there.
pub(super) fn limit(limit: &Limit) -> (String, &'static str) {
    let number = limit.limit.map_or_else(|| "unlimited".to_owned(), |number| number.to_string());
    let kind = match (limit.limit, limit.enforcement) {
        (None, _) => "",
        (_, Enforcement::Soft) => "soft: more is told, not refused",
        (_, Enforcement::Hard) => "hard: more is refused",
    };
    (number, kind)
}

/// A feature's value.
pub(super) fn feature(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Bool(true) => "yes".to_owned(),
        serde_json::Value::Bool(false) => "no".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `Production`.
pub(super) fn purpose(purpose: Purpose) -> String {
    let (first, rest) = purpose.as_str().split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

/// The claims of the license that was issued last; none after a release or a revocation.
pub(super) fn issued(environment: &Environment) -> Option<LicenseClaims> {
    match &environment.current {
        // The portal's own: it was verified when it was adopted, or signed here.
        Some(CurrentDocument::License(text)) => Unverified::parse(text).ok()?.peek().ok(),
        Some(CurrentDocument::Revocation(_)) | None => None,
    }
}

/// Whether the newest license was installed, as far as the controller's last request tells.
pub(super) fn installed(environment: &Environment, forks: &ForkView) -> String {
    if environment.key.is_none() {
        return "Not known: a machine that is bound to its Serial Number alone tells nothing."
            .to_owned();
    }
    let Some(last) = forks.branches.iter().max_by_key(|branch| branch.answered_at) else {
        return "Not confirmed yet: the controller has not asked since.".to_owned();
    };
    match last.held {
        Some(held) if held == environment.sequence => {
            format!("Installed: the controller had it on {}.", moment(last.answered_at))
        }
        Some(held) => format!(
            "Not confirmed yet: on {} the controller had license {held}. Its next request tells.",
            moment(last.answered_at)
        ),
        None => "Not confirmed yet: the controller's next request tells.".to_owned(),
    }
}

/// What is known of the machine behind a line of requests.
pub(super) fn machine(branch: &BranchView) -> String {
    let Some(machine) = &branch.machine else { return "not known".to_owned() };
    let from = if machine.overridden { ", Serial Number by override" } else { "" };
    format!("{}{from}, agent {}", machine.kind, machine.agent)
}

/// How far its hardware is the one that the environment is known by.
pub(super) fn hardware(branch: &BranchView) -> String {
    match branch.hardware_score {
        None => "not known".to_owned(),
        Some(score) if score >= 60 => format!("the same machine ({score} % agree)"),
        Some(score) => format!("other hardware ({score} % agree)"),
    }
}

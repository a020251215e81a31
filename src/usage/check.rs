//! 'May I take so much more?'

use crate::{
    entitlement::{Allowance, Overshoot, limit_status},
    license::{Enforcement, Limit},
};
use std::time::Duration;

/// What a server knows of the use of a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// What is used in the whole environment; nothing where nobody reports it.
    pub used: Option<u64>,
    /// By how much more this server uses than the controller was told.
    pub growth: u64,
    /// The lowest figure that another server may still go by.
    pub lowest: u64,
    /// Servers of the environment.
    pub servers: u64,
    /// Those that don't hear the controller.
    pub away: u64,
    /// Since when this is known; nothing where it never was.
    pub age: Option<Duration>,
    /// Why it can't be relied on; nothing where it can.
    pub stale: Option<Stale>,
}

/// Why figures can't be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The controller can't be heard from here.
    ControllerLost,
    /// It started a moment ago, and members are telling it their part.
    ControllerStarting,
}

/// Answers. `limit` is what the license says, nothing where it does not name the limit; whether the environment is entitled,
/// and by which generation of the status, is passed on.
pub fn check(
    name: &str,
    amount: u64,
    limit: Option<Limit>,
    knowledge: &Knowledge,
    (entitled, generation): (bool, u64),
) -> Allowance {
    let used = match (knowledge.used, knowledge.growth) {
        (None, 0) => None,
        (used, growth) => Some(used.unwrap_or_default().saturating_add(growth)),
    };
    let (allowed, reason, message) = judge(name, amount, limit, used, knowledge);
    Allowance {
        name: name.to_owned(),
        amount,
        allowed,
        reason: reason.to_owned(),
        message,
        known: limit.is_some(),
        limit: limit.and_then(|limit| limit.limit),
        enforcement: limit.map(|limit| limit.enforcement),
        used,
        state: limit.map(|limit| limit_status(limit, used).state),
        fresh: knowledge.stale.is_none(),
        age_seconds: knowledge.age.map(|age| age.as_secs()),
        overshoot: overshoot(limit, knowledge),
        entitled,
        generation,
    }
}

fn judge(
    name: &str,
    amount: u64,
    limit: Option<Limit>,
    used: Option<u64>,
    knowledge: &Knowledge,
) -> (bool, &'static str, String) {
    let Some(Limit { limit, enforcement }) = limit else {
        let message =
            format!("the license names no limit {name:?}: /v1/limits lists those that it does");
        return (true, "unknown-limit", message);
    };
    let Some(limit) = limit else {
        return (true, "unlimited", "the license sets no bound".to_owned());
    };
    let used = used.unwrap_or_default();
    let stands = format!("{used} of {limit} used, {amount} more asked for");
    if let Some(stale) = knowledge.stale {
        let why = match stale {
            Stale::ControllerLost => "the controller can't be heard from here",
            Stale::ControllerStarting => {
                "the controller started a moment ago and has not heard of every server yet"
            }
        };
        return (
            true,
            "figures-stale",
            format!("allowed without fresh figures: {why}; last known: {stands}"),
        );
    }
    match enforcement {
        _ if used.saturating_add(amount) <= limit => (true, "within", stands),
        Enforcement::Soft => {
            let mend = "more is used than licensed, which this limit allows: buy more, or use less";
            (true, "over-soft-limit", format!("{stands}: {mend}"))
        }
        Enforcement::Hard => (false, "over-hard-limit", format!("{stands}: buy more, or use less")),
    }
}

/// Each other server may have taken, by the oldest figures that it may still go by, what was free then.
fn overshoot(limit: Option<Limit>, knowledge: &Knowledge) -> Overshoot {
    let without = |message: &str| Overshoot { at_most: None, message: message.to_owned() };
    let Some(Limit { limit: Some(limit), enforcement }) = limit else {
        return without("there is no limit to exceed");
    };
    if enforcement == Enforcement::Soft {
        return without("a soft limit refuses nothing: what is used may grow without bound");
    }
    if knowledge.stale.is_some() {
        return without(
            "without fresh figures everything is allowed: what is used may grow without bound",
        );
    }
    let away = knowledge.away;
    if away > 0 {
        let message = format!(
            "{away} of {} servers don't hear the controller and allow everything: what is used may grow without bound",
            knowledge.servers
        );
        return without(&message);
    }
    let others = knowledge.servers.saturating_sub(1);
    let free = limit.saturating_sub(knowledge.lowest);
    let at_most = others.saturating_mul(free);
    let message = if others == 0 {
        "there is no other server: where programs ask one after another, and report at once what they take, the limit holds".to_owned()
    } else {
        format!(
            "each of {others} other servers may have taken up to {free} by the figures of the last minute: at most {at_most} over the limit, as long as every server hears the controller and its programs ask one after another and report at once what they take"
        )
    };
    Overshoot { at_most: Some(at_most), message }
}

//! 'May I take so much more?'

use crate::{
    entitlement::LimitState,
    entitlement::limit_status,
    license::{Enforcement, Limit},
};
use serde::{Deserialize, Serialize};
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

/// Whether so much more may be taken, as far as the limit goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub struct Allowance {
    /// The limit's name.
    pub name: String,
    /// How much was asked for.
    pub amount: u64,
    /// Whether it may be taken. `false` from a hard limit with fresh figures only; that the environment is entitled at all is
    /// another question (`entitled`).
    pub allowed: bool,
    /// Why, for programs: `within`, `over-hard-limit`, `over-soft-limit`, `unlimited`, `unknown-limit` or `figures-stale`.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// Whether the license names the limit.
    pub known: bool,
    /// The limit; `null` for unlimited, and where it is not known.
    pub limit: Option<u64>,
    /// What happens at the limit; `null` where it is not known.
    pub enforcement: Option<Enforcement>,
    /// What is used in the whole environment, as far as it is known here; `null` where nobody reports it.
    pub used: Option<u64>,
    /// How the two stand to each other; `null` where the limit is not known.
    pub state: Option<LimitState>,
    /// Whether the figures are those of the controller now. Where they are not, everything is allowed.
    pub fresh: bool,
    /// How old the figures are, seconds; `null` where there never were any.
    pub age_seconds: Option<u64>,
    /// By how much the limit may be exceeded at the most where every server goes by such answers.
    pub overshoot: Overshoot,
    /// Whether new work is covered at all.
    pub entitled: bool,
    /// The generation of the status that says so.
    pub generation: u64,
}

/// By how much a limit may be exceeded though each server asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Overshoot {
    /// At the most; `null` where nothing can be promised.
    pub at_most: Option<u64>,
    /// The same for people, with its conditions.
    pub message: String,
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

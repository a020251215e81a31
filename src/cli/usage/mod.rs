//! What is used of the limits: shown, reported, checked, and signed for the vendor.

mod arguments;

pub(super) use arguments::UsageOptions;

use super::{
    CliError, DONE, NOT_ENTITLED, Output,
    changes::read_document,
    client::Agent,
    inspect::roots,
    output::{print, print_json, shown},
    status::ago,
};
use crate::{
    api::{Done, UsageOverview, UsedBy, UsedLimit},
    entitlement::{Allowance, LimitState},
    license::{Enforcement, read_usage, usage_page, verify_usage},
};
use arguments::{ReportOptions, SetOptions, UsageCommand, UsersOptions, VerifyOptions};
use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;
use std::fmt::Write;

pub(super) async fn usage(
    agent: &Agent,
    output: Output,
    options: UsageOptions,
) -> Result<u8, CliError> {
    match options.command {
        None => list(agent, output).await,
        Some(UsageCommand::Set(options)) => set(agent, output, &options).await,
        Some(UsageCommand::Users(options)) => users(agent, output, &options).await,
        Some(UsageCommand::Check { limit, amount }) => check(agent, output, &limit, amount).await,
        Some(UsageCommand::Report(options)) => report(agent, &options, output).await,
        Some(UsageCommand::Verify(options)) => verify(output, &options),
    }
}

async fn list(agent: &Agent, output: Output) -> Result<u8, CliError> {
    let overview: UsageOverview = agent.get_as_admin("/v1/usage").await?;
    output.answer(&overview, |overview| table(overview, Timestamp::now()))?;
    Ok(DONE)
}

fn table(overview: &UsageOverview, now: Timestamp) -> String {
    if overview.limits.is_empty() {
        return "there is no license, or it names no limits: `entitlectl status`".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LIMIT", "USED", "OF", "STATE", "USERS", "PEAK TODAY", "SERVER"]);
    for limit in &overview.limits {
        let UsedLimit { name, limit: of, enforcement, used, state, distinct_users, peak, .. } =
            limit;
        let or_none =
            |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
        let kind = match enforcement {
            Enforcement::Soft => "soft",
            Enforcement::Hard => "hard",
        };
        let peak = peak.as_ref().map(|peak| format!("{}, {}", peak.peak, ago(peak.at, now)));
        table.add_row([
            shown(name),
            or_none(*used),
            of.map_or("unlimited".to_owned(), |of| of.to_string()),
            format!("{} ({kind})", word(*state)),
            or_none(*distinct_users),
            peak.unwrap_or_else(|| "-".to_owned()),
            String::new(),
        ]);
        for UsedBy { name, gauges, reporters, users, .. } in &limit.by_server {
            let part =
                format!("{} ({gauges} by {reporters} reporters, {users} users)", shown(name));
            let none = String::new;
            table.add_row([
                none(),
                (gauges + users).to_string(),
                none(),
                none(),
                none(),
                none(),
                part,
            ]);
        }
    }
    let mut page = table.trim_fmt();
    if !overview.fresh {
        let age =
            overview.age_seconds.map_or("nothing is known of other servers".to_owned(), |age| {
                format!("these figures are {age} seconds old, or not of all servers yet")
            });
        // Writing to a string does not fail.
        let _ = write!(page, "\n\n{age}; hard limits refuse nothing meanwhile");
    } else if let Some(away) = overview.away.filter(|away| *away > 0) {
        let servers = overview.servers.unwrap_or_default();
        let _ = write!(page, "\n\n{away} of {servers} servers don't hear the controller now");
    }
    page.push_str(match overview.told_to_portal {
        Some(true) => "\n\nThe portal is told these sums and peaks with each request, and of no users (usage.report_to_portal)",
        Some(false) => "\n\nThe portal is told nothing of it (usage.report_to_portal)",
        None => "",
    });
    page
}

const fn word(state: LimitState) -> &'static str {
    match state {
        LimitState::Within => "within",
        LimitState::Near => "near",
        LimitState::Reached => "reached",
        LimitState::Exceeded => "exceeded",
        LimitState::Unlimited => "unlimited",
        LimitState::Unreported => "unreported",
    }
}

async fn set(agent: &Agent, output: Output, options: &SetOptions) -> Result<u8, CliError> {
    let body = json!({
        "reporter": options.reporter,
        "value": options.value,
        "ttl_seconds": options.ttl.as_secs(),
    });
    let done = agent.report_usage(&[&options.limit], &body).await?;
    tell(output, &done)
}

/// Names come by standard input: a command line can be read by every user of the machine.
async fn users(agent: &Agent, output: Output, options: &UsersOptions) -> Result<u8, CliError> {
    let text = read_document(&options.file)?;
    let names: Vec<&str> = text.lines().map(str::trim).filter(|name| !name.is_empty()).collect();
    let member = if options.left { "left" } else { "users" };
    let body = json!({ member: names, "ttl_seconds": options.ttl.as_secs() });
    let done = agent.report_usage(&[&options.limit, "users"], &body).await?;
    tell(output, &done)
}

fn tell(output: Output, done: &Done) -> Result<u8, CliError> {
    output.answer(done, |done| done.message.clone())?;
    Ok(DONE)
}

async fn check(agent: &Agent, output: Output, limit: &str, amount: u64) -> Result<u8, CliError> {
    let path = Agent::route(&["v1", "limits", limit, "check"]);
    let answer: Allowance = agent.get(&format!("{path}?amount={amount}")).await?;
    output.answer(&answer, |answer| {
        let word = if answer.allowed { "allowed" } else { "not allowed" };
        format!("{word}: {}\n{}", shown(&answer.message), shown(&answer.overshoot.message))
    })?;
    Ok(if answer.allowed { DONE } else { NOT_ENTITLED })
}

async fn report(agent: &Agent, options: &ReportOptions, output: Output) -> Result<u8, CliError> {
    let days = [("from", options.from), ("to", options.to)];
    let days = days.into_iter().filter_map(|(name, day)| Some(format!("{name}={}", day?)));
    let query = days.collect::<Vec<_>>().join("&");
    let page = agent.usage_report(&format!("/v1/usage/report?{query}")).await?;
    if output.json {
        // From the own agent's socket: what it says need not be verified.
        print_json(&read_usage(&page)?)?;
    } else {
        print(page.trim_end())?;
    }
    Ok(DONE)
}

fn verify(output: Output, options: &VerifyOptions) -> Result<u8, CliError> {
    let text = read_document(&options.file)?;
    let roots = roots(&options.roots)?;
    let verified = verify_usage(&text, options.product.as_deref(), &roots, None)?;
    let claims = verified.claims();
    output.answer(claims, |claims| {
        let page = usage_page(claims, "");
        let table = page.split("\nWhat stands above").next().unwrap_or_default();
        let license = verified.license().claims();
        format!(
            "{}\n\nverified: signed by the key of license {} (sequence {}, subscription {})",
            table.trim_end(),
            license.jti,
            license.seq,
            license.subscription.id
        )
    })?;
    Ok(DONE)
}

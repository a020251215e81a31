//! Lists as CSV (RFC 4180), for spreadsheets: what a spreadsheet would take for a formula begins with an apostrophe.

use super::{
    Portal, PortalError,
    domain::{Environment, EnvironmentStanding, Subscription},
    store::{EnvironmentFilter, SubscriptionFilter, UsageOf},
};
use crate::license::Enforcement;
use jiff::Timestamp;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The first line of the subscriptions. The Activation Code is masked.
pub(super) const SUBSCRIPTIONS: &str = "id,customer,edition,support_level,standing,revision,trial,starts_at,ends_at,grace_ends_at,created_at,activation_code\r\n";
/// The first line of the environments.
pub(super) const ENVIRONMENTS: &str = "id,subscription_id,name,purpose,serial_number,key,sequence,forked,activated_at,seen_at,released_at\r\n";
/// The first line of what is used: a line for each limit of an environment that it has told of.
pub(super) const USAGE: &str = "environment_id,subscription_id,environment,purpose,limit_name,limit,enforcement,used,peak,peak_on,measured_at,received_at,road\r\n";

/// At most `most` subscriptions that were made before `before`, and the id that the next ones are before.
pub(super) fn subscriptions_csv(
    portal: &Portal,
    before: Option<Uuid>,
    most: u32,
) -> Result<(String, Option<Uuid>), PortalError> {
    let found = portal.search_subscriptions(&SubscriptionFilter::default(), before, most)?;
    let next = found.last().map(|subscription| subscription.id);
    Ok((
        found.iter().map(subscription).collect(),
        next.filter(|_| u32::try_from(found.len()) == Ok(most)),
    ))
}

/// The same for environments.
pub(super) fn environments_csv(
    portal: &Portal,
    before: Option<Uuid>,
    most: u32,
) -> Result<(String, Option<Uuid>), PortalError> {
    let found = portal.search_environments(&EnvironmentFilter::default(), before, most)?;
    let next = found.last().map(|environment| environment.id);
    Ok((
        found.iter().map(|found| environment(found, portal.now())).collect(),
        next.filter(|_| u32::try_from(found.len()) == Ok(most)),
    ))
}

/// The same for what is used.
pub(super) fn usage_csv(
    portal: &Portal,
    before: Option<Uuid>,
    most: u32,
) -> Result<(String, Option<Uuid>), PortalError> {
    let found = portal.search_usage(before, most)?;
    let next = found.last().map(|of| of.usage.environment_id);
    Ok((
        found.iter().flat_map(usage).collect(),
        next.filter(|_| u32::try_from(found.len()) == Ok(most)),
    ))
}

fn usage(of: &UsageOf) -> Vec<String> {
    let names: BTreeSet<&str> = of.usage.peaks.iter().map(|peak| peak.name.as_str()).collect();
    let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let row = |name: &str| {
        let peak = of.usage.newest_peak(name)?;
        Some(line(&[
            &of.usage.environment_id.to_string(),
            &of.subscription_id.to_string(),
            &of.name,
            of.purpose.as_str(),
            name,
            &number(peak.limit),
            match peak.enforcement {
                Enforcement::Soft => "soft",
                Enforcement::Hard => "hard",
            },
            &number(of.usage.used.get(name).copied().flatten()),
            &peak.peak.to_string(),
            &peak.day.to_string(),
            &of.usage.measured_at.to_string(),
            &of.usage.received_at.to_string(),
            of.usage.road.as_str(),
        ]))
    };
    names.into_iter().filter_map(row).collect()
}

fn subscription(subscription: &Subscription) -> String {
    let terms = &subscription.terms;
    line(&[
        &subscription.id.to_string(),
        &subscription.customer,
        &terms.edition,
        &terms.support_level,
        subscription.standing.as_str(),
        &subscription.revision.to_string(),
        if terms.trial { "true" } else { "false" },
        &terms.starts_at.to_string(),
        &terms.ends_at.to_string(),
        &terms.grace_ends_at().to_string(),
        &subscription.created_at.to_string(),
        &subscription.activation_code.masked(),
    ])
}

fn environment(environment: &Environment, now: Timestamp) -> String {
    let forked = environment.standing(now) == EnvironmentStanding::Forked;
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    line(&[
        &environment.id.to_string(),
        &environment.subscription_id.to_string(),
        &environment.name,
        environment.purpose.as_str(),
        &environment.serial_number.to_string(),
        &environment.key.map(|key| key.thumbprint().to_string()).unwrap_or_default(),
        &environment.sequence.0.to_string(),
        if forked { "true" } else { "false" },
        &environment.activated_at.to_string(),
        &environment.seen_at.to_string(),
        &time(environment.released_at),
    ])
}

fn line(fields: &[&str]) -> String {
    fields.iter().map(|text| field(text)).collect::<Vec<_>>().join(",") + "\r\n"
}

fn field(text: &str) -> String {
    let safe = without_formula(text);
    if safe.contains([',', '"', '\r', '\n']) || safe.len() > text.len() {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

/// With an apostrophe before what a spreadsheet would take for a formula: at the beginning, and after a semicolon or a tab, which
/// end a field where the spreadsheet's language has the comma for decimals.
fn without_formula(text: &str) -> String {
    let begins = |rest: &str| {
        let rest = rest.trim_start_matches(['"', ' ']);
        rest.starts_with(['=', '+', '-', '@', '\t', '\r'])
    };
    let mut safe = String::with_capacity(text.len() + 1);
    let mut at_start = true;
    for (place, letter) in text.char_indices() {
        if at_start && begins(&text[place..]) {
            safe.push('\'');
        }
        safe.push(letter);
        at_start = matches!(letter, ';' | '\t');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula_or_breaks_out_of_its_field() {
        for (text, written) in [
            ("ACME", "ACME"),
            ("ACME, Inc.", "\"ACME, Inc.\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@a", "\"'@a\""),
            ("\ta", "\"'\ta\""),
            ("", ""),
            // Where a spreadsheet takes a semicolon or a tab for the end of a field.
            ("x;=HYPERLINK(\"a\")", "\"x;'=HYPERLINK(\"\"a\"\")\""),
            ("x\t@a", "\"x\t'@a\""),
            ("x; \"=1\"", "\"x;' \"\"=1\"\"\""),
            ("=a;-b", "\"'=a;'-b\""),
            ("a;b", "a;b"),
        ] {
            assert_eq!(field(text), written, "{text}");
        }
        assert_eq!(line(&["a", "b,c"]), "a,\"b,c\"\r\n");
    }

    #[test]
    fn each_line_has_as_many_fields_as_the_first() {
        let stage = crate::portal::tests::stage::Stage::new();
        let sold = stage.sell();
        let mut agent =
            crate::portal::tests::stage::Agent::new("a", crate::license::Purpose::Production);
        agent.activate(&stage, &sold.activation_code).unwrap();
        let (text, next) = subscriptions_csv(&stage.portal, None, 5).unwrap();
        assert_eq!(text.matches(',').count(), SUBSCRIPTIONS.matches(',').count());
        assert_eq!(next, None);
        assert!(!text.contains(&sold.activation_code.expose()));
        let (text, next) = environments_csv(&stage.portal, None, 1).unwrap();
        assert_eq!(text.matches(',').count(), ENVIRONMENTS.matches(',').count());
        assert_eq!(next, agent.id, "there may be more");
        assert_eq!(environments_csv(&stage.portal, next, 1).unwrap(), (String::new(), None));
    }
}

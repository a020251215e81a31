//! The flags that say what is bought.

pub(super) use crate::portal::domain::written::{feature, limit, time};
use crate::{
    license::{Limit, Purpose},
    portal::domain::{RebindPolicy, Terms},
};
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

/// What is bought; what is not given stays as it is, or as usual.
#[derive(Args, Clone)]
pub(super) struct TermsFlags {
    /// The edition
    #[arg(long)]
    edition: Option<String>,
    /// The support level
    #[arg(long)]
    support_level: Option<String>,
    /// The first day of the term (2026-01-31, at 00:00 UTC) or its first second (2026-01-31T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = time)]
    starts_at: Option<Timestamp>,
    /// The first day, or second, after the term
    #[arg(long, value_name = "TIME", value_parser = time)]
    ends_at: Option<Timestamp>,
    /// Days of grace after the term
    #[arg(long, value_name = "DAYS")]
    grace_days: Option<u32>,
    /// Whether it is a trial
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    trial: Option<bool>,
    /// A feature: NAME for true, or NAME=VALUE with true, false, a number or a text; may be repeated
    #[arg(long = "feature", value_name = "NAME[=VALUE]", value_parser = feature)]
    features: Vec<(String, Value)>,
    /// A limit: NAME=NUMBER or NAME=unlimited, with :hard after it where programs are to refuse more; may be repeated
    #[arg(long = "limit", value_name = "NAME=LIMIT[:hard]", value_parser = limit)]
    limits: Vec<(String, Limit)>,
    /// How many environments of a purpose may be activated at once; may be repeated
    #[arg(long, value_name = "PURPOSE=NUMBER", value_parser = slots)]
    slots: Vec<(Purpose, u32)>,
    /// How long a member may go on without its controller
    #[arg(long, value_name = "DAYS")]
    lease_days: Option<u32>,
    /// From one answer to the agent's next request
    #[arg(long, value_name = "SECONDS")]
    refresh_after: Option<u32>,
    /// Days without an answer of the portal after which a license is restricted, or `never`
    #[arg(long, value_name = "DAYS", value_parser = days_or_never)]
    check_in_days: Option<CheckIn>,
    /// How long other hardware stays entitled while the portal is asked
    #[arg(long, value_name = "HOURS")]
    hardware_grace_hours: Option<u32>,
    /// Whether a machine without hardware evidence may be activated by the override
    #[arg(long, value_name = "BOOL")]
    allow_override: Option<bool>,
    /// How a machine that lost its key gets its environment back: free, code or approval
    #[arg(long, value_name = "POLICY")]
    rebind: Option<RebindPolicy>,
    /// Whether a license may be bound to a Serial Number alone
    #[arg(long, value_name = "BOOL")]
    allow_serial_only: Option<bool>,
    /// Off-line releases and moves a year whose slot is free at once; after them, when the license ends
    #[arg(long, value_name = "NUMBER")]
    offline_releases_a_year: Option<u32>,
    /// Releases a year that the customer does alone on its page, or `unlimited`; after them each needs approval
    #[arg(long, value_name = "NUMBER", value_parser = number_or_unlimited)]
    releases_a_year: Option<Releases>,
}

#[derive(Clone, Copy)]
struct CheckIn(Option<u32>);

#[derive(Clone, Copy)]
struct Releases(Option<u32>);

impl TermsFlags {
    /// Changes `terms` by what was given.
    pub(super) fn apply(self, terms: &mut Terms) {
        set(&mut terms.edition, self.edition);
        set(&mut terms.support_level, self.support_level);
        set(&mut terms.starts_at, self.starts_at);
        set(&mut terms.ends_at, self.ends_at);
        set(&mut terms.grace_days, self.grace_days);
        set(&mut terms.trial, self.trial);
        set(&mut terms.lease_days, self.lease_days);
        set(&mut terms.refresh_after, self.refresh_after);
        set(&mut terms.check_in_days, self.check_in_days.map(|CheckIn(days)| days));
        set(&mut terms.hardware_grace_hours, self.hardware_grace_hours);
        set(&mut terms.allow_override, self.allow_override);
        set(&mut terms.rebind, self.rebind);
        set(&mut terms.allow_serial_only, self.allow_serial_only);
        set(&mut terms.offline_releases_a_year, self.offline_releases_a_year);
        set(&mut terms.releases_a_year, self.releases_a_year.map(|Releases(number)| number));
        terms.features.extend(self.features);
        terms.limits.extend(self.limits);
        terms.slots.extend(self.slots);
    }

    /// The start, where one was given.
    pub(super) const fn starts_at(&self) -> Option<Timestamp> {
        self.starts_at
    }

    /// The end, where one was given.
    pub(super) const fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

pub(super) fn slots(text: &str) -> Result<(Purpose, u32), String> {
    let wanted = || "expected PURPOSE=NUMBER".to_owned();
    let (purpose, number) = text.split_once('=').ok_or_else(wanted)?;
    Ok((purpose.parse()?, number.parse().map_err(|_| wanted())?))
}

fn days_or_never(text: &str) -> Result<CheckIn, String> {
    match text {
        "never" => Ok(CheckIn(None)),
        number => number
            .parse()
            .map(|days| CheckIn(Some(days)))
            .map_err(|_| "expected a number of days, or never".to_owned()),
    }
}

fn number_or_unlimited(text: &str) -> Result<Releases, String> {
    match text {
        "unlimited" => Ok(Releases(None)),
        number => number
            .parse()
            .map(|number| Releases(Some(number)))
            .map_err(|_| "expected a number, or unlimited".to_owned()),
    }
}

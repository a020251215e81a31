//! `entitle-portal subscription`.

use super::{
    flags::{TermsFlags, time},
    output::{Output, day, pairs, table},
    usage,
};
use crate::portal::{
    Portal, PortalError, UsageView,
    domain::{Standing, Subscription, Terms},
};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Sell a subscription; prints its Activation Code
    Create(Box<Create>),
    /// List subscriptions
    List,
    /// Show a subscription
    Show {
        /// The subscription's id
        id: Uuid,
        /// Print the Activation Code plainly
        #[arg(long)]
        reveal: bool,
    },
    /// Change what was bought; the Activation Code stays, each environment gets a new license at its next refresh
    Set(Box<Set>),
    /// Lengthen the term; each environment gets a new license at its next refresh
    Renew {
        /// The subscription's id
        id: Uuid,
        /// The first day, or second, after the new term
        #[arg(long, value_name = "TIME", value_parser = time)]
        ends_at: Timestamp,
    },
    /// Take back what was issued; each environment gets a signed revocation at its next refresh
    Revoke {
        /// The subscription's id
        id: Uuid,
        /// Why, for people; the customer reads it
        #[arg(long)]
        reason: String,
    },
    /// Issue nothing for now; what was issued stays as it is
    Suspend {
        /// The subscription's id
        id: Uuid,
    },
    /// Take a suspension or a revocation back
    Resume {
        /// The subscription's id
        id: Uuid,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// Who buys it
    #[arg(long, value_name = "NAME")]
    customer: String,
    /// The term's length; either this or --ends-at; with --trial, a trial of so many days
    #[arg(
        long,
        value_name = "DAYS",
        conflicts_with = "ends_at",
        required_unless_present = "ends_at",
        value_parser = clap::value_parser!(u32).range(1..=36_500)
    )]
    days: Option<u32>,
    #[command(flatten)]
    terms: TermsFlags,
}

#[derive(Args)]
pub(super) struct Set {
    /// The subscription's id
    id: Uuid,
    /// A feature that it has no more; may be repeated
    #[arg(long = "remove-feature", value_name = "NAME")]
    remove_features: Vec<String>,
    /// A limit that it has no more; may be repeated
    #[arg(long = "remove-limit", value_name = "NAME")]
    remove_limits: Vec<String>,
    #[command(flatten)]
    terms: TermsFlags,
}

impl Command {
    pub(super) fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        match self {
            Self::Create(create) => create.run(portal, out),
            Self::List => list(&portal.subscriptions()?, portal.now(), out),
            Self::Show { id, reveal } => {
                if reveal {
                    // Told to the audit before it is printed.
                    portal.reveal_activation_code(id)?;
                }
                show_with_usage(portal, id, reveal, out)
            }
            Self::Set(set) => set.run(portal, out),
            Self::Renew { id, ends_at } => {
                show(&portal.renew_subscription(id, ends_at)?, false, portal.now(), out)
            }
            Self::Revoke { id, reason } => {
                show(&portal.revoke_subscription(id, &reason)?, false, portal.now(), out)
            }
            Self::Suspend { id } => {
                show(&portal.suspend_subscription(id)?, false, portal.now(), out)
            }
            Self::Resume { id } => show(&portal.resume_subscription(id)?, false, portal.now(), out),
        }
    }
}

impl Create {
    fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let starts_at = self.terms.starts_at().unwrap_or_else(|| portal.now());
        let length = SignedDuration::from_hours(24 * i64::from(self.days.unwrap_or(0)));
        let ends_at = self.terms.ends_at().or_else(|| starts_at.checked_add(length).ok());
        let mut terms =
            Terms::new("standard", "standard", starts_at, ends_at.unwrap_or(Timestamp::MAX));
        self.terms.apply(&mut terms);
        show(&portal.create_subscription(&self.customer, terms)?, true, portal.now(), out)
    }
}

impl Set {
    fn run(self, portal: &Portal, out: &mut Output) -> Result<(), PortalError> {
        let Self { id, remove_features, remove_limits, terms: flags } = self;
        let changed = portal.update_subscription(id, move |terms| {
            terms.features.retain(|name, _| !remove_features.contains(name));
            terms.limits.retain(|name, _| !remove_limits.contains(name));
            flags.apply(terms);
        })?;
        show(&changed, false, portal.now(), out)
    }
}

/// A subscription as it is printed; the Activation Code is masked unless it was asked for.
#[derive(Serialize)]
struct Shown<'a> {
    id: Uuid,
    activation_code: String,
    customer: &'a str,
    #[serde(flatten)]
    standing: &'a Standing,
    revision: u64,
    created_at: Timestamp,
    grace_ends_at: Timestamp,
    #[serde(flatten)]
    terms: &'a Terms,
    /// In `show` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a UsageView>,
}

impl<'a> Shown<'a> {
    fn new(subscription: &'a Subscription, reveal: bool) -> Self {
        let code = &subscription.activation_code;
        Self {
            id: subscription.id,
            activation_code: if reveal { code.expose() } else { code.masked() },
            customer: &subscription.customer,
            standing: &subscription.standing,
            revision: subscription.revision.0,
            created_at: subscription.created_at,
            grace_ends_at: subscription.terms.grace_ends_at(),
            terms: &subscription.terms,
            usage: None,
        }
    }
}

fn list(all: &[Subscription], now: Timestamp, out: &mut Output) -> Result<(), PortalError> {
    let shown: Vec<Shown<'_>> = all.iter().map(|s| Shown::new(s, false)).collect();
    out.show(&shown, || {
        if all.is_empty() {
            return "There are no subscriptions; `entitle-portal subscription create` makes one."
                .to_owned();
        }
        let rows = all.iter().map(|s| {
            vec![
                s.id.to_string(),
                s.customer.clone(),
                s.terms.edition.clone(),
                state(s, now).to_owned(),
                day(s.terms.ends_at),
                s.activation_code.masked(),
            ]
        });
        table(&["ID", "CUSTOMER", "EDITION", "STATUS", "ENDS", "ACTIVATION CODE"], rows)
    })
}

/// The vendor's word, or where it stands in its term.
fn state(subscription: &Subscription, now: Timestamp) -> &'static str {
    let terms = &subscription.terms;
    match &subscription.standing {
        Standing::Active if terms.ended(now) => "ended",
        Standing::Active if terms.ends_at <= now => "in grace",
        Standing::Active if now < terms.starts_at => "not started",
        standing => standing.as_str(),
    }
}

fn show(
    subscription: &Subscription,
    reveal: bool,
    now: Timestamp,
    out: &mut Output,
) -> Result<(), PortalError> {
    let shown = Shown::new(subscription, reveal);
    out.show(&shown, || lines(subscription, &shown, now))
}

fn show_with_usage(
    portal: &Portal,
    id: Uuid,
    reveal: bool,
    out: &mut Output,
) -> Result<(), PortalError> {
    let (subscription, usage) = (portal.subscription(id)?, portal.usage(id)?);
    let shown = Shown { usage: Some(&usage), ..Shown::new(&subscription, reveal) };
    out.show(&shown, || lines(&subscription, &shown, portal.now()) + &usage::below(&usage))
}

fn lines(subscription: &Subscription, shown: &Shown<'_>, now: Timestamp) -> String {
    let terms = &subscription.terms;
    let status = match &subscription.standing {
        Standing::Revoked { at, reason } => format!("revoked at {at}: {reason}"),
        standing => standing.as_str().to_owned(),
    };
    let check_in = terms.check_in_days.map_or("never".to_owned(), |d| format!("{d} days"));
    let mut lines = vec![
        ("Subscription", subscription.id.to_string()),
        ("Activation Code", shown.activation_code.clone()),
        ("Customer", subscription.customer.clone()),
        ("Status", status),
        ("Revision", subscription.revision.to_string()),
        ("Edition", terms.edition.clone()),
        ("Support level", terms.support_level.clone()),
        ("Trial", yes_or_no(terms.trial)),
        ("Starts", terms.starts_at.to_string()),
        ("Ends", terms.ends_at.to_string()),
        ("Grace ends", grace(terms, now)),
        ("Environments", slots(terms)),
        ("Refresh after", format!("{} seconds", terms.refresh_after)),
        ("Check-in", check_in),
        ("Member lease", format!("{} days", terms.lease_days)),
        ("Hardware grace", format!("{} hours", terms.hardware_grace_hours)),
        ("Override allowed", yes_or_no(terms.allow_override)),
        ("Rebind", terms.rebind.as_str().to_owned()),
        ("Serial Number alone", yes_or_no(terms.allow_serial_only)),
        ("Off-line releases", format!("{} a year at once", terms.offline_releases_a_year)),
        ("Releases", releases(terms)),
    ];
    lines.extend(terms.features.iter().map(|(name, v)| ("Feature", format!("{name} = {v}"))));
    lines.extend(terms.limits.iter().map(|(name, l)| {
        let limit = l.limit.map_or("unlimited".to_owned(), |n| n.to_string());
        ("Limit", format!("{name} = {limit} ({:?})", l.enforcement).to_lowercase())
    }));
    pairs(&lines)
}

fn grace(terms: &Terms, now: Timestamp) -> String {
    let ends_at = terms.grace_ends_at();
    let over = if ends_at <= now {
        "; over: nothing more is issued, and what was issued runs to its own end unless the subscription is revoked"
    } else {
        ""
    };
    format!("{ends_at} ({} days{over})", terms.grace_days)
}

fn slots(terms: &Terms) -> String {
    let slots: Vec<String> =
        terms.slots.iter().map(|(purpose, n)| format!("{n} {purpose}")).collect();
    slots.join(", ")
}

fn releases(terms: &Terms) -> String {
    terms.releases_a_year.map_or_else(
        || "by the customer alone".to_owned(),
        |number| format!("{number} a year by the customer alone, then by approval"),
    )
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

//! Subscriptions: searching them, and one at a glance.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        faults::Faults,
        form::Posted,
        page::{Layout, day, moment, see_other, show},
        usage::{self, UsageRow},
    },
    Done, SignedIn,
    audit::{EntryRow, rows_of},
    environments::EnvironmentRow,
};
use crate::{
    codes::{ActivationCode, SerialNumber},
    portal::{
        Portal,
        access::Right,
        domain::{Standing, Subscription},
        export::{SUBSCRIPTIONS, subscriptions_csv},
        http::csv,
        store::{AuditFilter, EnvironmentFilter, SubscriptionFilter},
    },
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

/// Subscriptions of a page.
const ROWS: u32 = 50;
/// Environments of a subscription's page.
const ENVIRONMENTS: u32 = 100;
/// Audit entries of it.
const ENTRIES: u32 = 20;

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    customer: String,
    #[serde(default)]
    edition: String,
    #[serde(default)]
    serial: String,
    #[serde(default)]
    standing: String,
    #[serde(default)]
    before: String,
}

struct Row {
    id: Uuid,
    customer: String,
    edition: String,
    state: &'static str,
    ends: String,
    code: String,
}

#[derive(Template)]
#[template(path = "vendor/subscriptions.html")]
struct ListPage {
    layout: Layout,
    search: Search,
    rows: Vec<Row>,
    next: Option<Uuid>,
    may_sell: bool,
}

/// The vendor's word, or where it stands in its term.
pub(super) fn state(subscription: &Subscription, now: Timestamp) -> &'static str {
    let terms = &subscription.terms;
    match &subscription.standing {
        Standing::Active if terms.ended(now) => "ended",
        Standing::Active if terms.ends_at <= now => "in grace",
        Standing::Active if now < terms.starts_at => "not started",
        standing => standing.as_str(),
    }
}

pub(super) async fn list(
    State(web): State<Web>,
    who: SignedIn,
    Asked(search): Asked<Search>,
) -> Result<Response, PageError> {
    let faults = misread(&search);
    shown(&web, &who, search, faults).await
}

/// What is wrong with the Serial Number that is searched for.
fn misread(search: &Search) -> Option<Faults> {
    let serial = search.serial.trim();
    let is_wrong = !serial.is_empty() && serial.parse::<SerialNumber>().is_err();
    let text = "This is no Serial Number: eight groups of three, as `entitlectl status` shows it.";
    is_wrong.then(|| Faults::one(StatusCode::OK, "serial", text))
}

async fn shown(
    web: &Web,
    who: &SignedIn,
    search: Search,
    faults: Option<Faults>,
) -> Result<Response, PageError> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = SubscriptionFilter {
        customer: given(&search.customer),
        edition: given(&search.edition),
        standing: given(&search.standing),
        activation: None,
        serial_number: search.serial.trim().parse().ok(),
    };
    let before = search.before.parse().ok();
    let mut found = if faults.as_ref().is_some_and(|faults| faults.is_about("serial")) {
        Vec::new()
    } else {
        let search = move |portal: &Portal| portal.search_subscriptions(&filter, before, ROWS + 1);
        who.ask(web, search).await?
    };
    let more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let now = web.portal.now();
    let layout = who.layout(web, "/vendor/subscriptions", &Done::default()).refused(faults);
    Ok(layout.reply().with(&ListPage {
        layout,
        next: found.last().filter(|_| more).map(|last| last.id),
        rows: found.iter().map(|subscription| row(subscription, now)).collect(),
        may_sell: who.may(Right::SubscriptionsWrite),
        search,
    }))
}

fn row(subscription: &Subscription, now: Timestamp) -> Row {
    Row {
        id: subscription.id,
        customer: subscription.customer.clone(),
        edition: subscription.terms.edition.clone(),
        state: state(subscription, now),
        ends: day(subscription.terms.ends_at),
        code: subscription.activation_code.masked(),
    }
}

/// An Activation Code, which has no place in an address. No `Debug`: it is a secret.
#[derive(Deserialize)]
pub(super) struct FindForm {
    #[serde(default)]
    code: zeroize::Zeroizing<String>,
}

/// Finds the subscription of an Activation Code.
pub(super) async fn find(
    State(web): State<Web>,
    Posted { who, form: FindForm { code } }: Posted<SignedIn, FindForm>,
) -> Result<Response, PageError> {
    let Ok(code) = code.parse::<ActivationCode>() else {
        let text =
            "This is no Activation Code: eight groups of three. Compare it with the customer's.";
        return not_found(&web, &who, text).await;
    };
    let filter =
        SubscriptionFilter { activation: Some(code.id()), ..SubscriptionFilter::default() };
    let found = who.ask(&web, move |portal| portal.search_subscriptions(&filter, None, 1)).await?;
    match found.first() {
        Some(found) => Ok(see_other(&format!("/vendor/subscriptions/{}", found.id))),
        None => not_found(&web, &who, "No subscription here has this Activation Code.").await,
    }
}

/// The list again, with what is wrong with the Activation Code; that is typed anew.
async fn not_found(web: &Web, who: &SignedIn, text: &'static str) -> Result<Response, PageError> {
    let faults = Faults::one(StatusCode::NOT_FOUND, "code", text);
    shown(web, who, Search::default(), Some(faults)).await
}

struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "vendor/subscription.html")]
struct SubscriptionPage {
    layout: Layout,
    id: Uuid,
    customer: String,
    state: &'static str,
    standing: &'static str,
    reason: Option<String>,
    facts: Vec<Fact>,
    features: Vec<(String, String)>,
    limits: Vec<(String, String)>,
    usage: Vec<UsageRow>,
    usage_base: &'static str,
    environments: Vec<EnvironmentRow>,
    /// Whether they are older ones than the first.
    are_older: bool,
    /// From which environment on the next page goes.
    older: Option<Uuid>,
    entries: Vec<EntryRow>,
    may_sell: bool,
    may_reveal: bool,
}

/// From which environment on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Older {
    #[serde(default)]
    before: String,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: SignedIn,
    At(id): At<Uuid>,
    Asked(done): Asked<Done>,
    Asked(Older { before }): Asked<Older>,
) -> Result<Response, PageError> {
    let before = before.parse().ok();
    let (sold, mut environments, entries, usage) = who
        .ask(&web, move |portal| {
            let of = EnvironmentFilter { subscription: Some(id), ..EnvironmentFilter::default() };
            let told = AuditFilter { subscription: Some(id), ..AuditFilter::default() };
            Ok((
                portal.subscription(id)?,
                portal.search_environments(&of, before, ENVIRONMENTS + 1)?,
                portal.search_audit(&told, None, ENTRIES)?,
                portal.usage(id)?,
            ))
        })
        .await?;
    let more = environments.len() > ENVIRONMENTS as usize;
    environments.truncate(ENVIRONMENTS as usize);
    let reason = match &sold.standing {
        Standing::Revoked { at, reason } => Some(format!("{reason} ({})", moment(*at))),
        _ => None,
    };
    let limit = |(name, limit): (&String, &crate::license::Limit)| {
        let number = limit.limit.map_or("unlimited".to_owned(), |number| number.to_string());
        let kind =
            if limit.enforcement == crate::license::Enforcement::Hard { "hard" } else { "soft" };
        (name.clone(), format!("{number} ({kind})"))
    };
    let now = web.portal.now();
    Ok(show(&SubscriptionPage {
        layout: who.layout(&web, "", &done),
        id,
        customer: sold.customer.clone(),
        state: state(&sold, now),
        standing: sold.standing.as_str(),
        reason,
        facts: facts(&sold),
        features: sold
            .terms
            .features
            .iter()
            .map(|(name, v)| (name.clone(), v.to_string()))
            .collect(),
        limits: sold.terms.limits.iter().map(limit).collect(),
        are_older: before.is_some(),
        older: environments.last().filter(|_| more).map(|last| last.id),
        usage: usage::rows(&usage),
        usage_base: "/vendor",
        environments: environments.iter().map(|found| EnvironmentRow::of(found, now)).collect(),
        entries: rows_of(entries),
        may_sell: who.may(Right::SubscriptionsWrite),
        may_reveal: who.may(Right::ActivationCodesRead),
    }))
}

fn facts(sold: &Subscription) -> Vec<Fact> {
    let terms = &sold.terms;
    let slots: Vec<String> =
        terms.slots.iter().map(|(purpose, n)| format!("{n} {purpose}")).collect();
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let unless = |number: Option<u32>, otherwise: &str| {
        number.map_or_else(|| otherwise.to_owned(), |number| number.to_string())
    };
    [
        ("Activation Code", sold.activation_code.masked()),
        ("Edition", terms.edition.clone()),
        ("Support level", terms.support_level.clone()),
        ("Starts", day(terms.starts_at)),
        ("Ends", day(terms.ends_at)),
        ("Grace ends", format!("{} ({} days)", day(terms.grace_ends_at()), terms.grace_days)),
        ("Trial", yes(terms.trial)),
        ("Environments", slots.join(", ")),
        ("Rebind", terms.rebind.as_str().to_owned()),
        ("Releases a year without approval", unless(terms.releases_a_year, "any number")),
        ("Days without contact", unless(terms.check_in_days, "any number")),
        ("Serial Number alone", yes(terms.allow_serial_only)),
        ("Revision", sold.revision.to_string()),
        ("Created", moment(sold.created_at)),
    ]
    .into_iter()
    .map(|(name, value)| Fact { name, value })
    .collect()
}

pub(super) async fn export(who: SignedIn) -> Result<Response, PageError> {
    who.needs(Right::SubscriptionsRead)?;
    Ok(csv(who.portal, "subscriptions.csv", SUBSCRIPTIONS, subscriptions_csv))
}

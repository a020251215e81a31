//! The subscription at a glance.

use super::{
    super::{
        PageError, Web,
        address::Asked,
        page::{Layout, day, moment, show},
        usage::{self, UsageRow},
    },
    Customer, Done, SUBSCRIPTION,
    told::{self, Badge},
};
use crate::{
    license::Purpose,
    portal::{
        Portal, PortalError, UsageView,
        domain::{Environment, Subscription},
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use jiff::Timestamp;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "customer/subscription.html")]
struct SubscriptionPage {
    layout: Layout,
    customer: String,
    edition: String,
    support_level: String,
    trial: bool,
    masked: String,
    standing: Badge,
    text: String,
    starts: String,
    ends: String,
    grace_ends: String,
    slots: Vec<Slots>,
    /// Whether none is free.
    full: bool,
    limits: Vec<LimitRow>,
    usage: Vec<UsageRow>,
    usage_base: &'static str,
    features: Vec<(String, String)>,
    environments: Vec<EnvironmentRow>,
}

/// Environments of one purpose.
struct Slots {
    purpose: String,
    total: u32,
    used: u32,
    free: u32,
}

struct LimitRow {
    name: String,
    number: String,
    kind: &'static str,
    used: String,
}

struct EnvironmentRow {
    id: Uuid,
    name: String,
    purpose: String,
    serial_number: String,
    standing: Badge,
    seen: String,
    sequence: String,
}

/// All that the page is made from, of one moment.
struct Read {
    sold: Subscription,
    environments: Vec<Environment>,
    slots: Vec<Slots>,
    usage: UsageView,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: Customer,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    let (portal, id, now) = (who.portal.clone(), who.id, web.portal.now());
    let read = web.blocking(move || read(&portal, id, now)).await?;
    let layout = Layout { notice: done.notice(), ..who.layout(&web, SUBSCRIPTION) };
    Ok(show(&view(&read, layout, now)))
}

fn read(portal: &Portal, id: Uuid, now: Timestamp) -> Result<Read, PortalError> {
    portal.store().read(|view| {
        let sold = view.subscription(id)?.ok_or(PortalError::NoSubscription { id })?;
        let mut slots = Vec::new();
        for purpose in Purpose::ALL {
            let (total, used) =
                (sold.terms.slots_for(purpose), view.slots_in_use(id, purpose, now)?);
            if total > 0 || used > 0 {
                let free = total.saturating_sub(used);
                slots.push(Slots { purpose: told::purpose(purpose), total, used, free });
            }
        }
        let environments = view.environments(Some(id))?;
        let mut in_place = environments.clone();
        in_place.retain(|environment| !environment.is_released());
        let usage = UsageView::of(&sold.terms, &in_place, &view.reported_usage(id)?);
        Ok(Read { sold, environments, slots, usage })
    })
}

fn view(read: &Read, layout: Layout, now: Timestamp) -> SubscriptionPage {
    let Read { sold, environments, slots, usage } = read;
    let (standing, text) = told::subscription(sold, now);
    let terms = &sold.terms;
    SubscriptionPage {
        layout,
        customer: sold.customer.clone(),
        edition: terms.edition.clone(),
        support_level: terms.support_level.clone(),
        trial: terms.trial,
        masked: sold.activation_code.masked(),
        standing,
        text,
        starts: day(terms.starts_at),
        ends: moment(terms.ends_at),
        grace_ends: day(terms.grace_ends_at()),
        full: slots.iter().all(|slots| slots.free == 0),
        slots: slots.iter().map(|s| Slots { purpose: s.purpose.clone(), ..*s }).collect(),
        limits: limits(usage, sold),
        usage: usage::rows(usage),
        usage_base: "",
        features: terms.features.iter().map(|(n, v)| (n.clone(), told::feature(v))).collect(),
        environments: environments.iter().rev().map(|e| row(e, now)).collect(),
    }
}

fn row(environment: &Environment, now: Timestamp) -> EnvironmentRow {
    let reserved = environment.is_reserved(now);
    EnvironmentRow {
        id: environment.id,
        name: environment.name.clone(),
        purpose: told::purpose(environment.purpose),
        serial_number: environment.serial_number.to_string(),
        standing: told::standing(environment, now),
        seen: if reserved { "never".to_owned() } else { moment(environment.seen_at) },
        sequence: environment.sequence.to_string(),
    }
}

/// Each limit, with what is used of it.
fn limits(usage: &UsageView, sold: &Subscription) -> Vec<LimitRow> {
    let row = |((name, limit), used)| {
        let (number, kind) = told::limit(limit);
        LimitRow { name: String::clone(name), number, kind, used: usage::glance(used) }
    };
    // The view has the limits that were bought, in their order.
    sold.terms.limits.iter().zip(&usage.limits).map(row).collect()
}

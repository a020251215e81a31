//! One environment: how it stands, and what helps its customer out.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        faults::Faults,
        form::Posted,
        page::{Layout, day, moment, see_other},
        usage::{self, UsageRow},
    },
    Done, SignedIn,
    waiting::Waiting,
};
use crate::portal::{
    BranchView,
    access::Right,
    domain::{Environment, EnvironmentStanding},
    export::{ENVIRONMENTS, USAGE, environments_csv, usage_csv},
    http::csv,
};
use askama::Template;
use axum::{extract::State, response::Response};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

/// An environment in a table.
pub(super) struct EnvironmentRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) purpose: String,
    pub(super) status: String,
    pub(super) serial: String,
    pub(super) seen: String,
}

fn status(environment: &Environment, now: Timestamp) -> String {
    let until = || environment.slot_held_until.map(day).unwrap_or_default();
    match environment.standing(now) {
        EnvironmentStanding::Reserved => format!("reserved until {}", until()),
        EnvironmentStanding::Held => format!("released, slot held until {}", until()),
        EnvironmentStanding::SerialOnly => "by Serial Number alone".to_owned(),
        other => other.as_str().to_owned(),
    }
}

impl EnvironmentRow {
    pub(super) fn of(environment: &Environment, now: Timestamp) -> Self {
        Self {
            id: environment.id,
            name: environment.name.clone(),
            purpose: environment.purpose.to_string(),
            status: status(environment, now),
            serial: environment.serial_number.to_string(),
            seen: moment(environment.seen_at),
        }
    }
}

struct Branch {
    last_request: String,
    since: String,
    heard: String,
    machine: String,
    score: String,
    survivor: bool,
}

impl From<BranchView> for Branch {
    fn from(branch: BranchView) -> Self {
        Self {
            last_request: branch.last_request.to_string(),
            since: moment(branch.since),
            heard: moment(branch.answered_at),
            machine: branch.machine.map(|machine| machine.kind).unwrap_or_default(),
            score: branch.hardware_score.map(|score| format!("{score} %")).unwrap_or_default(),
            survivor: branch.survivor,
        }
    }
}

#[derive(Template)]
#[template(path = "vendor/environment.html")]
struct EnvironmentPage {
    layout: Layout,
    row: EnvironmentRow,
    subscription: Uuid,
    customer: String,
    facts: Vec<(&'static str, String)>,
    usage: Vec<UsageRow>,
    usage_base: &'static str,
    forked: bool,
    branches: Vec<Branch>,
    waiting: Waiting,
    may_release: bool,
    may_assist: bool,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: SignedIn,
    At(id): At<Uuid>,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    shown(&web, &who, id, &done, None).await
}

/// The page, or the page again with why a form on it was refused.
pub(super) async fn shown(
    web: &Web,
    who: &SignedIn,
    id: Uuid,
    done: &Done,
    faults: Option<Faults>,
) -> Result<Response, PageError> {
    let (environment, sold, forks, waiting, usage) = who
        .ask(web, move |portal| {
            let environment = portal.environment(id)?;
            let sold = portal.subscription(environment.subscription_id)?;
            let (forks, waiting) = (portal.forks(id)?, Waiting::of_environment(portal, id)?);
            Ok((environment, sold, forks, waiting, portal.environment_usage(id)?))
        })
        .await?;
    let now = web.portal.now();
    let reserved = environment.is_reserved(now);
    let optional = |time: Option<Timestamp>| time.map(moment).unwrap_or_default();
    let key = environment.key.map(|key| key.thumbprint().to_string());
    let facts = [
        ("Serial Number", environment.serial_number.to_string()),
        ("Purpose", environment.purpose.to_string()),
        ("Key", key.unwrap_or_else(|| "none: bound to the Serial Number alone".to_owned())),
        ("Newest document", format!("sequence {}", environment.sequence.0)),
        ("Activated", moment(environment.activated_at)),
        ("Last heard", moment(environment.seen_at)),
        ("Released", optional(environment.released_at.filter(|_| !reserved))),
        ("Slot held until", optional(environment.slot_held_until)),
    ];
    let layout = who.layout(web, "", done).refused(faults);
    Ok(layout.reply().with(&EnvironmentPage {
        layout,
        row: EnvironmentRow::of(&environment, now),
        subscription: sold.id,
        customer: sold.customer,
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        usage: usage::rows(&usage),
        usage_base: "/vendor",
        forked: forks.forked && !environment.is_released(),
        branches: forks.branches.into_iter().map(Branch::from).collect(),
        waiting,
        may_release: who.may(Right::EnvironmentsWrite) && environment.has_slot(now),
        may_assist: who.may(Right::EnvironmentsAssist) && !environment.is_released(),
    }))
}

/// The branch that is named.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    branch: Uuid,
}

pub(super) async fn survivor(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Posted { who, form: Named { branch } }: Posted<SignedIn, Named>,
) -> Result<Response, PageError> {
    match who.ask(&web, move |portal| portal.name_survivor(id, branch)).await {
        Ok(_) => Ok(see_other(&format!("/vendor/environments/{id}?done=survivor"))),
        Err(error) => {
            let faults = error.on_form("")?;
            shown(&web, &who, id, &Done::default(), Some(faults)).await
        }
    }
}

pub(super) async fn export_usage(who: SignedIn) -> Result<Response, PageError> {
    who.needs(Right::EnvironmentsRead)?;
    Ok(csv(who.portal, "usage.csv", USAGE, usage_csv))
}

pub(super) async fn export(who: SignedIn) -> Result<Response, PageError> {
    who.needs(Right::EnvironmentsRead)?;
    Ok(csv(who.portal, "environments.csv", ENVIRONMENTS, environments_csv))
}

//! What takes something from a customer, or gives more: on a page of its own, which says what it does.

use super::{
    super::{
        PageError, Web,
        address::At,
        faults::Faults,
        form::Posted,
        page::{Layout, day, see_other},
    },
    Done, SignedIn,
    reading::read_date,
};
use crate::portal::{
    access::Right,
    domain::{Revision, Subscription},
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "vendor/confirm.html")]
struct ConfirmPage {
    layout: Layout,
    title: String,
    text: &'static str,
    action: String,
    back: String,
    button: &'static str,
    risky: bool,
    asks_reason: bool,
    asks_end: bool,
    end: String,
    /// The revision that the page was made from.
    revision: Option<Revision>,
    given: Given,
}

/// What is done to a subscription.
#[derive(Clone, Copy)]
enum Act {
    Renew,
    Suspend,
    Resume,
    Revoke,
}

impl Act {
    fn of(word: &str) -> Result<Self, PageError> {
        Ok(match word {
            "renew" => Self::Renew,
            "suspend" => Self::Suspend,
            "resume" => Self::Resume,
            "revoke" => Self::Revoke,
            _ => return Err(PageError::not_found("page")),
        })
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Renew => (
                "Renew",
                "The term is lengthened. The Activation Code stays; each environment gets a new license at its next refresh.",
            ),
            Self::Suspend => (
                "Suspend",
                "Nothing is issued for now. Licenses that were issued stay as they are.",
            ),
            Self::Resume => (
                "Resume",
                "A suspension or a revocation is taken back. Each environment gets a new license at its next refresh.",
            ),
            Self::Revoke => (
                "Revoke",
                "All licenses of this subscription are taken back: each environment gets a signed revocation at its next refresh, and refuses new work from then on.",
            ),
        }
    }
}

pub(super) async fn subscription(
    State(web): State<Web>,
    who: SignedIn,
    At((id, word)): At<(Uuid, String)>,
) -> Result<Response, PageError> {
    shown(&web, &who, id, &word, Given::default(), None).await
}

async fn shown(
    web: &Web,
    who: &SignedIn,
    id: Uuid,
    word: &str,
    given: Given,
    faults: Option<Faults>,
) -> Result<Response, PageError> {
    let act = Act::of(word)?;
    who.needs(Right::SubscriptionsWrite)?;
    let sold = who.ask(web, move |portal| portal.subscription(id)).await?;
    let (button, text) = act.words();
    let layout = who.layout(web, "", &Done::default()).refused(faults);
    Ok(layout.reply().with(&ConfirmPage {
        layout,
        title: format!("{button} the subscription of {}", sold.customer),
        text,
        action: format!("/vendor/subscriptions/{id}/{word}"),
        back: format!("/vendor/subscriptions/{id}"),
        button,
        risky: matches!(act, Act::Revoke | Act::Suspend),
        asks_reason: matches!(act, Act::Revoke),
        asks_end: matches!(act, Act::Renew),
        end: day(sold.terms.ends_at),
        revision: Some(sold.revision),
        given,
    }))
}

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    reason: String,
    ends_at: String,
    revision: String,
}

pub(super) async fn change_subscription(
    State(web): State<Web>,
    At((id, word)): At<(Uuid, String)>,
    Posted { who, form }: Posted<SignedIn, Given>,
) -> Result<Response, PageError> {
    let act = Act::of(&word)?;
    let Err(faults) = changed(&web, &who, id, act, form.clone()).await? else {
        return Ok(see_other(&format!("/vendor/subscriptions/{id}?done={word}")));
    };
    shown(&web, &who, id, &word, form, Some(faults)).await
}

/// The subscription as it is then, or what is wrong with the form.
async fn changed(
    web: &Web,
    who: &SignedIn,
    id: Uuid,
    act: Act,
    form: Given,
) -> Result<Result<Subscription, Faults>, PageError> {
    let (mut ends_at, mut wrong) = (Timestamp::UNIX_EPOCH, Vec::new());
    if matches!(act, Act::Renew) {
        read_date(("ends_at", "New end"), &form.ends_at, &mut ends_at, &mut wrong);
    }
    if !wrong.is_empty() {
        return Ok(Err(Faults::new(StatusCode::UNPROCESSABLE_ENTITY, wrong)));
    }
    let seen = form.revision.parse().map_or(Revision::NONE, Revision);
    let change = move |change: &crate::portal::Act<'_>| {
        // What was decided since the page was read is not taken back by it.
        change.check_revision(id, seen)?;
        match act {
            Act::Renew => change.renew_subscription(id, ends_at),
            Act::Suspend => change.suspend_subscription(id),
            Act::Resume => change.resume_subscription(id),
            Act::Revoke => change.revoke_subscription(id, form.reason.trim()),
        }
    };
    match who.ask(web, move |portal| portal.act(change)).await {
        Ok(subscription) => Ok(Ok(subscription)),
        Err(error) => {
            let field = match error.code() {
                "name" => "reason",
                "renewal-no-longer" | "terms-term" => "ends_at",
                _ => "",
            };
            Ok(Err(error.on_form(field)?))
        }
    }
}

pub(super) async fn environment(
    State(web): State<Web>,
    who: SignedIn,
    At(id): At<Uuid>,
) -> Result<Response, PageError> {
    release_page(&web, &who, id, None).await
}

async fn release_page(
    web: &Web,
    who: &SignedIn,
    id: Uuid,
    faults: Option<Faults>,
) -> Result<Response, PageError> {
    who.needs(Right::EnvironmentsWrite)?;
    let environment = who.ask(web, move |portal| portal.environment(id)).await?;
    let layout = who.layout(web, "", &Done::default()).refused(faults);
    Ok(layout.reply().with(&ConfirmPage {
        layout,
        title: format!("Release {}", environment.name),
        text: "Its slot is free at once, for another machine or the same one. Its agent is told at its next refresh that the license is taken back.",
        action: format!("/vendor/environments/{id}/release"),
        back: format!("/vendor/environments/{id}"),
        button: "Release",
        risky: true,
        asks_reason: false,
        asks_end: false,
        end: String::new(),
        revision: None,
        given: Given::default(),
    }))
}

pub(super) async fn release_environment(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Posted { who, .. }: Posted<SignedIn, Given>,
) -> Result<Response, PageError> {
    match who.ask(&web, move |portal| portal.release_environment(id)).await {
        Ok(_) => Ok(see_other(&format!("/vendor/environments/{id}?done=released"))),
        Err(error) => release_page(&web, &who, id, Some(error.on_form("")?)).await,
    }
}

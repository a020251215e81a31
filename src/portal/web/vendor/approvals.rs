//! What waits for somebody of the vendor's: releases, and keys to be bound.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        faults::Faults,
        form::Posted,
        page::{Layout, see_other},
    },
    Done, SignedIn,
    waiting::{Waiting, reason_field},
};
use crate::{
    license::Thumbprint,
    portal::{Portal, access::Right},
};
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "vendor/approvals.html")]
struct ApprovalsPage {
    layout: Layout,
    waiting: Waiting,
    may_assist: bool,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: SignedIn,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    shown(&web, &who, &done, None).await
}

async fn shown(
    web: &Web,
    who: &SignedIn,
    done: &Done,
    faults: Option<Faults>,
) -> Result<Response, PageError> {
    let waiting = who.ask(web, Waiting::everywhere).await?;
    let layout = who.layout(web, "/vendor/approvals", done).refused(faults);
    Ok(layout.reply().with(&ApprovalsPage {
        layout,
        waiting,
        may_assist: who.may(Right::EnvironmentsAssist),
    }))
}

/// Why it is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Decision {
    reason: String,
}

pub(super) async fn decide_release(
    State(web): State<Web>,
    At((id, decision)): At<(Uuid, String)>,
    Posted { who, form: Decision { reason } }: Posted<SignedIn, Decision>,
) -> Result<Response, PageError> {
    let (decided, done) = match decision.as_str() {
        "approve" => (who.ask(&web, move |portal| portal.approve_release(id)).await, "approved"),
        "refuse" => {
            let refuse = move |portal: &Portal| portal.refuse_release(id, reason.trim());
            (who.ask(&web, refuse).await, "refused")
        }
        _ => return Err(PageError::not_found("page")),
    };
    settled(&web, &who, decided.map(drop), done, &reason_field(id)).await
}

/// What was done, or the page again with what is wrong, with `reason` if the reason is.
async fn settled(
    web: &Web,
    who: &SignedIn,
    result: Result<(), PageError>,
    done: &str,
    reason: &str,
) -> Result<Response, PageError> {
    match result {
        Ok(()) => Ok(see_other(&format!("/vendor/approvals?done={done}"))),
        Err(error) => {
            let field = if error.code() == "name" { reason.to_owned() } else { String::new() };
            shown(web, who, &Done::default(), Some(error.on_form(field)?)).await
        }
    }
}

/// Which key.
#[derive(Debug, Deserialize)]
pub(super) struct Rebind {
    environment: Uuid,
    key: String,
}

pub(super) async fn approve_rebind(
    State(web): State<Web>,
    Posted { who, form: Rebind { environment, key } }: Posted<SignedIn, Rebind>,
) -> Result<Response, PageError> {
    let Ok(key) = key.parse::<Thumbprint>() else {
        return Err(PageError::not_found("key"));
    };
    let approve = move |portal: &Portal| portal.approve_rebind(environment, Some(key));
    let approved = who.ask(&web, approve).await.map(drop);
    settled(&web, &who, approved, "approved", "").await
}

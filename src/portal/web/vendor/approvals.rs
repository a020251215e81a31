//! What waits for somebody of the vendor's: releases, and keys to be bound.

use super::{
    super::{
        PageError, Web,
        form::Posted,
        page::{Layout, see_other, show},
    },
    Done, SignedIn,
};
use crate::{
    license::Thumbprint,
    portal::{AskedRelease, access::Right, domain::PendingRebind},
};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "vendor/approvals.html")]
struct ApprovalsPage {
    layout: Layout,
    releases: Vec<AskedRelease>,
    rebinds: Vec<PendingRebind>,
    may_assist: bool,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: SignedIn,
    Query(done): Query<Done>,
) -> Result<Response, PageError> {
    let (releases, mut rebinds) = who
        .ask(&web, |portal| Ok((portal.waiting_releases(None)?, portal.pending_rebinds()?)))
        .await?;
    rebinds.retain(|pending| pending.approved_at.is_none());
    Ok(show(&ApprovalsPage {
        layout: who.layout(&web, "/vendor/approvals", &done),
        releases,
        rebinds,
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
    Path((id, decision)): Path<(Uuid, String)>,
    Posted { who, form: Decision { reason } }: Posted<SignedIn, Decision>,
) -> Result<Response, PageError> {
    let done = match decision.as_str() {
        "approve" => {
            who.ask(&web, move |portal| portal.approve_release(id)).await?;
            "approved"
        }
        "refuse" => {
            who.ask(&web, move |portal| portal.refuse_release(id, reason.trim())).await?;
            "refused"
        }
        _ => return Err(PageError::not_found("page")),
    };
    Ok(see_other(&format!("/vendor/approvals?done={done}")))
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
    who.ask(&web, move |portal| portal.approve_rebind(environment, Some(key))).await?;
    Ok(see_other("/vendor/approvals?done=approved"))
}

//! Releases that customers asked for and that wait for approval.

use super::{
    answer::Answer,
    caller::Caller,
    keyed::Keyed,
    paging::{Id, Page},
    refusal::Refused,
    subscriptions::Reason,
};
use crate::{
    api::Problem,
    portal::{AskedRelease, access::Right},
};
use axum::Json;

/// List the releases that wait for approval, oldest first
#[utoipa::path(
    get,
    path = "/v1/vendor/releases",
    tag = "vendor",
    security(("token" = ["environments:read"])),
    responses((status = 200, body = Page<AskedRelease>), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn list(caller: Caller) -> Result<Json<Page<AskedRelease>>, Refused> {
    let found = caller.read(Right::EnvironmentsRead, |portal| portal.waiting_releases(None));
    Ok(Json(Page { items: found.await?, next: None }))
}

/// Approve a release: the environment is released
#[utoipa::path(
    post,
    path = "/v1/vendor/releases/{id}/approve",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    security(("token" = ["environments:assist"])),
    responses((status = 200, body = AskedRelease), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn approve(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    caller.change(keyed, move |act| Answer::done(&act.approve_release(id)?)).await
}

/// Refuse a release; the customer reads why
#[utoipa::path(
    post,
    path = "/v1/vendor/releases/{id}/refuse",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Reason,
    security(("token" = ["environments:assist"])),
    responses((status = 200, body = AskedRelease), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn refuse(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    let Reason { reason } = keyed.json()?;
    caller.change(keyed, move |act| Answer::done(&act.refuse_release(id, &reason)?)).await
}

//! The audit, a page at a time.

use super::{
    caller::Caller,
    paging::{Asked, Page, length},
    refusal::Refused,
};
use crate::{
    api::Problem,
    portal::{
        access::Right,
        store::{AuditEntry, AuditFilter},
    },
};
use axum::Json;
use serde::Deserialize;
use uuid::Uuid;

/// Which entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Of this subscription
    subscription: Option<Uuid>,
    /// Of this event, such as subscription-renewed
    event: Option<String>,
    /// By this actor, such as `operator alice`
    actor: Option<String>,
    /// `next` of the page before
    cursor: Option<u64>,
    /// 1 to 200; 50 unless given
    limit: Option<u32>,
}

/// See what was changed, when, by whom, the newest first
#[utoipa::path(
    get,
    path = "/v1/vendor/audit",
    tag = "vendor",
    params(Search),
    security(("token" = ["audit:read"])),
    responses((status = 200, body = Page<AuditEntry>), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn list(
    caller: Caller,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<AuditEntry>>, Refused> {
    let Search { subscription, event, actor, cursor, limit } = search;
    let (filter, length) = (AuditFilter { subscription, event, actor }, length(limit)?);
    let found = caller
        .read(Right::AuditRead, move |portal| portal.search_audit(&filter, cursor, length + 1));
    Ok(Json(Page::of(found.await?, length, |entry| entry.id.to_string(), |entry| entry)))
}

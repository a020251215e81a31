//! Whole lists as CSV, RFC 4180, made while they are sent.

use super::{caller::Caller, refusal::Refused};
use crate::{
    api::Problem,
    portal::{
        Portal, PortalError,
        access::Right,
        export::{
            ENVIRONMENTS, SUBSCRIPTIONS, USAGE, environments_csv, subscriptions_csv, usage_csv,
        },
    },
};
use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use uuid::Uuid;

/// Rows that are read at once.
const ROWS: u32 = 500;

/// Export all subscriptions
#[utoipa::path(
    get,
    path = "/v1/vendor/export/subscriptions.csv",
    tag = "vendor",
    security(("token" = ["subscriptions:read"])),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn subscriptions(caller: Caller) -> Result<Response, Refused> {
    let portal = caller.read(Right::SubscriptionsRead, |portal| Ok(portal.clone())).await?;
    Ok(csv(portal, "subscriptions.csv", SUBSCRIPTIONS, subscriptions_csv))
}

/// Export all environments, released ones among them
#[utoipa::path(
    get,
    path = "/v1/vendor/export/environments.csv",
    tag = "vendor",
    security(("token" = ["environments:read"])),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn environments(caller: Caller) -> Result<Response, Refused> {
    let portal = caller.read(Right::EnvironmentsRead, |portal| Ok(portal.clone())).await?;
    Ok(csv(portal, "environments.csv", ENVIRONMENTS, environments_csv))
}

/// Export what all environments use, by limit
#[utoipa::path(
    get,
    path = "/v1/vendor/export/usage.csv",
    tag = "vendor",
    security(("token" = ["environments:read"])),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn usage(caller: Caller) -> Result<Response, Refused> {
    let portal = caller.read(Right::EnvironmentsRead, |portal| Ok(portal.clone())).await?;
    Ok(csv(portal, "usage.csv", USAGE, usage_csv))
}

/// Reads rows before an id: their text, and the id that the next ones are before.
type Rows = fn(&Portal, Option<Uuid>, u32) -> Result<(String, Option<Uuid>), PortalError>;

/// A file that is made while it is sent, so that no list is too long.
pub(in crate::portal) fn csv(
    portal: Portal,
    name: &'static str,
    header: &'static str,
    rows: Rows,
) -> Response {
    let begun = (portal, Some(None), Some(header));
    let parts = stream::unfold(begun, move |(portal, next, head)| async move {
        if let Some(head) = head {
            return Some((Ok(head.to_owned()), (portal, next, None)));
        }
        let before: Option<Uuid> = next?;
        let own = portal.clone();
        let read = portal.off_the_runtime(move || rows(&own, before, ROWS)).await;
        // A file that breaks off is told as such by the connection that does.
        Some(match read {
            Ok((text, next)) => (Ok(text), (portal, next.map(Some), None)),
            Err(error) => {
                tracing::error!(%error, code = error.code(), "an export broke off");
                (Err(std::io::Error::other("the export broke off")), (portal, None, None))
            }
        })
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, Body::from_stream(parts)).into_response()
}

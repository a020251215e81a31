//! Environments: seeing them, taking their slots back, and helping customers out.

use super::{
    answer::Answer,
    caller::Caller,
    keyed::Keyed,
    paging::{Asked, Id, Page, Window, length},
    refusal::Refused,
    shown::EnvironmentShown,
};
use crate::{
    api::Problem,
    license::Thumbprint,
    portal::{Portal, PortalError, access::Right, domain::Environment, store::EnvironmentFilter},
};
use axum::Json;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// How long a one-time code is good unless the caller says, hours.
const USUAL_HOURS: u16 = 24;
/// And at most.
const MOST_HOURS: u16 = 720;

async fn page(
    caller: Caller,
    window: Window,
    subscription: Option<Uuid>,
) -> Result<Json<Page<EnvironmentShown>>, Refused> {
    let length = length(window.limit)?;
    let found = caller.read(Right::EnvironmentsRead, move |portal| {
        subscription.map_or(Ok(()), |id| portal.has_subscription(id))?;
        let filter = EnvironmentFilter { subscription, ..EnvironmentFilter::default() };
        Ok((portal.search_environments(&filter, window.cursor, length + 1)?, portal.now()))
    });
    let (found, now) = found.await?;
    let place = |environment: &Environment| environment.id.to_string();
    Ok(Json(Page::of(found, length, place, |found| EnvironmentShown::of(found, now))))
}

/// List the environments of a subscription, released ones among them, the newest first
#[utoipa::path(
    get,
    path = "/v1/vendor/subscriptions/{id}/environments",
    tag = "vendor",
    params(("id" = Uuid, Path), Window),
    security(("token" = ["environments:read"])),
    responses((status = 200, body = Page<EnvironmentShown>), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn of_subscription(
    caller: Caller,
    Id(id): Id,
    Asked(window): Asked<Window>,
) -> Result<Json<Page<EnvironmentShown>>, Refused> {
    page(caller, window, Some(id)).await
}

/// List all environments, released ones among them, the newest first
#[utoipa::path(
    get,
    path = "/v1/vendor/environments",
    tag = "vendor",
    params(Window),
    security(("token" = ["environments:read"])),
    responses((status = 200, body = Page<EnvironmentShown>), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn list(
    caller: Caller,
    Asked(window): Asked<Window>,
) -> Result<Json<Page<EnvironmentShown>>, Refused> {
    page(caller, window, None).await
}

/// See an environment
#[utoipa::path(
    get,
    path = "/v1/vendor/environments/{id}",
    tag = "vendor",
    params(("id" = Uuid, Path)),
    security(("token" = ["environments:read"])),
    responses((status = 200, body = EnvironmentShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn get(caller: Caller, Id(id): Id) -> Result<Answer, Refused> {
    let found = caller
        .read(Right::EnvironmentsRead, move |portal| shown(portal.environment(id)?, portal.now()));
    found.await
}

fn shown(environment: Environment, now: Timestamp) -> Result<Answer, PortalError> {
    Answer::done(&EnvironmentShown::of(environment, now))
}

/// Take an environment's slot back; its agent is told at its next refresh
#[utoipa::path(
    post,
    path = "/v1/vendor/environments/{id}/release",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    security(("token" = ["environments:write"])),
    responses((status = 200, body = EnvironmentShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn release(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    caller.change(keyed, move |act| shown(act.release_environment(id)?, act.now())).await
}

/// For how long.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeLifetime {
    /// 1 to 720; 24 unless given.
    hours: Option<u16>,
}

// No `Debug`.
/// A one-time code.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct OneTimeCode {
    environment_id: Uuid,
    /// For `entitlectl rebind --rebind-code CODE`; kept nowhere.
    code: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Make a one-time code by which a machine that lost its key gets its environment back
#[utoipa::path(
    post,
    path = "/v1/vendor/environments/{id}/rebind-code",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "a second request is refused: the code is kept nowhere")),
    request_body = CodeLifetime,
    security(("token" = ["environments:assist"])),
    responses((status = 201, body = OneTimeCode), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn rebind_code(
    caller: Caller,
    Id(id): Id,
    keyed: Keyed,
) -> Result<Answer, Refused> {
    let CodeLifetime { hours } = keyed.json()?;
    let hours = hours.unwrap_or(USUAL_HOURS);
    if !(1..=MOST_HOURS).contains(&hours) {
        return Err(Refused::body(format!("expected 1 to {MOST_HOURS} hours, found {hours}")));
    }
    let change = caller.change(keyed, move |act| {
        let made = act.make_rebind_code(id, SignedDuration::from_hours(hours.into()))?;
        let code = made.code.expose().to_string();
        let shown = OneTimeCode { environment_id: id, code, expires_at: made.expires_at };
        Ok(Answer::made(&shown)?.secret())
    });
    change.await
}

/// A rebind that waits for approval, or is approved and was not asked for again.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RebindShown {
    environment_id: Uuid,
    /// Thumbprint of the key that asks.
    key: String,
    /// What kind of machine it is.
    machine: String,
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    approved_at: Option<Timestamp>,
}

/// List the rebinds that wait for approval, oldest first
#[utoipa::path(
    get,
    path = "/v1/vendor/rebinds",
    tag = "vendor",
    security(("token" = ["environments:read"])),
    responses((status = 200, body = Page<RebindShown>), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn rebinds(caller: Caller) -> Result<Json<Page<RebindShown>>, Refused> {
    let found = caller.read(Right::EnvironmentsRead, Portal::pending_rebinds).await?;
    let items = found.into_iter().map(|pending| RebindShown {
        environment_id: pending.environment_id,
        key: pending.key.to_string(),
        machine: pending.machine,
        asked_at: pending.asked_at,
        approved_at: pending.approved_at,
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// Which rebind.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RebindApproval {
    /// Thumbprint of the key to be bound; needed where several wait.
    key: Option<String>,
}

/// Approve the rebind that waits; it is done when its machine asks again
#[utoipa::path(
    post,
    path = "/v1/vendor/environments/{id}/approve-rebind",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RebindApproval,
    security(("token" = ["environments:assist"])),
    responses((status = 200, body = serde_json::Value), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn approve_rebind(
    caller: Caller,
    Id(id): Id,
    keyed: Keyed,
) -> Result<Answer, Refused> {
    let RebindApproval { key } = keyed.json()?;
    let key = key.map(|key| key.parse::<Thumbprint>()).transpose();
    let key = key.map_err(|_| Refused::body("expected the thumbprint of a key"))?;
    let change = caller.change(keyed, move |act| {
        let approved = act.approve_rebind(id, key.as_ref())?;
        let (key, at) = (approved.key, approved.approved_at);
        Answer::done(&json!({ "environment_id": id, "key": key, "approved_at": at }))
    });
    change.await
}

/// See the lines in which an environment's requests come: more than one is a copy, or a restored snapshot
#[utoipa::path(
    get,
    path = "/v1/vendor/environments/{id}/forks",
    tag = "vendor",
    params(("id" = Uuid, Path)),
    security(("token" = ["environments:read"])),
    responses((status = 200, body = serde_json::Value), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn forks(caller: Caller, Id(id): Id) -> Result<Answer, Refused> {
    caller.read(Right::EnvironmentsRead, move |portal| Answer::done(&portal.forks(id)?)).await
}

/// Which line.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedSurvivor {
    /// The last request of the branch that is the environment.
    last_request: Uuid,
}

/// Name the line that is the environment; it is asked for a new key, the others' key is retired with that
#[utoipa::path(
    post,
    path = "/v1/vendor/environments/{id}/survivor",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NamedSurvivor,
    security(("token" = ["environments:assist"])),
    responses((status = 200, body = serde_json::Value), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn survivor(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    let NamedSurvivor { last_request } = keyed.json()?;
    caller.change(keyed, move |act| Answer::done(&act.name_survivor(id, last_request)?)).await
}

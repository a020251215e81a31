//! What is used of the limits, by the newest figures of each environment.

use super::{answer::Answer, caller::Caller, paging::Id, refusal::Refused};
use crate::{
    api::Problem,
    portal::{UsageView, access::Right},
};

/// See what a subscription's environments use of its limits; released ones are left out
#[utoipa::path(
    get,
    path = "/v1/vendor/subscriptions/{id}/usage",
    tag = "vendor",
    params(("id" = Uuid, Path)),
    security(("token" = ["environments:read"])),
    responses((status = 200, body = UsageView), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn of_subscription(caller: Caller, Id(id): Id) -> Result<Answer, Refused> {
    caller.read(Right::EnvironmentsRead, move |portal| Answer::done(&portal.usage(id)?)).await
}

/// See what an environment uses of its limits, or last told before its release
#[utoipa::path(
    get,
    path = "/v1/vendor/environments/{id}/usage",
    tag = "vendor",
    params(("id" = Uuid, Path)),
    security(("token" = ["environments:read"])),
    responses((status = 200, body = UsageView), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn of_environment(caller: Caller, Id(id): Id) -> Result<Answer, Refused> {
    let read = move |portal: &crate::portal::Portal| Answer::done(&portal.environment_usage(id)?);
    caller.read(Right::EnvironmentsRead, read).await
}

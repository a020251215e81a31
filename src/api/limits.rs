//! The limits of the license, what is used of them, and whether more may be.

use super::{
    AgentHandle, Problem,
    asked::{Named, Parameters},
};
use crate::{
    entitlement::{Allowance, LimitState, LimitStatus},
    license::{Enforcement, Limit},
    usage::check,
};
use axum::{Json, extract::State as From};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The routes that everyone may use.
pub(super) fn routes() -> OpenApiRouter<AgentHandle> {
    OpenApiRouter::new().routes(routes!(limits)).routes(routes!(limit)).routes(routes!(allowance))
}

/// A limit, known or not.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct NamedLimit {
    /// Its name.
    name: String,
    /// Whether the license names it.
    known: bool,
    /// The limit; `null` for unlimited, and where it is not known.
    limit: Option<u64>,
    /// What happens at the limit; `null` where it is not known.
    enforcement: Option<Enforcement>,
    /// What is used; `null` where nobody reports it.
    used: Option<u64>,
    /// How the two stand to each other; `null` where the limit is not known.
    state: Option<LimitState>,
}

/// Every limit of the license
#[utoipa::path(get, path = "/v1/limits", tag = "status", responses(
    (status = 200, description = "Limit by name", body = BTreeMap<String, LimitStatus>),
))]
async fn limits(
    From(agent): From<AgentHandle>,
) -> Result<Json<BTreeMap<String, LimitStatus>>, Problem> {
    Ok(Json(agent.current()?.status.limits.clone()))
}

/// One limit
#[utoipa::path(get, path = "/v1/limits/{name}", tag = "status", params(("name" = String, Path, description = "Its name")), responses(
    (status = 200, description = "The limit; `null` and unknown where the license does not name it", body = NamedLimit),
))]
async fn limit(
    From(agent): From<AgentHandle>,
    Named(name): Named<String>,
) -> Result<Json<NamedLimit>, Problem> {
    let published = agent.current()?;
    let found = published.status.limits.get(&name).copied();
    Ok(Json(NamedLimit {
        name,
        known: found.is_some(),
        limit: found.and_then(|l| l.limit),
        enforcement: found.map(|l| l.enforcement),
        used: found.and_then(|l| l.used),
        state: found.map(|l| l.state),
    }))
}

/// How much more.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct More {
    /// How much more is to be taken, 1 unless told.
    amount: Option<u64>,
}

/// Whether more may be taken of a limit
///
/// Of what is used in the whole environment. Only a hard limit refuses, and only by fresh figures: where those can't be had,
/// everything is allowed, and the answer says so. Nothing is reserved: report at once what is taken.
#[utoipa::path(get, path = "/v1/limits/{name}/check", tag = "status", params(("name" = String, Path, description = "The limit's name"), More), responses(
    (status = 200, description = "Whether it may; `unknown-limit` where the license does not name it", body = Allowance),
    (status = 400, description = "`amount` is no number", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The hardware is still being read", body = Problem, content_type = "application/problem+json"),
))]
async fn allowance(
    From(agent): From<AgentHandle>,
    Named(name): Named<String>,
    Parameters(More { amount }): Parameters<More>,
) -> Result<Json<Allowance>, Problem> {
    let published = agent.current()?;
    let status = &published.status;
    let held = status.limits.get(&name);
    let limit = held.map(|held| Limit { limit: held.limit, enforcement: held.enforcement });
    let knowledge = agent.usage.borrow().of(&name, held.and_then(|held| held.used));
    let stated = (status.entitled, status.generation);
    Ok(Json(check(&name, amount.unwrap_or(1), limit, &knowledge, stated)))
}

//! `/v1/vendor`: what the vendor's own programs do, such as its CRM.
//!
//! Each call brings a token (`Authorization: Bearer`); what that may do is in its scopes. Lists come a page at a time. A change with an
//! `Idempotency-Key` is done once, however often it is sent.

mod answer;
mod audit;
mod caller;
mod environments;
mod export;
mod keyed;
mod paging;
mod refusal;
mod releases;
mod shown;
mod subscriptions;
mod terms;
mod usage;

pub(in crate::portal) use export::csv;

use super::Access;
use utoipa::{
    Modify,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The routes, none of which answers without a token.
pub(super) fn described(access: Option<&Access>) -> OpenApiRouter<Access> {
    let routes = OpenApiRouter::new()
        .routes(routes!(subscriptions::list, subscriptions::create))
        .routes(routes!(subscriptions::get, subscriptions::change))
        .routes(routes!(subscriptions::renew))
        .routes(routes!(subscriptions::suspend))
        .routes(routes!(subscriptions::resume))
        .routes(routes!(subscriptions::revoke))
        .routes(routes!(subscriptions::activation_code))
        .routes(routes!(environments::of_subscription))
        .routes(routes!(environments::list))
        .routes(routes!(environments::get))
        .routes(routes!(environments::release))
        .routes(routes!(environments::rebind_code))
        .routes(routes!(environments::rebinds))
        .routes(routes!(environments::approve_rebind))
        .routes(routes!(environments::forks))
        .routes(routes!(environments::survivor))
        .routes(routes!(releases::list))
        .routes(routes!(releases::approve))
        .routes(routes!(releases::refuse))
        .routes(routes!(audit::list))
        .routes(routes!(export::subscriptions))
        .routes(routes!(export::environments))
        .routes(routes!(export::usage))
        .routes(routes!(usage::of_subscription))
        .routes(routes!(usage::of_environment));
    match access {
        Some(access) => routes
            .route_layer(axum::middleware::from_fn_with_state(access.clone(), caller::with_token)),
        None => routes,
    }
}

/// Tells the description how a caller is known.
pub(super) struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("entp_...")
            .description(Some(
                "made by `entitle-portal token create`; each route names the scope that it needs",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

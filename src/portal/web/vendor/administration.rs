//! What administrators alone see: operators, API tokens and webhooks.

use super::{
    super::{Web, target},
    operators, tokens, webhooks,
};
use axum::{Router, routing::get};

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/vendor/operators", get(operators::operators).post(operators::add_operator))
        .route("/vendor/operators/{name}", target::of_form_above().post(operators::change_operator))
        .route("/vendor/tokens", get(tokens::tokens).post(tokens::create_token))
        .route(
            "/vendor/tokens/{name}/revoke",
            target::of_form_on("/vendor/tokens").post(tokens::revoke_token),
        )
        .route("/vendor/webhooks", get(webhooks::webhooks).post(webhooks::add_webhook))
        .route(
            "/vendor/webhooks/{id}/{act}",
            target::of_form_on("/vendor/webhooks").post(webhooks::change_webhook),
        )
}

/// The field that a refusal is about.
pub(super) fn field_of(code: &str) -> &'static str {
    match code {
        "password-short" | "password-long" => "password",
        "passwords-differ" => "again",
        "operator-role" => "role",
        "access-name" | "operator-exists" | "token-exists" => "name",
        "token-scope" => "scopes",
        "token-lifetime" => "days",
        "webhook-address" => "url",
        "webhook-event" | "webhook-events" => "events",
        _ => "",
    }
}

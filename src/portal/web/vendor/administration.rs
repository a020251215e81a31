//! Operators, API tokens and webhooks.

use super::{
    super::{
        PageError, Web,
        form::Posted,
        page::{Layout, moment, see_other, show},
        target,
    },
    Done, SignedIn,
    secrets::secret_page,
    sign_in::Nothing,
    told,
};
use crate::portal::{
    Portal, WebhookStanding,
    access::{AccessError, ApiToken, Operator, Password, Right, Role},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    response::Response,
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/vendor/operators", get(operators).post(add_operator))
        .route("/vendor/operators/{name}", target::of_form_above().post(change_operator))
        .route("/vendor/tokens", get(tokens).post(create_token))
        .route(
            "/vendor/tokens/{name}/revoke",
            target::of_form_on("/vendor/tokens").post(revoke_token),
        )
        .route("/vendor/webhooks", get(webhooks).post(add_webhook))
        .route(
            "/vendor/webhooks/{id}/{act}",
            target::of_form_on("/vendor/webhooks").post(change_webhook),
        )
}

#[derive(Template)]
#[template(path = "vendor/operators.html")]
struct OperatorsPage {
    layout: Layout,
    operators: Vec<Operator>,
}

async fn operators(
    State(web): State<Web>,
    who: SignedIn,
    Query(done): Query<Done>,
) -> Result<Response, PageError> {
    let operators = who.ask(&web, Portal::operators).await?;
    let layout = who.layout(&web, "/vendor/operators", &done);
    Ok(show(&OperatorsPage { layout, operators }))
}

/// No `Debug`: the password is a secret.
#[derive(Deserialize)]
struct NewOperator {
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    again: Zeroizing<String>,
}

/// A password that was typed twice.
pub(super) fn chosen(password: &str, again: &str) -> Result<Password, PageError> {
    let wrong = |error: AccessError| told(error.into());
    let chosen = Password::chosen(password).map_err(wrong)?;
    if password == again { Ok(chosen) } else { Err(wrong(AccessError::PasswordsDiffer)) }
}

fn role(text: &str) -> Result<Role, PageError> {
    text.parse().map_err(|error: AccessError| told(error.into()))
}

async fn add_operator(
    State(web): State<Web>,
    Posted { who, form }: Posted<SignedIn, NewOperator>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let NewOperator { name, role: typed, password, again } = form;
    let (password, role) = (chosen(&password, &again)?, role(&typed)?);
    who.ask(&web, move |portal| portal.add_operator(name.trim(), &password, role)).await?;
    Ok(see_other("/vendor/operators?done=stored"))
}

/// No `Debug`: the password is a secret.
#[derive(Deserialize)]
struct OperatorChange {
    #[serde(default)]
    act: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    again: Zeroizing<String>,
}

async fn change_operator(
    State(web): State<Web>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<SignedIn, OperatorChange>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let OperatorChange { act, role: typed, password, again } = form;
    match act.as_str() {
        "role" => {
            let role = role(&typed)?;
            who.ask(&web, move |portal| portal.set_operator_role(&name, role)).await?
        }
        "password" => {
            let password = chosen(&password, &again)?;
            who.ask(&web, move |portal| portal.set_operator_password(&name, &password)).await?
        }
        "disable" => who.ask(&web, move |portal| portal.disable_operator(&name)).await?,
        "enable" => who.ask(&web, move |portal| portal.enable_operator(&name)).await?,
        _ => return Err(PageError::not_found("page")),
    };
    Ok(see_other("/vendor/operators?done=stored"))
}

struct TokenRow {
    name: String,
    status: &'static str,
    scopes: String,
    expires: String,
    used: String,
}

fn token_row(token: ApiToken, now: Timestamp) -> TokenRow {
    let status = match token.revoked_at {
        Some(_) => "revoked",
        None if token.is_good(now) => "good",
        None => "expired",
    };
    let or_never = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), moment);
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    TokenRow {
        status,
        scopes: scopes.join(", "),
        expires: or_never(token.expires_at),
        used: or_never(token.last_used_at),
        name: token.name,
    }
}

#[derive(Template)]
#[template(path = "vendor/tokens.html")]
struct TokensPage {
    layout: Layout,
    tokens: Vec<TokenRow>,
    scopes: Vec<&'static str>,
}

async fn tokens(
    State(web): State<Web>,
    who: SignedIn,
    Query(done): Query<Done>,
) -> Result<Response, PageError> {
    let (tokens, now) = (who.ask(&web, Portal::tokens).await?, web.portal.now());
    let scopes = Right::ALL.into_iter().filter(|right| *right != Right::Administer);
    Ok(show(&TokensPage {
        layout: who.layout(&web, "/vendor/tokens", &done),
        tokens: tokens.into_iter().map(|token| token_row(token, now)).collect(),
        scopes: scopes.map(Right::as_str).collect(),
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NewToken {
    name: String,
    days: String,
    scopes: String,
}

async fn create_token(
    State(web): State<Web>,
    Posted { who, form: NewToken { name, days, scopes } }: Posted<SignedIn, NewToken>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let scopes: Result<Vec<Right>, String> =
        scopes.split([' ', ',', '\r', '\n']).filter(|s| !s.is_empty()).map(str::parse).collect();
    let scopes = scopes.map_err(|_| told(AccessError::TokenScope.into()))?;
    let now = web.portal.now();
    let end = match days.trim() {
        "" => None,
        days => {
            let days = days.parse::<u32>().ok().filter(|days| *days > 0);
            let end = days.map(|days| SignedDuration::from_hours(24 * i64::from(days)));
            let end = end.and_then(|lifetime| now.checked_add(lifetime).ok());
            Some(end.ok_or_else(|| told(AccessError::TokenLifetime.into()))?)
        }
    };
    let create = move |portal: &Portal| portal.create_token(name.trim(), &scopes, end);
    let (token, secret) = who.ask(&web, create).await?;
    let text = format!(
        "The token {} is shown now and kept nowhere: `Authorization: Bearer TOKEN`.",
        token.name
    );
    let secret = Zeroizing::new(secret.expose().to_owned());
    Ok(secret_page(&web, &who, "New token", text, secret, "/vendor/tokens".to_owned()))
}

async fn revoke_token(
    State(web): State<Web>,
    Path(name): Path<String>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    who.ask(&web, move |portal| portal.revoke_token(&name)).await?;
    Ok(see_other("/vendor/tokens?done=stored"))
}

#[derive(Template)]
#[template(path = "vendor/webhooks.html")]
struct WebhooksPage {
    layout: Layout,
    webhooks: Vec<WebhookStanding>,
}

async fn webhooks(
    State(web): State<Web>,
    who: SignedIn,
    Query(done): Query<Done>,
) -> Result<Response, PageError> {
    let webhooks = who.ask(&web, Portal::webhooks).await?;
    let layout = who.layout(&web, "/vendor/webhooks", &done);
    Ok(show(&WebhooksPage { layout, webhooks }))
}

/// No `Debug`: a secret may be in the address.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NewWebhook {
    url: Zeroizing<String>,
    events: String,
}

async fn add_webhook(
    State(web): State<Web>,
    Posted { who, form: NewWebhook { url, events } }: Posted<SignedIn, NewWebhook>,
) -> Result<Response, PageError> {
    let events: Vec<String> =
        events.split([' ', ',', '\r', '\n']).filter(|e| !e.is_empty()).map(str::to_owned).collect();
    let (added, secret) =
        who.ask(&web, move |portal| portal.add_webhook(url.trim(), &events)).await?;
    let text = format!(
        "The receiver {} verifies messages by this secret. It is shown this once.",
        added.receiver
    );
    Ok(secret_page(&web, &who, "New webhook", text, secret, "/vendor/webhooks".to_owned()))
}

async fn change_webhook(
    State(web): State<Web>,
    Path((id, act)): Path<(Uuid, String)>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    match act.as_str() {
        "remove" => who.ask(&web, move |portal| portal.remove_webhook(id)).await?,
        "test" => who.ask(&web, move |portal| portal.test_webhook(id)).await?,
        _ => return Err(PageError::not_found("page")),
    }
    Ok(see_other("/vendor/webhooks?done=stored"))
}

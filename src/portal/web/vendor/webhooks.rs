//! Webhooks: who is told.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        form::Posted,
        page::{Layout, see_other},
    },
    Done, SignedIn,
    administration::field_of,
    secrets::secret_page,
    sign_in::Nothing,
};
use crate::portal::{Portal, WebhookStanding};
use askama::Template;
use axum::{extract::State, response::Response};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "vendor/webhooks.html")]
struct WebhooksPage {
    layout: Layout,
    webhooks: Vec<WebhookStanding>,
    typed: NewWebhook,
}

pub(super) async fn webhooks(
    State(web): State<Web>,
    who: SignedIn,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    let layout = who.layout(&web, "/vendor/webhooks", &done);
    webhooks_page(&web, &who, layout, NewWebhook::default()).await
}

async fn webhooks_page(
    web: &Web,
    who: &SignedIn,
    layout: Layout,
    typed: NewWebhook,
) -> Result<Response, PageError> {
    let webhooks = who.ask(web, Portal::webhooks).await?;
    Ok(layout.reply().with(&WebhooksPage { layout, webhooks, typed }))
}

/// The page of webhooks again, with what is wrong.
async fn webhooks_again(
    web: &Web,
    who: &SignedIn,
    error: PageError,
    typed: NewWebhook,
) -> Result<Response, PageError> {
    let field = field_of(error.code());
    let layout = who.layout(web, "/vendor/webhooks", &Done::default());
    let layout = layout.refused(Some(error.on_form(field)?));
    webhooks_page(web, who, layout, typed).await
}

/// No `Debug`: a secret may be in the address.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewWebhook {
    url: Zeroizing<String>,
    events: String,
}

pub(super) async fn add_webhook(
    State(web): State<Web>,
    Posted { who, form }: Posted<SignedIn, NewWebhook>,
) -> Result<Response, PageError> {
    let typed = form.clone();
    let add = move |portal: &Portal| {
        let words = form.events.split([' ', ',', '\r', '\n']).filter(|word| !word.is_empty());
        let events: Vec<String> = words.map(str::to_owned).collect();
        portal.add_webhook(form.url.trim(), &events)
    };
    let (added, secret) = match who.ask(&web, add).await {
        Ok(added) => added,
        Err(error) => return webhooks_again(&web, &who, error, typed).await,
    };
    let text = format!(
        "The receiver {} verifies messages by this secret. It is shown this once.",
        added.receiver
    );
    Ok(secret_page(&web, &who, "New webhook", text, secret, "/vendor/webhooks".to_owned()))
}

pub(super) async fn change_webhook(
    State(web): State<Web>,
    At((id, act)): At<(Uuid, String)>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    let changed = match act.as_str() {
        "remove" => who.ask(&web, move |portal| portal.remove_webhook(id)).await,
        "test" => who.ask(&web, move |portal| portal.test_webhook(id)).await,
        _ => return Err(PageError::not_found("page")),
    };
    match changed {
        Ok(()) => Ok(see_other("/vendor/webhooks?done=stored")),
        Err(error) => webhooks_again(&web, &who, error, NewWebhook::default()).await,
    }
}

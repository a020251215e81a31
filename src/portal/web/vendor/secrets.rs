//! What is shown once.

use super::{
    super::{
        PageError, Web,
        address::At,
        form::Posted,
        page::{Layout, moment, show},
    },
    Done, SignedIn, environments,
    sign_in::Nothing,
};
use askama::Template;
use axum::{extract::State, response::Response};
use jiff::SignedDuration;
use uuid::Uuid;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "vendor/secret.html")]
struct SecretPage {
    layout: Layout,
    title: String,
    text: String,
    secret: Zeroizing<String>,
    back: String,
}

/// A page with a secret.
pub(super) fn secret_page(
    web: &Web,
    who: &SignedIn,
    title: &str,
    text: String,
    secret: Zeroizing<String>,
    back: String,
) -> Response {
    let layout = who.layout(web, "", &Done::default());
    show(&SecretPage { layout, title: title.to_owned(), text, secret, back })
}

pub(super) async fn activation_code(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    let code = who.ask(&web, move |portal| portal.reveal_activation_code(id)).await?;
    let text = "Whoever has it fills free environments of the subscription. That it was shown is in the audit.";
    let back = format!("/vendor/subscriptions/{id}");
    let secret = Zeroizing::new(code.expose());
    Ok(secret_page(&web, &who, "Activation Code", text.to_owned(), secret, back))
}

pub(super) async fn rebind_code(
    State(web): State<Web>,
    At(id): At<Uuid>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    let a_day = SignedDuration::from_hours(24);
    let made = match who.ask(&web, move |portal| portal.make_rebind_code(id, a_day)).await {
        Ok(made) => made,
        Err(error) => {
            let faults = error.on_form("")?;
            return environments::shown(&web, &who, id, &Done::default(), Some(faults)).await;
        }
    };
    let text = format!(
        "Good until {}, for {}, once. It is shown now and kept nowhere: the customer gives it to `entitlectl rebind --rebind-code CODE` on the machine that lost its key.",
        moment(made.expires_at),
        made.environment.name
    );
    let secret = Zeroizing::new(made.code.expose().to_string());
    Ok(secret_page(&web, &who, "One-time code", text, secret, format!("/vendor/environments/{id}")))
}

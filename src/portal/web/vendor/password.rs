//! An operator's own password.

use super::{
    super::{
        PageError, Web,
        address::Asked,
        faults::Faults,
        form::Posted,
        page::{Layout, see_other},
    },
    Done, PASSWORD, SignedIn,
    administration::field_of,
    operators::chosen,
    sign_in::begin,
    told,
};
use crate::portal::access::{Password, SignInError};
use askama::Template;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "vendor/password.html")]
struct PasswordPage {
    layout: Layout,
    name: String,
}

/// No `Debug`: the passwords are secrets.
#[derive(Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    old: Zeroizing<String>,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default)]
    again: Zeroizing<String>,
}

fn form(web: &Web, who: &SignedIn, done: &Done, faults: Option<Faults>) -> Response {
    let layout = who.layout(web, PASSWORD, done).refused(faults);
    layout.reply().with(&PasswordPage { layout, name: who.operator.name.clone() })
}

pub(super) async fn page(
    State(web): State<Web>,
    who: SignedIn,
    Asked(done): Asked<Done>,
) -> Response {
    form(&web, &who, &done, None)
}

/// The old password is asked for and counted as at a sign-in: whoever finds a browser open can't guess it here either.
pub(super) async fn change(
    State(web): State<Web>,
    Posted { who, form: Change { old, password, again } }: Posted<SignedIn, Change>,
) -> Result<Response, PageError> {
    let new = match chosen(&password, &again) {
        Ok(new) => new,
        Err(error) => {
            let field = field_of(error.code());
            return Ok(form(&web, &who, &Done::default(), Some(error.on_form(field)?)));
        }
    };
    let name = who.operator.name.clone();
    let verified = match web.portal.sign_in(&name, Password::typed(old), who.address).await {
        Ok(verified) => verified,
        Err(SignInError::Portal(error)) => return Err(told(error)),
        Err(error) => return Ok(refused(&web, &who, &error)),
    };
    let changed = who.ask(&web, move |portal| portal.set_own_password(verified, &new)).await?;
    // All its sessions have ended; this browser begins another, under another cookie.
    let mut response = see_other(&format!("{PASSWORD}?done=password"));
    if let Some(cookie) = begin(&web, changed, who.address).await.map_err(told)? {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn refused(web: &Web, who: &SignedIn, error: &SignInError) -> Response {
    let text = match error {
        SignInError::Refused => "The old password is not right. Nothing was changed.".to_owned(),
        other => super::sentence(&other.to_string()),
    };
    let status = match error {
        SignInError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        SignInError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    };
    let faults = Faults::one(status, "old", text).retry_after(error.retry_after());
    form(web, who, &Done::default(), Some(faults))
}

//! Operators sign in, and out.

use super::{
    super::{
        PageError, Web,
        faults::{Fault, Faults},
        form::{Posted, Visitor},
        page::{Layout, see_other},
        session,
    },
    SignedIn, told,
};
use crate::portal::{
    ClientAddress, PortalError,
    access::{Operator, Password, SignInError},
    store::SessionKind,
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use zeroize::Zeroizing;

const FIRST: &str = "/vendor/subscriptions";

#[derive(Template)]
#[template(path = "vendor/sign_in.html")]
struct SignInPage {
    layout: Layout,
    name: String,
}

/// No `Debug`: the password is a secret.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: Zeroizing<String>,
}

pub(super) async fn page(
    State(web): State<Web>,
    visitor: Visitor,
    who: Result<SignedIn, PageError>,
) -> Result<Response, PageError> {
    // Not only that there is a session: one that is not good any more would lead back and forth.
    if who.is_ok() {
        return Ok(see_other(FIRST));
    }
    Ok(form(&web, visitor, String::new(), None))
}

fn form(web: &Web, visitor: Visitor, name: String, faults: Option<Faults>) -> Response {
    let layout = Layout { notice: visitor.notice, faults, ..Layout::visitor(web, &visitor.token) };
    let mut response = layout.reply().with(&SignInPage { layout, name });
    if let Some(cookie) = visitor.cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn sign_in(
    State(web): State<Web>,
    Posted { who: visitor, form: SignInForm { name, password } }: Posted<Visitor, SignInForm>,
) -> Result<Response, PageError> {
    let from = visitor.address;
    match signed_in(&web, &name, Password::typed(password), from).await {
        Ok(begun) => {
            let mut response = see_other(FIRST);
            response.headers_mut().append(header::SET_COOKIE, begun);
            Ok(response)
        }
        Err(SignInError::Portal(error)) => Err(told(error)),
        Err(error) => {
            let status = match error {
                SignInError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
                SignInError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::FORBIDDEN,
            };
            // Which of the two is wrong is told to nobody.
            let text = super::sentence(&error.to_string());
            let faults = Faults::new(status, vec![Fault::new("name", text)]);
            Ok(form(&web, visitor, name, Some(faults.retry_after(error.retry_after()))))
        }
    }
}

/// The cookie of the session that begins.
async fn signed_in(
    web: &Web,
    name: &str,
    password: Password,
    from: ClientAddress,
) -> Result<HeaderValue, SignInError> {
    let operator = web.portal.sign_in(name, password, from).await?;
    begin(web, operator, from).await?.ok_or(SignInError::Refused)
}

/// A session of an operator whose password was verified; none where it was changed since.
pub(super) async fn begin(
    web: &Web,
    operator: Operator,
    from: ClientAddress,
) -> Result<Option<HeaderValue>, PortalError> {
    let (portal, is_secure) =
        (web.portal.acting_as(&format!("{} via {}", operator.actor(), from.0)), web.is_secure);
    let begin = move || {
        let name = operator.name.clone();
        session::begin(&portal, is_secure, SessionKind::Operator, &name, None, Some(operator))
    };
    web.blocking(begin).await
}

/// A form with nothing in it but its token.
#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn sign_out(
    State(web): State<Web>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    signed_out(&web, who, false).await
}

pub(super) async fn sign_out_everywhere(
    State(web): State<Web>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    signed_out(&web, who, true).await
}

async fn signed_out(web: &Web, who: SignedIn, everywhere: bool) -> Result<Response, PageError> {
    let SignedIn { portal, session, .. } = who;
    web.blocking(move || session::end(&portal, session, everywhere, None)).await.map_err(told)?;
    let mut response = see_other(super::SIGN_IN);
    let cookie = session::end_cookie(SessionKind::Operator, web.is_secure);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

//! Signing in by Activation Code, and out again.
//!
//! Nothing tells a stranger whether a code exists: whatever is no code of a subscription is answered alike, after the same work. The
//! holder of a code sees its subscription in every standing.

use super::super::{
    PageError, Web,
    faults::Faults,
    form::{Posted, Visitor},
    page::{Layout, see_other},
    session,
};
use super::{Customer, told};
use crate::{
    codes::ActivationCode,
    portal::{PortalError, attempts::Subject, domain::Subscription, store::SessionKind},
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What the proof of a code is made of here.
const SIGNS_IN: &[u8] = b"sign in to the pages";
const WRONG: &str = "Too many wrong codes came from your address.";
const OFTEN: &str = "This code has signed in from your address too often.";
const UNKNOWN: &str = "No subscription here fits this Activation Code. Compare it with the one that your vendor gave you.";

#[derive(Template)]
#[template(path = "customer/sign_in.html")]
struct SignInPage {
    layout: Layout,
    trial: bool,
}

/// No `Debug`: the code is a secret.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    #[serde(default)]
    code: Zeroizing<String>,
}

pub(super) async fn page(
    State(web): State<Web>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if session::current(&web, SessionKind::Customer, &headers).await?.is_some() {
        return Ok(see_other("/subscription"));
    }
    Ok(form(&web, visitor, None).await)
}

async fn form(web: &Web, visitor: Visitor, faults: Option<Faults>) -> Response {
    let portal = web.portal.clone();
    // The page does without the link where the store does not answer.
    let trial = web.blocking(move || portal.trial_terms()).await.is_ok_and(|terms| terms.is_some());
    let layout = Layout { notice: visitor.notice, faults, ..Layout::visitor(web, &visitor.token) };
    let mut response = layout.reply().with(&SignInPage { layout, trial });
    if let Some(cookie) = visitor.cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn sign_in(
    State(web): State<Web>,
    Posted { who: visitor, form: SignInForm { code } }: Posted<Visitor, SignInForm>,
) -> Result<Response, PageError> {
    let code = match code.parse::<ActivationCode>() {
        Ok(code) => code,
        // A typing error, told without a look at any subscription.
        Err(error) => {
            let text = super::super::refused::sentence(&error.to_string());
            return Ok(wrong(&web, visitor, StatusCode::BAD_REQUEST, text).await);
        }
    };
    let (now, address) = (web.portal.now(), Subject::Address(visitor.address.network()));
    if let Some(seconds) = web.attempts.wait(address, now) {
        return Ok(too_many(&web, visitor, WRONG, seconds).await);
    }
    let (network, attempts) = (visitor.address.network(), web.attempts.clone());
    let (portal, is_secure) = (web.portal.clone(), web.is_secure);
    let from = visitor.address.0;
    let activation = code.id();
    let signed_in = web
        .blocking(move || {
            let found = portal
                .store()
                .read(|v| Ok::<_, PortalError>(v.subscription_by_activation(activation)?))?;
            let Some(id) = proven(&code, found)? else { return Ok(Ok(None)) };
            if let Some(seconds) = attempts.wrong(Subject::Entries(id, network), now) {
                return Ok(Err(seconds));
            }
            let portal = portal.acting_as(&format!("customer {id} via {from}"));
            let subject = id.to_string();
            let kind = SessionKind::Customer;
            session::begin(&portal, is_secure, kind, &subject, Some(id), None).map(Ok)
        })
        .await?;
    let signed_in = match signed_in {
        Ok(signed_in) => signed_in,
        Err(seconds) => return Ok(too_many(&web, visitor, OFTEN, seconds).await),
    };
    let Some(cookie) = signed_in else {
        let waits = [
            web.attempts.wrong(address, now),
            web.attempts.wrong(Subject::Activation(activation), now),
        ];
        tracing::info!(address = %from, "a sign-in was refused: no such Activation Code");
        return Ok(match waits.into_iter().flatten().max() {
            Some(seconds) => too_many(&web, visitor, WRONG, seconds).await,
            None => wrong(&web, visitor, StatusCode::FORBIDDEN, UNKNOWN.to_owned()).await,
        });
    };
    let mut response = see_other("/subscription");
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The subscription whose code that is. Where none was found, another code is compared in its place: the same work.
fn proven(code: &ActivationCode, found: Option<Subscription>) -> Result<Option<Uuid>, PortalError> {
    let stranger = ActivationCode::random()?;
    let sold = found.as_ref().map_or(&stranger, |found| &found.activation_code);
    let proves = sold.verify_proof(SIGNS_IN, &code.proof(SIGNS_IN));
    Ok(found.filter(|_| proves).map(|found| found.id))
}

/// The form again, with what is wrong with the code.
async fn wrong(web: &Web, visitor: Visitor, status: StatusCode, text: String) -> Response {
    form(web, visitor, Some(Faults::one(status, "code", text))).await
}

async fn too_many(web: &Web, visitor: Visitor, why: &str, seconds: u32) -> Response {
    let minutes = told::counted(i64::from(seconds.div_ceil(60)), "minute");
    let text = format!("{why} Try again in {minutes}.");
    let faults = Faults::one(StatusCode::TOO_MANY_REQUESTS, "code", text);
    form(web, visitor, Some(faults.retry_after(Some(seconds)))).await
}

/// A form with nothing in it but its token.
#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn sign_out(
    State(web): State<Web>,
    Posted { who, .. }: Posted<Customer, Nothing>,
) -> Result<Response, PageError> {
    signed_out(&web, who, false).await
}

pub(super) async fn sign_out_everywhere(
    State(web): State<Web>,
    Posted { who, .. }: Posted<Customer, Nothing>,
) -> Result<Response, PageError> {
    signed_out(&web, who, true).await
}

async fn signed_out(web: &Web, who: Customer, everywhere: bool) -> Result<Response, PageError> {
    let Customer { portal, id, session } = who;
    web.blocking(move || session::end(&portal, session, everywhere, Some(id)))
        .await
        .map_err(PageError::from)?;
    let mut response = see_other("/");
    response
        .headers_mut()
        .append(header::SET_COOKIE, session::end_cookie(SessionKind::Customer, web.is_secure));
    Ok(response)
}

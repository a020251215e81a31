//! Customers' pages: all about one subscription, for whoever has its Activation Code.

mod answers;
mod environment;
mod history;
mod serial_number;
mod sign_in;
mod subscription;
mod told;
mod trial;
mod usage;

use super::{
    PageError, Web,
    form::Owner,
    page::{Layout, Link},
    session, target,
};
use crate::portal::{
    ClientAddress, Portal,
    domain::Subscription,
    store::{SessionKind, StoredSession},
};
use axum::{Router, extract::FromRequestParts, http::request::Parts, routing::get};
use serde::Deserialize;
use uuid::Uuid;

/// Where one signs in.
pub(super) const SIGN_IN: &str = "/";
/// The same, for whose session has ended.
const ENDED: &str = "/?done=ended";
const SUBSCRIPTION: &str = "/subscription";
const REQUESTS: &str = "/requests";
const SERIAL_NUMBER: &str = "/serial-number";
const USAGE: &str = "/usage-reports";
const HISTORY: &str = "/history";
const LINKS: &[Link] = &[
    Link { href: SUBSCRIPTION, label: "Subscription" },
    Link { href: REQUESTS, label: "Upload a request" },
    Link { href: SERIAL_NUMBER, label: "Serial Number" },
    Link { href: USAGE, label: "Usage report" },
    Link { href: HISTORY, label: "History" },
];

/// The routes of these pages.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(SIGN_IN, get(sign_in::page))
        .route("/sign-in", target::of_form_on(SIGN_IN).post(sign_in::sign_in))
        .route("/sign-out", target::of_form_on(SIGN_IN).post(sign_in::sign_out))
        .route(
            "/sign-out-everywhere",
            target::of_form_on(SIGN_IN).post(sign_in::sign_out_everywhere),
        )
        .route(SUBSCRIPTION, get(subscription::page))
        .route(REQUESTS, get(answers::page).post(answers::upload))
        .route("/answers/{id}", get(answers::answer))
        .route("/answers/{id}/answer.jwt", get(answers::download_answer))
        .route(SERIAL_NUMBER, get(serial_number::page).post(serial_number::ask))
        .route("/environments/{id}", get(environment::page))
        .route("/environments/{id}/license.jwt", get(environment::license))
        .route(
            "/environments/{id}/rebind-code",
            target::of_form_above().post(environment::rebind_code),
        )
        .route("/environments/{id}/survivor", target::of_form_above().post(environment::survivor))
        .route("/environments/{id}/release", target::of_form_above().post(environment::release))
        .route("/downloads/trust.jwt", get(environment::trust))
        .route("/downloads/roots.jwks", get(environment::roots))
        .route(USAGE, get(usage::page).post(usage::upload))
        .route("/trial", get(trial::page).post(trial::start))
        .route(HISTORY, get(history::page))
}

/// Who is signed in by an Activation Code.
pub(super) struct Customer {
    /// The portal, whose changes are this customer's.
    portal: Portal,
    /// The subscription.
    id: Uuid,
    session: StoredSession,
}

impl Customer {
    /// The layout of one of their pages.
    fn layout(&self, web: &Web, here: &'static str) -> Layout {
        let visitor = Layout::visitor(web, self.form_token());
        Layout { links: LINKS, here, sign_out: "/sign-out", ..visitor }
    }

    /// The subscription as it stands.
    async fn subscription(&self, web: &Web) -> Result<Subscription, PageError> {
        let (portal, id) = (self.portal.clone(), self.id);
        Ok(web.blocking(move || portal.subscription(id)).await?)
    }
}

impl Owner for Customer {
    fn form_token(&self) -> &str {
        &self.session.form_token
    }
}

impl FromRequestParts<Web> for Customer {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let ClientAddress(address) = ClientAddress::of(parts);
        let begun = session::was_begun(web, SessionKind::Customer, &parts.headers);
        let sign_in = if begun { ENDED } else { SIGN_IN };
        let signed_out = || PageError::SignedOut { sign_in };
        let found = session::current(web, SessionKind::Customer, &parts.headers).await?;
        let session = found.ok_or_else(signed_out)?;
        let id = session.subject.parse().map_err(|_| signed_out())?;
        let portal = web.portal.acting_as(&format!("customer {id} via {address}"));
        Ok(Self { portal, id, session })
    }
}

/// What is around a page for whoever sends that request, where a customer does.
pub(super) async fn layout_of(web: &Web, request: &mut Parts) -> Option<Layout> {
    let who = Customer::from_request_parts(request, web).await.ok()?;
    Some(who.layout(web, ""))
}

/// What has just been done, as the page that follows is told in its address: one of a few words, which says nothing else.
#[derive(Default, Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    fn notice(&self) -> Option<&'static str> {
        Some(match self.done.as_str() {
            "released" => "The environment was released.",
            "release-asked" => "Your vendor was asked to approve the release.",
            "survivor" => {
                "The machine was named. At its next contact it makes a new key, and the other one is told that it is a copy."
            }
            "reserved" => "A slot is kept for this Serial Number.",
            "usage" => "The usage report was taken.",
            "issued" => "The license is ready to download.",
            _ => return None,
        })
    }
}

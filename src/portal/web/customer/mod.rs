//! Customers' pages: all about one subscription, for whoever has its Activation Code.

mod sign_in;
mod subscription;

use super::{
    PageError, Web,
    form::Owner,
    page::{Layout, Link},
    session,
};
use crate::portal::{
    Portal,
    http::ClientAddress,
    store::{SessionKind, StoredSession},
};
use axum::{
    Router,
    extract::FromRequestParts,
    http::request::Parts,
    routing::{get, post},
};
use uuid::Uuid;

const LINKS: &[Link] = &[Link { href: "/subscription", label: "Subscription" }];

/// The routes of these pages.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/", get(sign_in::page))
        .route("/sign-in", post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/sign-out-everywhere", post(sign_in::sign_out_everywhere))
        .route("/subscription", get(subscription::page))
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
        let signed_out = || PageError::SignedOut { sign_in: "/" };
        let found = session::current(web, SessionKind::Customer, &parts.headers).await?;
        let session = found.ok_or_else(signed_out)?;
        let id = session.subject.parse().map_err(|_| signed_out())?;
        let portal = web.portal.acting_as(&format!("customer {id} via {address}"));
        Ok(Self { portal, id, session })
    }
}

//! The vendor's pages: what its operators see and do, by their role. Each page asks `operating` and `access` through the operator's own handle of
//! the portal, which refuses what the role does not allow; what a page leaves out is for the eye only.

mod administration;
mod approvals;
mod audit;
mod confirming;
mod environments;
mod keys;
mod operators;
mod password;
mod reading;
mod secrets;
mod sign_in;
mod subscription_form;
mod subscriptions;
mod tokens;
mod waiting;
mod webhooks;

use super::{
    PageError, Web,
    form::Owner,
    page::{Layout, Link},
    refused::{NOT_DONE, sentence},
    session, target,
};
use crate::portal::{
    ClientAddress, Portal, PortalError,
    access::{AccessError, Operator, Right, Role},
    store::{SessionKind, StoredSession},
};
use axum::{
    Router,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    routing::get,
};
use serde::Deserialize;

const SUPPORT: &[Link] = &[
    Link { href: "/vendor/subscriptions", label: "Subscriptions" },
    Link { href: "/vendor/approvals", label: "Approvals" },
    Link { href: "/vendor/audit", label: "Audit" },
    Link { href: PASSWORD, label: "My password" },
];
const ADMIN: &[Link] = &[
    Link { href: "/vendor/subscriptions", label: "Subscriptions" },
    Link { href: "/vendor/approvals", label: "Approvals" },
    Link { href: "/vendor/audit", label: "Audit" },
    Link { href: "/vendor/keys", label: "Keys" },
    Link { href: "/vendor/operators", label: "Operators" },
    Link { href: "/vendor/tokens", label: "Tokens" },
    Link { href: "/vendor/webhooks", label: "Webhooks" },
    Link { href: PASSWORD, label: "My password" },
];
/// Where one signs in.
pub(super) const SIGN_IN: &str = "/vendor/";
/// Where an operator changes its own password, whatever its role.
const PASSWORD: &str = "/vendor/password";
/// The same, for whose session has ended.
const ENDED: &str = "/vendor/?done=ended";

/// The routes of these pages.
pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route(SIGN_IN, get(sign_in::page))
        .route("/vendor", target::of_form_on(SIGN_IN))
        .route("/vendor/sign-in", target::of_form_on(SIGN_IN).post(sign_in::sign_in))
        .route("/vendor/sign-out", target::of_form_on(SIGN_IN).post(sign_in::sign_out))
        .route(
            "/vendor/sign-out-everywhere",
            target::of_form_on(SIGN_IN).post(sign_in::sign_out_everywhere),
        )
        .route("/vendor/subscriptions", get(subscriptions::list).post(subscriptions::find))
        .route(
            "/vendor/subscriptions/new",
            get(subscription_form::new).post(subscription_form::create),
        )
        .route("/vendor/subscriptions/{id}", get(subscriptions::page))
        .route(
            "/vendor/subscriptions/{id}/edit",
            get(subscription_form::edit).post(subscription_form::change),
        )
        .route(
            "/vendor/subscriptions/{id}/code",
            target::of_form_above().post(secrets::activation_code),
        )
        .route(
            "/vendor/subscriptions/{id}/{act}",
            get(confirming::subscription).post(confirming::change_subscription),
        )
        .route("/vendor/environments/{id}", get(environments::page))
        .route(
            "/vendor/environments/{id}/rebind-code",
            target::of_form_above().post(secrets::rebind_code),
        )
        .route(
            "/vendor/environments/{id}/survivor",
            target::of_form_above().post(environments::survivor),
        )
        .route(
            "/vendor/environments/{id}/release",
            get(confirming::environment).post(confirming::release_environment),
        )
        .route("/vendor/approvals", get(approvals::page))
        .route("/vendor/approvals/rebind", target::of_form_above().post(approvals::approve_rebind))
        .route(
            "/vendor/approvals/{id}/{decision}",
            target::of_form_on("/vendor/approvals").post(approvals::decide_release),
        )
        .route("/vendor/audit", get(audit::page))
        .route("/vendor/audit/verify", get(audit::verify))
        .route(PASSWORD, get(password::page).post(password::change))
        .route("/vendor/keys", get(keys::page).post(keys::create))
        .route("/vendor/keys/{thumbprint}/new.jwks", get(keys::public))
        .route("/vendor/keys/trust", target::of_form_above().post(keys::install))
        .route("/vendor/keys/rotate", target::of_form_above().post(keys::rotate))
        .route("/vendor/export/subscriptions.csv", get(subscriptions::export))
        .route("/vendor/export/environments.csv", get(environments::export))
        .route("/vendor/export/usage.csv", get(environments::export_usage))
        .merge(administration::routes())
}

/// An operator who is signed in.
pub(super) struct SignedIn {
    /// The portal, as the operator may use it.
    portal: Portal,
    operator: Operator,
    session: StoredSession,
    address: ClientAddress,
}

impl SignedIn {
    /// The layout of one of their pages.
    fn layout(&self, web: &Web, here: &'static str, done: &Done) -> Layout {
        let links = if self.operator.role == Role::Admin { ADMIN } else { SUPPORT };
        let visitor = Layout::visitor(web, self.form_token());
        Layout { links, here, sign_out: "/vendor/sign-out", notice: done.words(), ..visitor }
    }

    /// Whether the role allows it.
    fn may(&self, right: Right) -> bool {
        self.portal.rights().has(right)
    }

    /// Refuses a page that the role does not allow.
    fn needs(&self, right: Right) -> Result<(), PageError> {
        self.portal.needs(right).map_err(|error| told(error.into()))
    }

    /// Reads or changes something, as the operator.
    async fn ask<T: Send + 'static>(
        &self,
        web: &Web,
        work: impl FnOnce(&Portal) -> Result<T, PortalError> + Send + 'static,
    ) -> Result<T, PageError> {
        let portal = self.portal.clone();
        web.blocking(move || work(&portal)).await.map_err(told)
    }
}

impl Owner for SignedIn {
    fn form_token(&self) -> &str {
        &self.session.form_token
    }
}

impl FromRequestParts<Web> for SignedIn {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let begun = session::was_begun(web, SessionKind::Operator, &parts.headers);
        let sign_in = if begun { ENDED } else { SIGN_IN };
        let signed_out = || PageError::SignedOut { sign_in };
        let found = session::current(web, SessionKind::Operator, &parts.headers).await?;
        let session = found.ok_or_else(signed_out)?;
        let (portal, name) = (web.portal.clone(), session.subject.clone());
        let operator = web.blocking(move || portal.signed_in(&name)).await.map_err(told)?;
        // Whose password or role has changed since signs in anew.
        let operator = operator.filter(|operator| operator.changed_at <= session.created_at);
        let operator = operator.ok_or_else(signed_out)?;
        Ok(Self {
            portal: web.portal.as_operator(&operator),
            operator,
            session,
            address: ClientAddress::of(parts),
        })
    }
}

/// What is around a page for whoever sends that request, where an operator does.
pub(super) async fn layout_of(web: &Web, request: &mut Parts) -> Option<Layout> {
    let who = SignedIn::from_request_parts(request, web).await.ok()?;
    Some(who.layout(web, "", &Done::default()))
}

/// What was just done, as the address of the next page says it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    fn words(&self) -> Option<&'static str> {
        Some(match self.done.as_str() {
            "created" => {
                "The subscription is created. Its Activation Code is below the terms: show it once and give it to the customer."
            }
            "changed" => {
                "The change is stored. Each environment gets a new license at its next refresh."
            }
            "renew" => {
                "The subscription is renewed. Each environment gets a new license at its next refresh."
            }
            "suspend" => "The subscription is suspended: nothing is issued for now.",
            "resume" => "The subscription is active again.",
            "revoke" => {
                "The subscription is revoked: each environment gets a signed revocation at its next refresh."
            }
            "released" => "The environment is released, its slot is free.",
            "survivor" => "The survivor is named. It makes a new key at its next contact.",
            "approved" => "It is approved.",
            "refused" => "It is refused. The customer reads why.",
            "stored" => "It is stored.",
            "password" => "Your password is changed. You are signed out everywhere else.",
            "key" => {
                "A signing key is made. It signs once a trust document names it: download its public half below, and take it to where the root key is."
            }
            "trust" => {
                "The trust document is in use. Other processes of this portal take it up at SIGHUP."
            }
            _ => return None,
        })
    }
}

/// Why it was not done, in an operator's words: those of the commands.
fn told(error: PortalError) -> PageError {
    let status = match &error {
        PortalError::NoSubscription { .. } => return PageError::not_found("subscription"),
        PortalError::NoEnvironment { .. } => return PageError::not_found("environment"),
        PortalError::Access(AccessError::NotAllowed { .. }) => StatusCode::FORBIDDEN,
        PortalError::Access(AccessError::Ended) => {
            return PageError::SignedOut { sign_in: SIGN_IN };
        }
        PortalError::Store(_)
        | PortalError::File { .. }
        | PortalError::Json(_)
        | PortalError::Random(_)
        | PortalError::Runtime(_)
        | PortalError::Signing(_) => return PageError::from(error),
        PortalError::Terms(_)
        | PortalError::Access(_)
        | PortalError::Webhook(_)
        | PortalError::Document { .. }
        | PortalError::Name { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    };
    let text = sentence(&error.to_string());
    PageError::refused(status, error.code(), NOT_DONE, text).back_to("/vendor/subscriptions")
}

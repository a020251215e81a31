//! Subscriptions: what a CRM sells, renews and ends.

use super::{
    answer::Answer,
    caller::Caller,
    keyed::Keyed,
    paging::{Asked, Id, Page, length},
    refusal::Refused,
    shown::SubscriptionShown,
    terms::TermsGiven,
};
use crate::{
    api::Problem,
    codes::{ActivationId, SerialNumber},
    portal::{
        PortalError,
        access::Right,
        domain::{Subscription, Terms},
        store::SubscriptionFilter,
    },
};
use axum::Json;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which subscriptions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// In the customer's name, in whatever case
    customer: Option<String>,
    /// The edition
    edition: Option<String>,
    /// With an environment of this Serial Number
    serial_number: Option<String>,
    /// The `activation_id` of the Activation Code, which itself has no place in an address
    activation_id: Option<String>,
    /// active, suspended or revoked
    standing: Option<String>,
    /// `next` of the page before
    cursor: Option<Uuid>,
    /// 1 to 200; 50 unless given
    limit: Option<u32>,
}

impl Search {
    fn filter(&self) -> Result<SubscriptionFilter, Refused> {
        let serial = self.serial_number.as_deref().map(str::parse::<SerialNumber>).transpose();
        let serial_number = serial.map_err(|error| Refused::parameter(error.to_string()))?;
        let activation = self.activation_id.clone().map(ActivationId::try_from).transpose();
        let activation = activation
            .map_err(|wanted| Refused::parameter(format!("{wanted} as activation_id")))?;
        let known = ["active", "suspended", "revoked"];
        if self.standing.as_deref().is_some_and(|standing| !known.contains(&standing)) {
            return Err(Refused::parameter("expected the standing active, suspended or revoked"));
        }
        Ok(SubscriptionFilter {
            customer: self.customer.clone(),
            edition: self.edition.clone(),
            standing: self.standing.clone(),
            activation,
            serial_number,
        })
    }
}

/// List and search subscriptions, the newest first
#[utoipa::path(
    get,
    path = "/v1/vendor/subscriptions",
    tag = "vendor",
    params(Search),
    security(("token" = ["subscriptions:read"])),
    responses((status = 200, body = Page<SubscriptionShown>), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn list(
    caller: Caller,
    Asked(search): Asked<Search>,
) -> Result<Json<Page<SubscriptionShown>>, Refused> {
    let (filter, length, cursor) = (search.filter()?, length(search.limit)?, search.cursor);
    let found = caller.read(Right::SubscriptionsRead, move |portal| {
        portal.search_subscriptions(&filter, cursor, length + 1)
    });
    let place = |subscription: &Subscription| subscription.id.to_string();
    Ok(Json(Page::of(found.await?, length, place, SubscriptionShown::from)))
}

/// What is sold.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSubscription {
    /// Who buys it.
    customer: String,
    /// What is bought; `ends_at` is needed.
    terms: TermsGiven,
}

/// Sell a subscription
///
/// The answer holds its Activation Code.
#[utoipa::path(
    post,
    path = "/v1/vendor/subscriptions",
    tag = "vendor",
    params(("Idempotency-Key" = Option<String>, Header, description = "for 24 hours the same answer is given again")),
    request_body = NewSubscription,
    security(("token" = ["subscriptions:write"])),
    responses((status = 201, body = SubscriptionShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn create(caller: Caller, keyed: Keyed) -> Result<Answer, Refused> {
    let NewSubscription { customer, terms: given } = keyed.json()?;
    let Some(ends_at) = given.ends_at else {
        return Err(Refused::body("expected terms.ends_at, the first second after the term"));
    };
    let change = caller.change(keyed, move |act| {
        let starts_at = given.starts_at.unwrap_or_else(|| act.now());
        let mut terms = Terms::new("standard", "standard", starts_at, ends_at);
        given.apply(&mut terms);
        let sold = act.create_subscription(&customer, terms)?;
        let revision = sold.revision;
        Ok(Answer::made(&SubscriptionShown::revealed(sold))?.of_revision(revision))
    });
    change.await
}

/// See a subscription
#[utoipa::path(
    get,
    path = "/v1/vendor/subscriptions/{id}",
    tag = "vendor",
    params(("id" = Uuid, Path)),
    security(("token" = ["subscriptions:read"])),
    responses((status = 200, body = SubscriptionShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn get(caller: Caller, Id(id): Id) -> Result<Answer, Refused> {
    let found =
        caller.read(Right::SubscriptionsRead, move |portal| shown(portal.subscription(id)?));
    found.await
}

fn shown(subscription: Subscription) -> Result<Answer, PortalError> {
    let revision = subscription.revision;
    Ok(Answer::done(&SubscriptionShown::from(subscription))?.of_revision(revision))
}

/// What is changed.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionChange {
    customer: Option<String>,
    #[serde(default)]
    terms: TermsGiven,
}

/// Change a subscription
///
/// What is not given stays. The Activation Code stays; every environment gets a new license at its next refresh.
#[utoipa::path(
    patch,
    path = "/v1/vendor/subscriptions/{id}",
    tag = "vendor",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header, description = "the ETag that was read: 412 where it was changed since"),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = SubscriptionChange,
    security(("token" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn change(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    let SubscriptionChange { customer, terms } = keyed.json()?;
    let seen = keyed.if_match();
    let change = caller.change(keyed, move |act| {
        if let Some(seen) = seen {
            act.check_revision(id, seen)?;
        }
        shown(act.update_subscription(id, |subscription| {
            if let Some(customer) = customer {
                subscription.customer = customer;
            }
            terms.apply(&mut subscription.terms);
        })?)
    });
    change.await
}

/// How long it goes on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    /// The first second after the new term, later than that of the present one.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

/// Renew a subscription
#[utoipa::path(
    post,
    path = "/v1/vendor/subscriptions/{id}/renew",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Renewal,
    security(("token" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn renew(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    let Renewal { ends_at } = keyed.json()?;
    caller.change(keyed, move |act| shown(act.renew_subscription(id, ends_at)?)).await
}

/// Issue nothing for now; what was issued stays as it is
#[utoipa::path(
    post,
    path = "/v1/vendor/subscriptions/{id}/suspend",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    security(("token" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn suspend(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    caller.change(keyed, move |act| shown(act.suspend_subscription(id)?)).await
}

/// Take a suspension or a revocation back
#[utoipa::path(
    post,
    path = "/v1/vendor/subscriptions/{id}/resume",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    security(("token" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn resume(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    caller.change(keyed, move |act| shown(act.resume_subscription(id)?)).await
}

/// Why it is taken back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// For people: the customer reads it.
    pub(super) reason: String,
}

/// Take back what was issued, by a signed word
#[utoipa::path(
    post,
    path = "/v1/vendor/subscriptions/{id}/revoke",
    tag = "vendor",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Reason,
    security(("token" = ["subscriptions:write"])),
    responses((status = 200, body = SubscriptionShown), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn revoke(caller: Caller, Id(id): Id, keyed: Keyed) -> Result<Answer, Refused> {
    let Reason { reason } = keyed.json()?;
    caller.change(keyed, move |act| shown(act.revoke_subscription(id, &reason)?)).await
}

// No `Debug`.
/// An Activation Code.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Code {
    activation_code: String,
}

/// See the Activation Code
#[utoipa::path(
    get,
    path = "/v1/vendor/subscriptions/{id}/activation-code",
    tag = "vendor",
    params(("id" = Uuid, Path)),
    security(("token" = ["activation-codes:read"])),
    responses((status = 200, body = Code), (status = "4XX", body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn activation_code(caller: Caller, Id(id): Id) -> Result<Answer, Refused> {
    let found = caller.read(Right::ActivationCodesRead, move |portal| {
        let activation_code = portal.reveal_activation_code(id)?.expose();
        Answer::done(&Code { activation_code })
    });
    found.await
}

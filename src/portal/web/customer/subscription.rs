//! The subscription at a glance.

use super::super::{
    PageError, Web,
    page::{Layout, show},
};
use super::Customer;
use askama::Template;
use axum::{extract::State, response::Response};

#[derive(Template)]
#[template(path = "customer/subscription.html")]
struct SubscriptionPage {
    layout: Layout,
    customer: String,
    edition: String,
    masked: String,
}

pub(super) async fn page(State(web): State<Web>, who: Customer) -> Result<Response, PageError> {
    let (portal, id) = (who.portal.clone(), who.id);
    let sold = web.blocking(move || portal.subscription(id)).await?;
    Ok(show(&SubscriptionPage {
        layout: who.layout(&web, "/subscription"),
        customer: sold.customer.clone(),
        edition: sold.terms.edition.clone(),
        masked: sold.activation_code.masked(),
    }))
}

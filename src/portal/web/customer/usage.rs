//! Usage reports that are carried here.

use super::{
    super::{
        PageError, Web,
        form::Uploaded,
        page::{Layout, see_other, show, show_as},
    },
    Customer, SUBSCRIPTION, USAGE,
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};

#[derive(Template)]
#[template(path = "customer/usage.html")]
struct UsagePage {
    layout: Layout,
    error: Option<&'static str>,
}

pub(super) async fn page(State(web): State<Web>, who: Customer) -> Response {
    show(&UsagePage { layout: who.layout(&web, USAGE), error: None })
}

pub(super) async fn upload(
    State(web): State<Web>,
    Uploaded { who, text }: Uploaded<Customer>,
) -> Result<Response, PageError> {
    let Some(text) = text else {
        let error = Some("Choose the file that `entitlectl usage report` wrote on the server.");
        let page = UsagePage { layout: who.layout(&web, USAGE), error };
        return Ok(show_as(StatusCode::BAD_REQUEST, &page));
    };
    let (portal, id) = (who.portal, who.id);
    let taken = web.blocking(move || portal.take_usage_report(id, &text)).await;
    taken.map_err(|error| PageError::from(error).back_to(USAGE))?;
    Ok(see_other(&format!("{SUBSCRIPTION}?done=usage")))
}

//! Usage reports that are carried here.

use super::{
    super::{
        PageError, Web,
        faults::Faults,
        form::Uploaded,
        page::{Layout, see_other},
    },
    Customer, SUBSCRIPTION, USAGE,
};
use askama::Template;
use axum::{extract::State, response::Response};

#[derive(Template)]
#[template(path = "customer/usage.html")]
struct UsagePage {
    layout: Layout,
}

pub(super) async fn page(State(web): State<Web>, who: Customer) -> Response {
    form(&web, &who, None)
}

fn form(web: &Web, who: &Customer, faults: Option<Faults>) -> Response {
    let layout = who.layout(web, USAGE).refused(faults);
    layout.reply().with(&UsagePage { layout })
}

pub(super) async fn upload(
    State(web): State<Web>,
    Uploaded { who, file }: Uploaded<Customer>,
) -> Result<Response, PageError> {
    match taken(&web, &who, file).await {
        Ok(()) => Ok(see_other(&format!("{SUBSCRIPTION}?done=usage"))),
        Err(error) => Ok(form(&web, &who, Some(error.on_form("file")?))),
    }
}

async fn taken(
    web: &Web,
    who: &Customer,
    file: Result<String, PageError>,
) -> Result<(), PageError> {
    let (portal, id, text) = (who.portal.clone(), who.id, file?);
    web.blocking(move || portal.take_usage_report(id, &text)).await?;
    Ok(())
}

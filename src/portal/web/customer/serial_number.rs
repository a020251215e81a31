//! A Serial Number that is typed in: a license that is bound to it alone where the vendor allows that, else a slot that is kept for it.

use super::{
    super::{
        PageError, Web,
        form::Posted,
        page::{Layout, see_other, show_as},
    },
    Customer, SERIAL_NUMBER, told,
};
use crate::{
    codes::SerialNumber,
    license::Purpose,
    portal::{
        PortalError,
        domain::{Subscription, Terms},
    },
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "customer/serial_number.html")]
struct SerialNumberPage {
    layout: Layout,
    /// Whether a license comes of it, or a reservation.
    licenses: bool,
    purposes: Vec<Choice>,
    serial: String,
    name: String,
    error: Option<String>,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Default, Deserialize)]
pub(super) struct SerialNumberForm {
    #[serde(default)]
    serial: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    purpose: String,
}

pub(super) async fn page(State(web): State<Web>, who: Customer) -> Result<Response, PageError> {
    let sold = subscription(&web, &who).await?;
    Ok(form(&web, &who, &sold.terms, SerialNumberForm::default(), None))
}

async fn subscription(web: &Web, who: &Customer) -> Result<Subscription, PageError> {
    let (portal, id) = (who.portal.clone(), who.id);
    Ok(web.blocking(move || portal.subscription(id)).await?)
}

fn form(
    web: &Web,
    who: &Customer,
    terms: &Terms,
    filled: SerialNumberForm,
    error: Option<String>,
) -> Response {
    let offered = Purpose::ALL.into_iter().filter(|purpose| terms.slots_for(*purpose) > 0);
    let choice = |purpose: Purpose| Choice {
        value: purpose.as_str(),
        label: told::purpose(purpose),
        chosen: filled.purpose == purpose.as_str(),
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    show_as(
        status,
        &SerialNumberPage {
            layout: who.layout(web, SERIAL_NUMBER),
            licenses: terms.allow_serial_only,
            purposes: offered.map(choice).collect(),
            serial: filled.serial,
            name: filled.name,
            error,
        },
    )
}

pub(super) async fn ask(
    State(web): State<Web>,
    Posted { who, form: filled }: Posted<Customer, SerialNumberForm>,
) -> Result<Response, PageError> {
    let sold = subscription(&web, &who).await?;
    let refused = |filled, error: String| Ok(form(&web, &who, &sold.terms, filled, Some(error)));
    let serial: SerialNumber = match filled.serial.parse() {
        Ok(serial) => serial,
        Err(error) => return refused(filled, format!("The Serial Number is not right: {error}")),
    };
    let Ok(purpose) = filled.purpose.parse::<Purpose>() else {
        return refused(filled, "Choose what the environment is for.".to_owned());
    };
    let name = match filled.name.trim() {
        "" => told::purpose(purpose),
        name => name.to_owned(),
    };
    let (portal, id, licenses) = (who.portal.clone(), who.id, sold.terms.allow_serial_only);
    let (environment, done) = web
        .blocking(move || {
            if licenses {
                let made = portal.issue_for_serial_number(id, serial, purpose, Some(name))?;
                Ok((made.environment.id, "issued"))
            } else {
                let reserved = portal.reserve_slot(id, serial, purpose, &name)?;
                Ok::<_, PortalError>((reserved.id, "reserved"))
            }
        })
        .await
        .map_err(|error| PageError::from(error).back_to(SERIAL_NUMBER))?;
    Ok(see_other(&format!("/environments/{environment}?done={done}")))
}

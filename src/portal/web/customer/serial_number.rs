//! A Serial Number that is typed in: a license that is bound to it alone where the vendor allows that, else a slot that is kept for it.

use super::{
    super::{
        PageError, Web,
        faults::Faults,
        form::Posted,
        page::{Layout, see_other},
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
use uuid::Uuid;

#[derive(Template)]
#[template(path = "customer/serial_number.html")]
struct SerialNumberPage {
    layout: Layout,
    /// Why it is refused now.
    obstacle: Option<String>,
    /// Whether a license comes of it, or a reservation.
    licenses: bool,
    purposes: Vec<Choice>,
    serial: String,
    name: String,
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
    let sold = who.subscription(&web).await?;
    Ok(form(&web, &who, &sold, SerialNumberForm::default(), None))
}

fn form(
    web: &Web,
    who: &Customer,
    sold: &Subscription,
    filled: SerialNumberForm,
    faults: Option<Faults>,
) -> Response {
    let terms = &sold.terms;
    let offered = Purpose::ALL.into_iter().filter(|purpose| terms.slots_for(*purpose) > 0);
    let choice = |purpose: Purpose| Choice {
        value: purpose.as_str(),
        label: told::purpose(purpose),
        chosen: filled.purpose == purpose.as_str(),
    };
    let layout = who.layout(web, SERIAL_NUMBER).refused(faults);
    layout.reply().with(&SerialNumberPage {
        layout,
        obstacle: told::obstacle(sold, web.portal.now()),
        licenses: terms.allow_serial_only,
        purposes: offered.map(choice).collect(),
        serial: filled.serial,
        name: filled.name,
    })
}

pub(super) async fn ask(
    State(web): State<Web>,
    Posted { who, form: filled }: Posted<Customer, SerialNumberForm>,
) -> Result<Response, PageError> {
    let sold = who.subscription(&web).await?;
    match asked(&web, &who, &sold.terms, &filled).await {
        Ok((environment, done)) => {
            Ok(see_other(&format!("/environments/{environment}?done={done}")))
        }
        Err(error) => {
            let field = field_of(error.code());
            let faults = error.on_form(field)?;
            Ok(form(&web, &who, &sold, filled, Some(faults)))
        }
    }
}

/// The field that a refusal is about.
fn field_of(code: &str) -> &'static str {
    match code {
        "purpose" | "no-free-slot" => "purpose",
        "name" => "name",
        _ => "serial",
    }
}

/// The environment that the form is answered with, and what was done.
async fn asked(
    web: &Web,
    who: &Customer,
    terms: &Terms,
    filled: &SerialNumberForm,
) -> Result<(Uuid, &'static str), PageError> {
    let wrong = |code, title, text| PageError::refused(StatusCode::BAD_REQUEST, code, title, text);
    let serial: SerialNumber = filled.serial.parse().map_err(|error| {
        let text = format!("{error}. Compare it with what `entitlectl serial` shows.");
        wrong("serial-number", "The Serial Number is not right", text)
    })?;
    let purpose: Purpose = filled
        .purpose
        .parse()
        .map_err(|_| wrong("purpose", "Choose what the environment is for", String::new()))?;
    let name = match filled.name.trim() {
        "" => told::purpose(purpose),
        name => name.to_owned(),
    };
    let (portal, id, licenses) = (who.portal.clone(), who.id, terms.allow_serial_only);
    let done = web.blocking(move || {
        if licenses {
            let made = portal.issue_for_serial_number(id, serial, purpose, Some(name))?;
            Ok((made.environment.id, "issued"))
        } else {
            let reserved = portal.reserve_slot(id, serial, purpose, &name)?;
            Ok::<_, PortalError>((reserved.id, "reserved"))
        }
    });
    Ok(done.await?)
}

//! Starting a trial, where the vendor offers them.

use super::{
    super::{
        PageError, Web,
        faults::Faults,
        form::{Posted, Visitor},
        page::{Layout, day, show},
    },
    told,
};
use crate::portal::{PortalError, attempts::Subject, domain::TrialTerms};
use askama::Template;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::Response,
};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "customer/trial.html")]
struct TrialPage {
    layout: Layout,
    days: u32,
    edition: String,
    company: String,
    email: String,
}

#[derive(Template)]
#[template(path = "customer/trial_started.html")]
struct StartedPage {
    layout: Layout,
    code: String,
    ends: String,
}

#[derive(Default, Deserialize)]
pub(super) struct TrialForm {
    #[serde(default)]
    company: String,
    #[serde(default)]
    email: String,
}

pub(super) async fn page(State(web): State<Web>, visitor: Visitor) -> Result<Response, PageError> {
    let terms = terms(&web).await?;
    Ok(form(&web, visitor, &terms, TrialForm::default(), None))
}

async fn terms(web: &Web) -> Result<TrialTerms, PageError> {
    let portal = web.portal.clone();
    let terms = web.blocking(move || portal.trial_terms()).await?;
    terms.ok_or_else(|| PageError::from(PortalError::NoTrials))
}

fn form(
    web: &Web,
    visitor: Visitor,
    terms: &TrialTerms,
    filled: TrialForm,
    faults: Option<Faults>,
) -> Response {
    let layout = Layout::visitor(web, &visitor.token).refused(faults);
    let mut response = layout.reply().with(&TrialPage {
        layout,
        days: terms.days,
        edition: terms.edition.clone(),
        company: filled.company,
        email: filled.email,
    });
    if let Some(cookie) = visitor.cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn start(
    State(web): State<Web>,
    Posted { who: visitor, form: filled }: Posted<Visitor, TrialForm>,
) -> Result<Response, PageError> {
    let terms = terms(&web).await?;
    let (subject, now) = (Subject::Trials(visitor.address.network()), web.portal.now());
    if let Some(seconds) = web.attempts.wait(subject, now) {
        let minutes = told::counted(i64::from(seconds.div_ceil(60)), "minute");
        let text = format!("Several trials came from your address. Try again in {minutes}.");
        let faults = Faults::one(StatusCode::TOO_MANY_REQUESTS, "", text);
        let faults = faults.retry_after(Some(seconds));
        return Ok(form(&web, visitor, &terms, filled, Some(faults)));
    }
    // Each counts, the refused ones too: they ask which companies are known.
    web.attempts.wrong(subject, now);
    let portal = web.portal.acting_as(&format!("visitor via {}", visitor.address.0));
    let (company, email) = (filled.company.clone(), filled.email.clone());
    match web.blocking(move || portal.start_trial(&company, &email)).await {
        // On the page that the form leads to, and nowhere else: it is shown once.
        Ok(sold) => Ok(show(&StartedPage {
            layout: Layout::visitor(&web, &visitor.token),
            code: sold.activation_code.expose(),
            ends: day(sold.terms.ends_at),
        })),
        Err(PortalError::Name { what }) => {
            let (field, text) = if what == "company's name" {
                ("company", "Give the name of your company, of at most 200 letters.")
            } else {
                ("email", "Give your e-mail address, such as jo@example.com.")
            };
            let faults = Faults::one(StatusCode::BAD_REQUEST, field, text);
            Ok(form(&web, visitor, &terms, filled, Some(faults)))
        }
        Err(PortalError::HadTrial) => {
            let text = "No trial can be started for this company or address. Ask the vendor.";
            let faults = Faults::one(StatusCode::CONFLICT, "", text);
            Ok(form(&web, visitor, &terms, filled, Some(faults)))
        }
        Err(error) => Err(error.into()),
    }
}

//! Starting a trial, where the vendor offers them.

use super::super::{
    PageError, Web,
    form::{Posted, Visitor},
    page::{Layout, day, show, show_as},
};
use crate::portal::{PortalError, attempts::Subject, domain::TrialTerms};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
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
    error: Option<String>,
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
    error: Option<(StatusCode, String)>,
) -> Response {
    let status = error.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
    let page = TrialPage {
        layout: Layout::visitor(web, &visitor.token),
        days: terms.days,
        edition: terms.edition.clone(),
        company: filled.company,
        email: filled.email,
        error: error.map(|(_, error)| error),
    };
    let mut response = show_as(status, &page);
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
    let (network, now) = (visitor.address.network(), web.portal.now());
    let subjects = [Subject::Trials(network.link()), Subject::TrialsFromSite(network.site())];
    if let Some(seconds) = subjects.iter().find_map(|subject| web.attempts.wait(*subject, now)) {
        let text = format!(
            "Several trials came from your address. Try again in {} minutes.",
            seconds.div_ceil(60)
        );
        let error = Some((StatusCode::TOO_MANY_REQUESTS, text));
        let mut response = form(&web, visitor, &terms, filled, error);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return Ok(response);
    }
    // Each counts, the refused ones too: they ask which companies are known.
    for subject in subjects {
        web.attempts.wrong(subject, now);
    }
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
            let text = format!("The {what} is not right: give one of at most 200 letters.");
            Ok(form(&web, visitor, &terms, filled, Some((StatusCode::BAD_REQUEST, text))))
        }
        Err(PortalError::HadTrial) => {
            let text = "No trial can be started for this company or address. Ask the vendor.";
            Ok(form(&web, visitor, &terms, filled, Some((StatusCode::CONFLICT, text.to_owned()))))
        }
        Err(PortalError::TrialsUsed) => {
            let text =
                "No more trials can be started for now. Try again tomorrow, or ask the vendor.";
            let error = Some((StatusCode::TOO_MANY_REQUESTS, text.to_owned()));
            Ok(form(&web, visitor, &terms, filled, error))
        }
        Err(error) => Err(error.into()),
    }
}

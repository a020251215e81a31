//! Requests that are carried here as files, and their answers.

use super::{
    super::{
        PageError, Web,
        form::Uploaded,
        page::{Layout, download, moment, see_other, show, show_as},
    },
    Customer, Id, REQUESTS,
};
use crate::{
    license::{AnswerClaims, LicenseClaims, Outcome, RequestId, Unverified},
    portal::{PortalError, store::StoredAnswer},
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use uuid::Uuid;

#[derive(Template)]
#[template(path = "customer/requests.html")]
struct RequestsPage {
    layout: Layout,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "customer/answer.html")]
struct AnswerPage {
    layout: Layout,
    id: Uuid,
    environment: Uuid,
    done: String,
    answered: String,
    kind: String,
}

pub(super) async fn page(State(web): State<Web>, who: Customer) -> Response {
    show(&RequestsPage { layout: who.layout(&web, REQUESTS), error: None })
}

pub(super) async fn upload(
    State(web): State<Web>,
    Uploaded { who, text }: Uploaded<Customer>,
) -> Result<Response, PageError> {
    let Some(text) = text else {
        let error = Some("Choose the file that `entitlectl request` wrote on the server.");
        let page = RequestsPage { layout: who.layout(&web, REQUESTS), error };
        return Ok(show_as(StatusCode::BAD_REQUEST, &page));
    };
    let (portal, id) = (who.portal, who.id);
    let answered = web
        .blocking(move || {
            let answered = portal.answer_upload(id, text.as_bytes());
            answered.map_err(|problem| PageError::from(problem).back_to(REQUESTS))
        })
        .await?;
    Ok(see_other(&format!("/answers/{answered}")))
}

pub(super) async fn answer(
    State(web): State<Web>,
    Id(id): Id,
    who: Customer,
) -> Result<Response, PageError> {
    let stored = stored(&web, &who, id).await?;
    Ok(show(&AnswerPage {
        layout: who.layout(&web, REQUESTS),
        id,
        environment: stored.environment_id,
        done: done(&stored.answer),
        answered: moment(stored.received_at),
        kind: stored.kind,
    }))
}

pub(super) async fn download_answer(
    State(web): State<Web>,
    Id(id): Id,
    who: Customer,
) -> Result<Response, PageError> {
    let stored = stored(&web, &who, id).await?;
    Ok(download("answer.jws", "application/jose", stored.answer + "\n"))
}

async fn stored(web: &Web, who: &Customer, id: Uuid) -> Result<StoredAnswer, PageError> {
    let (portal, subscription) = (who.portal.clone(), who.id);
    let find = move || portal.answer_of(subscription, RequestId(id));
    let found = web.blocking::<_, PortalError>(find).await?;
    found.ok_or_else(|| PageError::not_found("answer"))
}

/// What an answer says, in words.
fn done(answer: &str) -> String {
    // The portal's own.
    let claims = Unverified::parse(answer).and_then(|answer| answer.peek::<AnswerClaims>());
    let Ok(claims) = claims else { return "It was answered.".to_owned() };
    match claims.outcome {
        Outcome::License(text) => {
            let license = Unverified::parse(&text).and_then(|text| text.peek::<LicenseClaims>());
            match license {
                Ok(license) => format!(
                    "License {} for {} ({}) is in the answer. It is good until {}.",
                    license.seq,
                    license.environment.name,
                    license.environment.purpose,
                    moment(license.exp)
                ),
                Err(_) => "A license is in the answer.".to_owned(),
            }
        }
        Outcome::Revocation(_) => "The subscription is revoked; the answer says so to the server.".to_owned(),
        Outcome::NothingNew { sequence } => {
            format!("License {sequence}, which the server has, is the newest. The answer says so.")
        }
        Outcome::Released { slot_free_at: None, .. } => "The environment is released, and its slot is free.".to_owned(),
        Outcome::Released { slot_free_at: Some(at), .. } => format!(
            "The environment is released. Its slot is free on {}, when the license that may still run there ends.",
            moment(at)
        ),
        Outcome::Retired { .. } => "The environment goes on under another key. The answer tells the server that it is retired.".to_owned(),
    }
}

//! Requests that are carried here as files, and their answers.

use super::{
    super::{
        PageError, Web,
        address::At,
        faults::Faults,
        form::Uploaded,
        page::{Layout, download, moment, see_other, show},
    },
    Customer, REQUESTS, told,
};
use crate::{
    license::{AnswerClaims, LicenseClaims, Outcome, RequestId, Unverified},
    portal::{PortalError, store::StoredAnswer},
};
use askama::Template;
use axum::{extract::State, response::Response};
use uuid::Uuid;

#[derive(Template)]
#[template(path = "customer/requests.html")]
struct RequestsPage {
    layout: Layout,
    /// Why no license comes of it now.
    obstacle: Option<String>,
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

pub(super) async fn page(State(web): State<Web>, who: Customer) -> Result<Response, PageError> {
    form(&web, &who, None).await
}

async fn form(web: &Web, who: &Customer, faults: Option<Faults>) -> Result<Response, PageError> {
    let sold = who.subscription(web).await?;
    let obstacle = told::obstacle(&sold, web.portal.now());
    let layout = who.layout(web, REQUESTS).refused(faults);
    Ok(layout.reply().with(&RequestsPage { layout, obstacle }))
}

pub(super) async fn upload(
    State(web): State<Web>,
    Uploaded { who, file }: Uploaded<Customer>,
) -> Result<Response, PageError> {
    match answered(&web, &who, file).await {
        Ok(answered) => Ok(see_other(&format!("/answers/{answered}"))),
        Err(error) => form(&web, &who, Some(error.on_form("file")?)).await,
    }
}

/// The id under which the answer is kept.
async fn answered(
    web: &Web,
    who: &Customer,
    file: Result<String, PageError>,
) -> Result<RequestId, PageError> {
    let (portal, id, text) = (who.portal.clone(), who.id, file?);
    web.blocking(move || portal.answer_upload(id, text.as_bytes()).map_err(PageError::from)).await
}

pub(super) async fn answer(
    State(web): State<Web>,
    At(id): At<Uuid>,
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
    At(id): At<Uuid>,
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

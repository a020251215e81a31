//! What a form sends: from the portal's own page only, and with the token that the page was given.

use super::{PageError, Web, session};
use crate::{
    api::Problem,
    portal::http::{ClientAddress, body},
};
use axum::{
    body::Body,
    extract::{Form, FromRequest, FromRequestParts, Multipart, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};

/// Most bytes of a form without a file.
const MOST_FORM: usize = 64 << 10;
/// The same of one with a file: the largest document, and what is around it.
const MOST_UPLOAD: usize = crate::license::MAX_DOCUMENT + (16 << 10);
/// The field of the token.
const TOKEN: &str = "token";

/// Whose page a form was on.
pub(in crate::portal) trait Owner:
    FromRequestParts<Web, Rejection = PageError>
{
    /// What each form of the page carries.
    fn form_token(&self) -> &str;
}

/// Someone who is not signed in. The token of their forms stands in a cookie, so that no other site can sign them in.
pub(in crate::portal) struct Visitor {
    /// Where they are.
    pub(in crate::portal) address: ClientAddress,
    /// What each form carries.
    pub(in crate::portal) token: String,
    /// The cookie for it, where there is none yet.
    pub(in crate::portal) cookie: Option<HeaderValue>,
    /// What brought them here, where the address says it.
    pub(in crate::portal) notice: Option<&'static str>,
}

/// What the address of a page where one signs in ends with when a session has ended.
const ENDED: &str = "done=ended";

impl Visitor {
    fn notice(parts: &Parts) -> Option<&'static str> {
        let has_ended = parts.uri.query() == Some(ENDED);
        has_ended.then_some(
            "Your session has ended: sign in again. A form that was sent since then was not stored.",
        )
    }
}

impl Owner for Visitor {
    fn form_token(&self) -> &str {
        &self.token
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let (address, notice) = (ClientAddress::of(parts), Self::notice(parts));
        let name = session::form_cookie_name(web.is_secure);
        if let Some(token) = session::cookie_of(&parts.headers, &name).filter(|t| t.len() >= 40) {
            return Ok(Self { address, token: token.to_string(), cookie: None, notice });
        }
        let token = session::random_token().map_err(crate::portal::PortalError::from)?;
        let cookie = Some(session::set_cookie(&name, &token, web.is_secure));
        Ok(Self { address, token: token.to_string(), cookie, notice })
    }
}

/// A form that was sent from a page of `who`.
pub(in crate::portal) struct Posted<W, T> {
    /// Who sent it.
    pub(in crate::portal) who: W,
    /// What.
    pub(in crate::portal) form: T,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

impl<W: Owner + Send, T: DeserializeOwned> FromRequest<Web> for Posted<W, T> {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let (who, parts, body) = sender::<W>(request, web).await?;
        let bytes = read_body(web, &parts, body).await?;
        let Token { token } = read_form(&parts, bytes.clone()).await?;
        check_token(&who, &token)?;
        let form = read_form(&parts, bytes).await?;
        Ok(Self { who, form })
    }
}

/// A form that takes long to fill in, so that what was typed is given back where it can't be taken.
pub(in crate::portal) struct Typed<W, T> {
    /// Who sent it.
    pub(in crate::portal) by: Sender<W>,
    /// What.
    pub(in crate::portal) form: T,
}

/// Who sent a form.
pub(in crate::portal) enum Sender<W> {
    /// Someone from a page of theirs.
    Here(W),
    /// Someone from a page of another session, which has ended.
    Anew(W),
    /// Somebody whose session has ended.
    Nobody,
}

impl<W: Owner + Send, T: DeserializeOwned> FromRequest<Web> for Typed<W, T> {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        check_origin(&parts.headers)?;
        let who = match W::from_request_parts(&mut parts, web).await {
            Ok(who) => Some(who),
            // Nothing of a body is read for a stranger.
            Err(PageError::SignedOut { .. }) if parts.headers.contains_key(header::COOKIE) => None,
            Err(error) => return Err(error),
        };
        let bytes = read_body(web, &parts, body).await?;
        let Token { token } = read_form(&parts, bytes.clone()).await?;
        let form = read_form(&parts, bytes).await?;
        let by = match who {
            Some(who) if session::is_same_secret(who.form_token(), &token) => Sender::Here(who),
            Some(who) => Sender::Anew(who),
            None => Sender::Nobody,
        };
        Ok(Self { by, form })
    }
}

/// A form with one file.
pub(in crate::portal) struct Uploaded<W> {
    /// Who sent it.
    pub(in crate::portal) who: W,
    /// The file's text, or why it is not taken.
    pub(in crate::portal) file: Result<String, PageError>,
}

impl<W: Owner + Send> FromRequest<Web> for Uploaded<W> {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let (who, parts, body) = sender::<W>(request, web).await?;
        let place = web.places.take(&parts).map_err(PageError::no_place)?;
        let read = place.reading(body::read_most(body, MOST_UPLOAD)).await;
        let bytes = match read.map_err(PageError::no_place)? {
            Ok(bytes) => bytes,
            // Its token is somewhere in what was not kept; all that comes of it is the form.
            Err(problem) => return Ok(Self { who, file: Err(not_read(problem)) }),
        };
        let _at_work = place.at_work();
        let request = Request::from_parts(parts, Body::from(bytes));
        let mut fields = Multipart::from_request(request, &()).await.map_err(|_| malformed())?;
        let (mut token, mut file) = (String::new(), Vec::new());
        while let Some(field) = fields.next_field().await.map_err(|_| malformed())? {
            match field.name() {
                Some(TOKEN) => token = field.text().await.map_err(|_| malformed())?,
                Some("file") => file = field.bytes().await.map_err(|_| malformed())?.to_vec(),
                _ => {}
            }
        }
        check_token(&who, &token)?;
        Ok(Self { who, file: as_text(file) })
    }
}

fn not_read(problem: Problem) -> PageError {
    if problem.status != StatusCode::PAYLOAD_TOO_LARGE.as_u16() {
        return problem.into();
    }
    PageError::refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "upload-too-large",
        "The file is too large",
        "It has more than 1 MiB, so it is not what the command on the server wrote. Choose that file, as it is.",
    )
}

fn as_text(file: Vec<u8>) -> Result<String, PageError> {
    let refused =
        |code, title, text| Err(PageError::refused(StatusCode::BAD_REQUEST, code, title, text));
    match String::from_utf8(file) {
        Ok(text) if text.trim().is_empty() => refused(
            "upload-empty",
            "No file was chosen, or it is empty",
            "Choose the file that the command on the server wrote.",
        ),
        Ok(text) => Ok(text),
        Err(_) => refused(
            "upload-no-text",
            "The file is no text",
            "It is not what the command on the server wrote. Choose that file, as it is.",
        ),
    }
}

/// Who sent it, before any of its body is read: from a page of the portal itself, and signed in where that is asked.
async fn sender<W: Owner>(request: Request, web: &Web) -> Result<(W, Parts, Body), PageError> {
    let (mut parts, body) = request.into_parts();
    check_origin(&parts.headers)?;
    let who = W::from_request_parts(&mut parts, web).await?;
    Ok((who, parts, body))
}

/// The body of a form without a file, in a place of the sender's share.
async fn read_body(web: &Web, parts: &Parts, body: Body) -> Result<Vec<u8>, PageError> {
    let place = web.places.take(parts).map_err(PageError::no_place)?;
    let read = place.reading(body::read_most(body, MOST_FORM)).await;
    read.map_err(PageError::no_place)?.map_err(PageError::from)
}

async fn read_form<T: DeserializeOwned>(parts: &Parts, bytes: Vec<u8>) -> Result<T, PageError> {
    let mut request = Request::post("/").body(Body::from(bytes)).map_err(|_| malformed())?;
    let kind = parts.headers.get(header::CONTENT_TYPE).cloned();
    request.headers_mut().insert(header::CONTENT_TYPE, kind.ok_or_else(malformed)?);
    let Form(form) = Form::from_request(request, &()).await.map_err(|_| malformed())?;
    Ok(form)
}

fn check_token(who: &impl Owner, token: &str) -> Result<(), PageError> {
    if session::is_same_secret(who.form_token(), token) { Ok(()) } else { Err(foreign()) }
}

/// That the browser says that the form was on a page of the portal, where it says anything: old ones and programs do not.
fn check_origin(headers: &HeaderMap) -> Result<(), PageError> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return if site == "same-origin" { Ok(()) } else { Err(foreign()) };
    }
    let Some(origin) = text("origin") else { return Ok(()) };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    if authority.is_some() && authority == text("host") { Ok(()) } else { Err(foreign()) }
}

fn foreign() -> PageError {
    PageError::refused(
        StatusCode::FORBIDDEN,
        "form-foreign",
        "This form is not from this page",
        "The form was not sent from a page of this portal, or the page was open for too long. Nothing was done. Go back, load the page again, and send the form once more.",
    )
}

fn malformed() -> PageError {
    PageError::refused(
        StatusCode::BAD_REQUEST,
        "form-malformed",
        "The form could not be read",
        "What was sent is not what the form on the page sends. Nothing was done. Go back, load the page again, and fill it in once more.",
    )
}

//! The keys that sign, and the trust document by which they are believed.

use super::{
    super::{
        PageError, Web,
        address::{Asked, At},
        faults::Faults,
        form::{Posted, Uploaded},
        page::{Layout, download, moment, see_other},
    },
    Done, SignedIn,
    sign_in::Nothing,
};
use crate::portal::{KeyStanding, Portal, access::Right};
use askama::Template;
use axum::{extract::State, response::Response};

#[derive(Template)]
#[template(path = "vendor/keys.html")]
struct KeysPage {
    layout: Layout,
    keys: Vec<KeyStanding>,
    version: u64,
    signed: String,
    root_is_here: bool,
}

pub(super) async fn page(
    State(web): State<Web>,
    who: SignedIn,
    Asked(done): Asked<Done>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    shown(&web, &who, &done, None).await
}

async fn shown(
    web: &Web,
    who: &SignedIn,
    done: &Done,
    faults: Option<Faults>,
) -> Result<Response, PageError> {
    let keys = who.ask(web, Portal::signing_keys).await?;
    let trust = web.portal.keys();
    let claims = trust.trust().claims();
    let layout = who.layout(web, "/vendor/keys", done).refused(faults);
    Ok(layout.reply().with(&KeysPage {
        layout,
        keys,
        version: claims.version,
        signed: moment(claims.iat),
        root_is_here: web.portal.directory().root_key().exists(),
    }))
}

/// The public half of a key, for who signs the trust document that is to name it.
pub(super) async fn public(
    State(web): State<Web>,
    who: SignedIn,
    At(thumbprint): At<String>,
) -> Result<Response, PageError> {
    let keys = who.ask(&web, Portal::signing_keys).await?;
    let found = keys.iter().find(|key| key.thumbprint.as_str() == thumbprint);
    let key = found.ok_or_else(|| PageError::not_found("key"))?;
    Ok(download("new.jwks", "application/jwk-set+json", key.key_set()?))
}

pub(super) async fn create(
    State(web): State<Web>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    let made = who.ask(&web, Portal::make_signing_key).await.map(drop);
    settled(&web, &who, made, "key", "").await
}

pub(super) async fn install(
    State(web): State<Web>,
    Uploaded { who, file }: Uploaded<SignedIn>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let installed = match file {
        Ok(text) => who.ask(&web, move |portal| portal.install_trust(&text)).await.map(drop),
        Err(error) => Err(error),
    };
    settled(&web, &who, installed, "trust", "file").await
}

pub(super) async fn rotate(
    State(web): State<Web>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    let rotated = who.ask(&web, Portal::rotate_signing_key).await.map(drop);
    settled(&web, &who, rotated, "trust", "").await
}

/// What was done, or the page again with what is wrong with `field`.
async fn settled(
    web: &Web,
    who: &SignedIn,
    result: Result<(), PageError>,
    done: &str,
    field: &'static str,
) -> Result<Response, PageError> {
    match result {
        Ok(()) => Ok(see_other(&format!("/vendor/keys?done={done}"))),
        Err(error) => shown(web, who, &Done::default(), Some(error.on_form(field)?)).await,
    }
}

//! The keys that sign, and the trust document by which they are believed.

use super::{
    super::{
        PageError, Web,
        form::{Posted, Uploaded},
        page::{Layout, download, moment, see_other, show},
    },
    Done, SignedIn,
    sign_in::Nothing,
};
use crate::portal::{KeyStanding, Portal, access::Right};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};

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
    Query(done): Query<Done>,
) -> Result<Response, PageError> {
    who.needs(Right::Administer)?;
    let keys = who.ask(&web, Portal::signing_keys).await?;
    let trust = web.portal.keys();
    let claims = trust.trust().claims();
    Ok(show(&KeysPage {
        layout: who.layout(&web, "/vendor/keys", &done),
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
    Path(thumbprint): Path<String>,
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
    who.ask(&web, Portal::make_signing_key).await?;
    Ok(see_other("/vendor/keys?done=key"))
}

pub(super) async fn install(
    State(web): State<Web>,
    Uploaded { who, text }: Uploaded<SignedIn>,
) -> Result<Response, PageError> {
    let text = text.ok_or_else(PageError::upload)?;
    who.ask(&web, move |portal| portal.install_trust(&text)).await?;
    Ok(see_other("/vendor/keys?done=trust"))
}

pub(super) async fn rotate(
    State(web): State<Web>,
    Posted { who, .. }: Posted<SignedIn, Nothing>,
) -> Result<Response, PageError> {
    who.ask(&web, Portal::rotate_signing_key).await?;
    Ok(see_other("/vendor/keys?done=trust"))
}

//! A request that changes something: its body, its `Idempotency-Key`, its `If-Match`.

use super::refusal::Refused;
use crate::portal::{domain::Revision, http::body};
use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Longest body, bytes: the terms of a subscription with hundreds of features.
const LARGEST: usize = 64 << 10;
/// Longest key.
const LONGEST_KEY: usize = 255;

/// A request that changes something.
pub(super) struct Keyed {
    key: Option<String>,
    digest: String,
    body: Vec<u8>,
    if_match: Option<Revision>,
}

impl<S: Send + Sync> FromRequest<S> for Keyed {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let key = key(&parts.headers)?;
        let if_match = if_match(&parts.headers)?;
        let body = body::read_most(body, LARGEST).await?;
        let mut digest = Sha256::new();
        let path = parts.uri.path();
        for part in [parts.method.as_str().as_bytes(), path.as_bytes(), &body] {
            // So that nothing moves from one part to the next.
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let digest = digest.finalize();
        let digest = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Ok(Self { key, digest, body, if_match })
    }
}

impl Keyed {
    /// By which a repeated request is known.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// SHA-256 of method, path and body.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// The revision that the caller has seen, where it says one.
    pub(super) const fn if_match(&self) -> Option<Revision> {
        self.if_match
    }

    /// The body as JSON; an empty one is `{}`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body)
            .map_err(|error| Refused::body(format!("the body does not fit: {error}")))
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let fits = (1..=LONGEST_KEY).contains(&text.len());
    if fits {
        Ok(Some(text.to_owned()))
    } else {
        Err(Refused::parameter(
            "expected an Idempotency-Key of 1 to 255 printable characters, such as a random UUID",
        ))
    }
}

/// One strong entity tag, RFC 9110 section 8.8.3; `*` fits any.
fn if_match(headers: &HeaderMap) -> Result<Option<Revision>, Refused> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let revision = number.and_then(|number| number.parse().ok()).map(Revision);
    revision.map(Some).ok_or_else(|| {
        Refused::parameter("expected in If-Match the ETag of the subscription as it was read")
    })
}

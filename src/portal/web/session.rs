//! Who is signed in. The cookie holds a random token, the store its digest; nothing else about a session is kept by the browser.

use super::{PageError, Web};
use crate::portal::{
    Portal, PortalError,
    access::Operator,
    clock::whole_second,
    store::{Event, SessionKind, StoredSession},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Unused for so long, a session is over: someone left a browser open.
const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// However much it is used, it ends after a working day.
const LONGEST: SignedDuration = SignedDuration::from_hours(8);
/// How exactly it is noted when a session was used: each note is a transaction.
const NOTED: SignedDuration = SignedDuration::from_mins(1);
/// Of a token, bytes.
const RANDOM: usize = 32;

/// A random text that nobody guesses: 256 bits.
///
/// # Errors
/// Only where the operating system has no random numbers.
pub(in crate::portal) fn random_token() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut random = Zeroizing::new([0; RANDOM]);
    getrandom::fill(&mut *random)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*random)))
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(in crate::portal) fn is_same_secret(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn digest(token: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(token) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether that session is good still.
fn is_alive(session: &StoredSession, now: Timestamp) -> bool {
    now < session.expires_at && now.duration_since(session.seen_at) < IDLE
}

/// The session of that kind that the cookie names, and a note that it was used, where one can be kept. It blocks.
///
/// # Errors
/// What the store says.
fn find(
    portal: &Portal,
    kind: SessionKind,
    token: &str,
) -> Result<Option<StoredSession>, PortalError> {
    let (digest, now) = (digest(token), whole_second(portal.now()));
    let found = portal.store().read(|view| Ok::<_, PortalError>(view.session(&digest)?))?;
    let Some(session) = found.filter(|found| found.kind == kind && is_alive(found, now)) else {
        return Ok(None);
    };
    if now.duration_since(session.seen_at) >= NOTED {
        let noted = portal.store().write(move |change| change.touch_session(&digest, now));
        // Whoever may read does so on a full disk too; the session ends sooner then.
        if let Err(error) = noted {
            tracing::warn!(%error, code = error.code(), "that a session was used is not noted");
        }
    }
    Ok(Some(session))
}

/// The session that the request's cookie names.
///
/// # Errors
/// What the store says.
pub(in crate::portal) async fn current(
    web: &Web,
    kind: SessionKind,
    headers: &HeaderMap,
) -> Result<Option<StoredSession>, PageError> {
    let Some(token) = cookie_of(headers, &cookie_name(kind, web.is_secure)) else {
        return Ok(None);
    };
    let portal = web.portal.clone();
    Ok(web.blocking(move || find(&portal, kind, &token)).await?)
}

/// Whether the browser has a session's cookie still, so that one that is not there any more has ended.
pub(in crate::portal) fn was_begun(web: &Web, kind: SessionKind, headers: &HeaderMap) -> bool {
    cookie_of(headers, &cookie_name(kind, web.is_secure)).is_some_and(|token| !token.is_empty())
}

/// Signs in: a new session under a new token, with its audit entry. Returns the value of the `Set-Cookie` header; none where
/// the operator is not as it was when its password was verified. It blocks.
///
/// # Errors
/// What the store says.
pub(in crate::portal) fn begin(
    portal: &Portal,
    is_secure: bool,
    kind: SessionKind,
    subject: &str,
    subscription: Option<Uuid>,
    verified: Option<Operator>,
) -> Result<Option<HeaderValue>, PortalError> {
    let now = whole_second(portal.now());
    let token = random_token()?;
    let session = StoredSession {
        digest: digest(&token),
        kind,
        subject: subject.to_owned(),
        form_token: random_token()?.to_string(),
        created_at: now,
        seen_at: now,
        expires_at: now.checked_add(LONGEST).unwrap_or(Timestamp::MAX),
    };
    let actor = portal.actor().to_owned();
    let begun = portal.store().write(move |change| {
        // A password that was replaced while the old one was being verified begins nothing.
        if let Some(verified) = verified
            && change.operator(&verified.name)?.as_ref() != Some(&verified)
        {
            return Ok(false);
        }
        change.add_session(&session)?;
        change.audit_event(&told(&actor, "signed-in", subscription, now))?;
        Ok::<_, PortalError>(true)
    })?;
    Ok(begun.then(|| set_cookie(&cookie_name(kind, is_secure), &token, is_secure)))
}

/// Signs out: ends this session, or with `everywhere` all of its subject. It blocks.
///
/// # Errors
/// What the store says.
pub(in crate::portal) fn end(
    portal: &Portal,
    session: StoredSession,
    everywhere: bool,
    subscription: Option<Uuid>,
) -> Result<(), PortalError> {
    let now = whole_second(portal.now());
    let actor = portal.actor().to_owned();
    portal.store().write(move |change| {
        let event = if everywhere {
            change.end_sessions_of(session.kind, &session.subject)?;
            "signed-out-everywhere"
        } else {
            change.end_session(&session.digest)?;
            "signed-out"
        };
        Ok(change.audit_event(&told(&actor, event, subscription, now))?)
    })
}

fn told<'a>(
    actor: &'a str,
    event: &'a str,
    subscription: Option<Uuid>,
    at: Timestamp,
) -> Event<'a> {
    Event {
        at,
        actor,
        event,
        subscription_id: subscription,
        environment_id: None,
        detail: json!({}),
    }
}

/// The name of a session's cookie. `__Host-` makes a browser keep it from other names and from plain HTTP
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-the-__host-prefix>).
pub(in crate::portal) fn cookie_name(kind: SessionKind, is_secure: bool) -> String {
    prefixed(kind.as_str(), is_secure)
}

/// The name of the cookie that a visitor's forms are held against.
pub(super) fn form_cookie_name(is_secure: bool) -> String {
    prefixed("form", is_secure)
}

fn prefixed(name: &str, is_secure: bool) -> String {
    let host = if is_secure { "__Host-" } else { "" };
    format!("{host}entitled-{name}")
}

/// The value of a cookie of the request.
pub(super) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<Zeroizing<String>> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut cookies = all.flat_map(Cookie::split_parse).flatten();
    let found = cookies.find(|cookie| cookie.name() == name)?;
    Some(Zeroizing::new(found.value().to_owned()))
}

/// A cookie that lasts as long as the browser's window, and that no script and no other site gets at.
pub(super) fn set_cookie(name: &str, value: &str, is_secure: bool) -> HeaderValue {
    header_of(&base(name, value, is_secure).build())
}

/// A cookie that takes the one of that name away.
pub(in crate::portal) fn end_cookie(kind: SessionKind, is_secure: bool) -> HeaderValue {
    let name = cookie_name(kind, is_secure);
    header_of(&base(&name, "", is_secure).max_age(cookie::time::Duration::ZERO).build())
}

fn base<'a>(name: &'a str, value: &'a str, is_secure: bool) -> cookie::CookieBuilder<'a> {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure)
}

fn header_of(cookie: &Cookie<'_>) -> HeaderValue {
    // Names and tokens are ASCII without separators.
    HeaderValue::from_str(&cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
}

//! What a browser is told it may do with the portal's answers.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// No script, no plug-in, nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
/// Two years. Of this name alone: names below it are not the portal's, and may be plain HTTP still.
const HSTS: &str = "max-age=63072000";

/// On every answer of the portal. `same-origin` rather than `no-referrer`: nothing goes elsewhere by either, and by the
/// latter a browser sends `Origin: null` with the portal's own forms (<https://fetch.spec.whatwg.org/#append-a-request-origin-header>).
const ALWAYS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
];

/// Adds the headers that every answer has.
pub(in crate::portal) fn harden(mut response: Response, is_secure: bool) -> Response {
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    response
}

/// No cache keeps a page, unless the page says otherwise.
pub(super) async fn keep_to_one_reader(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

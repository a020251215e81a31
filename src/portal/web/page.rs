//! The layout that all pages have, and rendering.

use super::{Web, assets};
use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;

/// One entry of the navigation.
pub(in crate::portal) struct Link {
    /// Where it leads.
    pub(in crate::portal) href: &'static str,
    /// What it says.
    pub(in crate::portal) label: &'static str,
}

/// What is around the contents of a page.
pub(in crate::portal) struct Layout {
    /// Whose portal it is.
    pub(in crate::portal) vendor: String,
    /// What for.
    pub(in crate::portal) product: String,
    /// Where the style sheet is.
    pub(in crate::portal) style: String,
    /// The navigation; none for visitors.
    pub(in crate::portal) links: &'static [Link],
    /// The page's own entry in it.
    pub(in crate::portal) here: &'static str,
    /// What the form that signs out carries, and all others of the page.
    pub(in crate::portal) form_token: String,
    /// Where that form is sent; empty for visitors.
    pub(in crate::portal) sign_out: &'static str,
    /// What has just been done.
    pub(in crate::portal) notice: Option<&'static str>,
}

impl Layout {
    /// For someone who is not signed in.
    pub(in crate::portal) fn visitor(web: &Web, form_token: &str) -> Self {
        let keys = web.portal.keys();
        Self {
            vendor: keys.trust().claims().iss.clone(),
            product: keys.product().to_owned(),
            form_token: form_token.to_owned(),
            ..Self::bare()
        }
    }

    /// For a page that knows of no portal.
    pub(super) fn bare() -> Self {
        Self {
            vendor: "Licensing Portal".to_owned(),
            product: String::new(),
            style: assets::style_path(),
            links: &[],
            here: "",
            form_token: String::new(),
            sign_out: "",
            notice: None,
        }
    }
}

/// A page of `template`.
pub(in crate::portal) fn show(template: &impl Template) -> Response {
    show_as(StatusCode::OK, template)
}

/// The same, with another status.
pub(in crate::portal) fn show_as(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            let text = "The portal could not make this page: try again.\n";
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

/// Leads to another page after something was done.
pub(in crate::portal) fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// A file to keep, of that name. Names are the portal's own, and need no quoting.
pub(in crate::portal) fn download(name: &str, media_type: &'static str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers =
        [(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, text).into_response()
}

/// A time for people: `24 November 2026, 18:05 UTC`.
pub(in crate::portal) fn moment(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// A day for people: `24 November 2026`.
pub(in crate::portal) fn day(time: Timestamp) -> String {
    time.strftime("%-d %B %Y").to_string()
}

//! The layout that all pages have, and rendering.

use super::{
    Web, assets,
    faults::{Fault, Faults, Marks},
};
use askama::{
    Template,
    filters::{Escaper, Html as AsHtml, HtmlSafe},
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;
use std::fmt;

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
    /// Why its form comes back.
    pub(in crate::portal) faults: Option<Faults>,
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
            faults: None,
        }
    }

    /// The same, of a form that comes back.
    pub(in crate::portal) fn refused(self, faults: Option<Faults>) -> Self {
        Self { faults, ..self }
    }

    /// What is wrong with a field.
    pub(in crate::portal) fn fault(&self, field: &str) -> Option<&Fault> {
        let faults = self.faults.as_ref()?;
        faults.list.iter().find(|fault| fault.field == field)
    }

    /// How a field is described, which has a hint or none.
    pub(in crate::portal) fn marks<'a>(&self, field: &'a str, hinted: bool) -> Marks<'a> {
        Marks { field, hinted, wrong: self.fault(field).is_some() }
    }

    /// How the page is answered with.
    pub(in crate::portal) fn reply(&self) -> Reply {
        let status = self.faults.as_ref().map_or(StatusCode::OK, |faults| faults.status);
        let retry_after = self.faults.as_ref().and_then(|faults| faults.retry_after);
        Reply { status, retry_after }
    }
}

/// How a page is answered with, by its [`Layout`].
#[derive(Clone, Copy)]
pub(in crate::portal) struct Reply {
    status: StatusCode,
    retry_after: Option<u32>,
}

impl Reply {
    /// The answer with that page.
    pub(in crate::portal) fn with(self, template: &impl Template) -> Response {
        let mut response = show_as(self.status, template);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A text in which backticks are around what is typed or read literally, as messages for terminals have it: code, on a page.
pub(in crate::portal) struct Prose<'a>(pub(in crate::portal) &'a str);

impl Prose<'_> {
    /// Whether it says nothing.
    pub(in crate::portal) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What it writes is escaped.
impl HtmlSafe for Prose<'_> {}

impl fmt::Display for Prose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_paired = self.0.matches('`').count().is_multiple_of(2);
        if !is_paired {
            return AsHtml.write_escaped_str(f, self.0);
        }
        for (n, part) in self.0.split('`').enumerate() {
            let is_code = n % 2 == 1;
            f.write_str(if is_code { "<code>" } else { "" })?;
            AsHtml.write_escaped_str(&mut *f, part)?;
            f.write_str(if is_code { "</code>" } else { "" })?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::Prose;

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_is_markup() {
        let text = Prose("run `a <b>` & `c`.").to_string();
        assert_eq!(text, "run <code>a &#60;b&#62;</code> &#38; <code>c</code>.");
        assert_eq!(Prose("one ` <alone>").to_string(), "one ` &#60;alone&#62;");
    }
}

//! Where forms are sent: addresses that are none of a page. Whoever opens one (the address bar after a mistake, a bookmark, a restored tab) is
//! led to the page that has the form.

use super::{Web, page::see_other};
use axum::{
    http::Uri,
    routing::{MethodRouter, get},
};

/// The target of a form on `page`.
pub(super) fn of_form_on(page: &'static str) -> MethodRouter<Web> {
    get(move || async move { see_other(page) })
}

/// The target of a form on the page whose address is this one without its last part.
pub(super) fn of_form_above() -> MethodRouter<Web> {
    get(|uri: Uri| async move { see_other(above(uri.path())) })
}

fn above(path: &str) -> &str {
    let (page, _) = path.trim_end_matches('/').rsplit_once('/').unwrap_or_default();
    // Two slashes begin the name of another site.
    if page.starts_with("//") || page.is_empty() { "/" } else { page }
}

#[cfg(test)]
mod tests {
    use super::above;

    #[test]
    fn a_page_is_above_what_its_forms_are_sent_to() {
        assert_eq!(above("/environments/1/rebind-code"), "/environments/1");
        assert_eq!(above("/vendor/operators/jo@example.com"), "/vendor/operators");
        for path in ["/sign-in", "/", "", "//evil.example/x"] {
            assert_eq!(above(path), "/");
        }
    }
}

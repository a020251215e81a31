//! What a form is refused for, on the form itself: a summary above it, which browsers go to, and a word beside each field.

use super::page::Prose;
use askama::filters::{Escaper, Html, HtmlSafe};
use axum::http::StatusCode;
use std::{borrow::Cow, fmt};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::portal) struct Fault {
    /// The field it is wrong with; empty for the form as a whole.
    pub(super) field: Cow<'static, str>,
    what: Cow<'static, str>,
    mend: Cow<'static, str>,
}

impl Fault {
    /// What is wrong with `field`, in a sentence.
    pub(in crate::portal) fn new(
        field: impl Into<Cow<'static, str>>,
        what: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: field.into(), what: what.into(), mend: "".into() }
    }

    /// And what mends it.
    pub(super) fn mended_by(mut self, mend: impl Into<Cow<'static, str>>) -> Self {
        self.mend = mend.into();
        self
    }

    /// What is wrong.
    pub(super) fn what(&self) -> Prose<'_> {
        Prose(&self.what)
    }

    /// What mends it; empty where that is plain.
    pub(super) fn mend(&self) -> Prose<'_> {
        Prose(&self.mend)
    }
}

/// Why a form comes back.
#[derive(Debug)]
pub(in crate::portal) struct Faults {
    /// The status of the page that it is on.
    pub(super) status: StatusCode,
    /// What is wrong, in the order of the fields.
    pub(super) list: Vec<Fault>,
    /// For support, where it is a refusal of the portal's.
    pub(super) code: Option<String>,
    /// Seconds after which trying again makes sense.
    pub(super) retry_after: Option<u32>,
}

impl Faults {
    /// A form that was filled in wrongly.
    pub(in crate::portal) fn new(status: StatusCode, list: Vec<Fault>) -> Self {
        Self { status, list, code: None, retry_after: None }
    }

    /// The same, with one thing that is wrong.
    pub(in crate::portal) fn one(
        status: StatusCode,
        field: &'static str,
        what: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(status, vec![Fault::new(field, what)])
    }

    /// Whether something is wrong with that field.
    pub(in crate::portal) fn is_about(&self, field: &str) -> bool {
        self.list.iter().any(|fault| fault.field == field)
    }

    /// Asks to come again after so many seconds.
    pub(in crate::portal) fn retry_after(self, seconds: Option<u32>) -> Self {
        Self { retry_after: seconds, ..self }
    }
}

/// The attributes by which a field is described to those who do not see it.
pub(in crate::portal) struct Marks<'a> {
    /// The field's id.
    pub(super) field: &'a str,
    /// Whether there is a hint on it.
    pub(super) hinted: bool,
    /// Whether it is filled in wrongly.
    pub(super) wrong: bool,
}

impl HtmlSafe for Marks<'_> {}

impl fmt::Display for Marks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ids = Vec::new();
        ids.extend(self.hinted.then_some("hint"));
        ids.extend(self.wrong.then_some("error"));
        for (n, kind) in ids.iter().enumerate() {
            f.write_str(if n == 0 { "aria-describedby=\"" } else { " " })?;
            Html.write_escaped_str(&mut *f, self.field)?;
            write!(f, "-{kind}")?;
        }
        f.write_str(if ids.is_empty() { "" } else { "\"" })?;
        f.write_str(if self.wrong { " aria-invalid=\"true\"" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::Marks;

    #[test]
    fn a_field_is_described_by_its_hint_and_its_fault() {
        let marks = |hinted, wrong| Marks { field: "a\"b", hinted, wrong }.to_string();
        assert_eq!(marks(false, false), "");
        assert_eq!(marks(true, false), "aria-describedby=\"a&#34;b-hint\"");
        let both = "aria-describedby=\"a&#34;b-hint a&#34;b-error\" aria-invalid=\"true\"";
        assert_eq!(marks(true, true), both);
    }
}

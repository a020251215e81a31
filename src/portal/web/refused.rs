//! A page for each refusal: what happened, in a customer's words, and what to do. What an operator's command would mend is said as a
//! page or the vendor does it.

use super::{
    Web, customer,
    faults::{Fault, Faults},
    page::{Layout, Prose, see_other, show_as},
    vendor,
};
use crate::{
    api::Problem,
    portal::{PortalError, domain::Refusal, store::StoreError},
};
use askama::Template;
use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::borrow::Cow;

/// Seconds after which a portal that was busy may be asked again.
const BUSY: u32 = 5;

/// The title of what is told in an operator's words.
pub(super) const NOT_DONE: &str = "This was not done";

/// Why there is no page, as a page.
#[derive(Debug)]
pub(in crate::portal) enum PageError {
    /// Nobody is signed in: the page where one signs in comes instead.
    SignedOut {
        /// That page.
        sign_in: &'static str,
    },
    /// It is refused.
    Refused(Box<Refused>),
}

/// What a page of refusal says.
#[derive(Debug, Clone)]
pub(in crate::portal) struct Refused {
    status: StatusCode,
    code: String,
    title: Cow<'static, str>,
    text: Cow<'static, str>,
    retry_after: Option<u32>,
    /// Where it leads back to, unless to where one begins.
    back: Option<&'static str>,
    /// Whether it was the portal's fault.
    failed: bool,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    layout: Layout,
    title: &'a str,
    text: Prose<'a>,
    code: &'a str,
    retry_after: Option<u32>,
    back: &'static str,
    is_start: bool,
    failed: bool,
    for_vendor: bool,
}

impl PageError {
    /// A refusal in these words.
    pub(in crate::portal) fn refused(
        status: StatusCode,
        code: &str,
        title: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Refused(Box::new(Refused {
            status,
            code: code.to_owned(),
            title: title.into(),
            text: text.into(),
            retry_after: None,
            back: None,
            failed: false,
        }))
    }

    /// That there is no such thing here, or none that the asker may see: the two are told apart to nobody.
    pub(in crate::portal) fn not_found(what: &str) -> Self {
        let text = format!(
            "There is no {what} at this address. It may have been misspelt, or belong to someone else."
        );
        Self::refused(StatusCode::NOT_FOUND, "not-found", "There is nothing here", text)
    }

    /// That too many ask at once.
    pub(in crate::portal) fn busy() -> Self {
        let text =
            "The portal answers as many people as it can. Nothing was done; try again in a moment.";
        Self::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "portal-unavailable",
            "The portal is busy",
            text,
        )
        .retry_after(BUSY)
    }

    /// As what is wrong with `field` of the form that was sent, or with none of them; itself where the form is not what would help.
    ///
    /// # Errors
    /// This, where nobody is signed in any more, there is no such thing, the role does not allow it, or the portal failed.
    pub(in crate::portal) fn on_form(
        self,
        field: impl Into<Cow<'static, str>>,
    ) -> Result<Faults, Self> {
        let refused = match self {
            Self::Refused(refused) => refused,
            Self::SignedOut { .. } => return Err(self),
        };
        let is_of_no_form = matches!(refused.code.as_str(), "not-found" | "not-allowed")
            || refused.status == StatusCode::INTERNAL_SERVER_ERROR;
        if is_of_no_form {
            return Err(Self::Refused(refused));
        }
        let Refused { status, code, title, text, retry_after, .. } = *refused;
        let fault = if title == NOT_DONE {
            Fault::new(field, text)
        } else {
            Fault::new(field, title).mended_by(text)
        };
        Ok(Faults { status, list: vec![fault], code: Some(code), retry_after })
    }

    /// The stable code; empty where nobody is signed in.
    pub(in crate::portal) fn code(&self) -> &str {
        match self {
            Self::SignedOut { .. } => "",
            Self::Refused(refused) => &refused.code,
        }
    }

    /// Asks to come again after so many seconds.
    pub(in crate::portal) fn retry_after(mut self, seconds: u32) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.retry_after = Some(seconds);
        }
        self
    }

    /// Where the page leads back to; unless told, to where one signs in.
    pub(in crate::portal) fn back_to(mut self, page: &'static str) -> Self {
        if let Self::Refused(refused) = &mut self {
            refused.back = Some(page);
        }
        self
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let refused = match self {
            Self::SignedOut { sign_in } => return see_other(sign_in),
            Self::Refused(refused) => refused,
        };
        let mut response = refused.page(Layout::bare(), false);
        if let Some(seconds) = refused.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For `lay_out`, which knows who asked, and where.
        response.extensions_mut().insert(*refused);
        response
    }
}

impl Refused {
    fn page(&self, layout: Layout, for_vendor: bool) -> Response {
        let start = if for_vendor { vendor::SIGN_IN } else { customer::SIGN_IN };
        show_as(
            self.status,
            &RefusedPage {
                layout,
                title: &self.title,
                text: Prose(&self.text),
                code: &self.code,
                retry_after: self.retry_after,
                back: self.back.unwrap_or(start),
                is_start: self.back.is_none(),
                failed: self.failed,
                for_vendor,
            },
        )
    }
}

/// Gives a page of refusal what is around the other pages of whoever asked: the vendor's or the customer's words, way back and navigation.
pub(in crate::portal) async fn lay_out(
    State(web): State<Web>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if path.starts_with("/v1/") {
        return next.run(request).await;
    }
    let for_vendor = path == "/vendor" || path.starts_with("/vendor/");
    let (mut asked, body) = request.into_parts();
    let mut response = next.run(Request::from_parts(asked.clone(), body)).await;
    let Some(refused) = response.extensions_mut().remove::<Refused>() else { return response };
    let layout = if for_vendor {
        vendor::layout_of(&web, &mut asked).await
    } else {
        customer::layout_of(&web, &mut asked).await
    };
    let page = refused.page(layout.unwrap_or_else(|| Layout::visitor(&web, "")), for_vendor);
    *response.body_mut() = page.into_body();
    response
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = problem.code().to_owned();
        let page = match in_words(&code) {
            Some((title, text)) => Self::refused(status, &code, title, text),
            None => Self::refused(status, &code, problem.title, sentence(&problem.detail)),
        };
        match problem.retry_after {
            Some(seconds) => page.retry_after(seconds),
            None => page,
        }
    }
}

impl From<PortalError> for PageError {
    fn from(error: PortalError) -> Self {
        match error {
            PortalError::Refusal(refusal) => refusal.into(),
            PortalError::Store(StoreError::OutcomeUnknown { .. }) => unknown_outcome(&error),
            PortalError::Store(ref store) if store.is_passing() => {
                tracing::warn!(%error, code = error.code(), "a page could not be made for now");
                Self::busy()
            }
            PortalError::NoTrials => Self::not_found("page"),
            PortalError::NoEnvironment { .. } => Self::not_found("environment"),
            PortalError::NoSubscription { .. } => Self::not_found("subscription"),
            error => {
                let Some((title, text)) = in_words(error.code()) else {
                    return failed(&error);
                };
                Self::refused(StatusCode::CONFLICT, error.code(), title, text)
            }
        }
    }
}

impl From<Refusal> for PageError {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
        let (title, text): (Cow<'_, _>, Cow<'_, _>) = match in_words(refusal.code()) {
            Some((title, text)) => (title.into(), text.into()),
            None => (refusal.title().into(), sentence(&refusal.to_string()).into()),
        };
        let page = Self::refused(status, refusal.code(), title, text);
        match refusal.retry_after() {
            Some(seconds) => page.retry_after(seconds),
            None => page,
        }
    }
}

/// The one failure that may have changed something.
fn unknown_outcome(error: &PortalError) -> PageError {
    tracing::error!(%error, code = error.code(), "whether a change is stored is not known");
    let text = "The portal lost its database while it stored this, so it may be done or not. Open the page again and look how it stands before you do it once more.";
    PageError::refused(
        StatusCode::INTERNAL_SERVER_ERROR,
        "outcome-unknown",
        "Whether it was done is not known",
        text,
    )
}

/// What went wrong in the portal itself stands in its log, not on a page.
fn failed(error: &PortalError) -> PageError {
    tracing::error!(%error, code = error.code(), "a page could not be made");
    let mut page = PageError::refused(
        StatusCode::INTERNAL_SERVER_ERROR,
        "portal-failed",
        "The portal failed",
        "The portal failed while it did this, and nothing was changed. Try again.",
    );
    if let PageError::Refused(refused) = &mut page {
        refused.failed = true;
    }
    page
}

/// A message as a sentence of its own.
pub(super) fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let mut text: String = first.chain(letters).collect();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// Title and text where the words for agents and operators would send a customer to commands that only the vendor has.
fn in_words(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "activation-code-unknown" | "environment-unknown" => (
            "This request does not belong to your subscription",
            "The request was made with another Activation Code, or by a machine that none of your environments is bound to. On the server, check the code with `entitlectl activate`, write the request anew, and upload that.",
        ),
        "rebind-required" => (
            "This machine is known under another key",
            "One of your environments is this machine already, and its key there was lost. Open that environment here, make a one-time code, and give it to `entitlectl rebind --rebind-code CODE` on the server.",
        ),
        "rebind-code-required" | "rebind-code-wrong" => (
            "A one-time code is needed",
            "The one-time code is missing, was used, does not fit, or has expired. Open the environment here, make a new code, and give it to `entitlectl rebind --rebind-code CODE` on the server.",
        ),
        "rebind-pending" => (
            "The vendor has to approve this",
            "The request waits for your vendor's approval. Once it is given, run `entitlectl rebind` on the server again and upload the new request.",
        ),
        "hardware-differs" => (
            "The environment is bound to other hardware",
            "Release the environment on its old machine with `entitlectl release`. If that machine is lost, release the environment here. Then activate it on the new one.",
        ),
        "environment-forked" => (
            "Two machines ask as this environment",
            "Open the environment here and say which of the two machines goes on. The other one is told that it is a copy.",
        ),
        "no-free-slot" => (
            "No environment of this purpose is free",
            "All environments of this purpose are in use. Release one that is not needed any more, or ask your vendor for more.",
        ),
        "slot-held" => (
            "Its slot of another purpose is held",
            "This server was released, and its license may still run until the slot is free. Choose the purpose that it had, or ask your vendor to free the slot.",
        ),
        "serial-only-not-allowed" => (
            "A request file is needed",
            "Your vendor gives licenses to machines that made a request only. On the server, run `entitlectl request`, and upload the file that it writes.",
        ),
        "bound-to-key" => (
            "This Serial Number is an environment already",
            "Upload the request file that `entitlectl request refresh` writes on its server to fetch its license.",
        ),
        "already-released" => (
            "The environment was released already",
            "Its slot is free. There is nothing left to do.",
        ),
        "without-key" => (
            "No one-time code is needed here",
            "The environment is bound to its Serial Number alone. Run `entitlectl activate` on the machine to bind it to a key.",
        ),
        "not-forked" | "no-branch" => (
            "The machines have changed since",
            "One of them has asked again since this page was made, or only one is left. Open the environment again to see how it stands now.",
        ),
        "usage-report" => (
            "This is no sound usage report",
            "It was changed on its way, is no usage report, or comes from a server that this portal does not know. Make it anew with `entitlectl usage report` on the server, and upload the file as it is.",
        ),
        "usage-report-old" => (
            "Newer figures are here",
            "What is used is known as of a later time: by a newer report, or as the server told it with a request. There is nothing to do; make a new one where the figures have changed.",
        ),
        "name" => (
            "This text is empty or too long",
            "A name or a reason is one line of 1 to 200 letters.",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_store_is_told_as_what_it_is() {
        let doing = "commit";
        let lost = || "connection reset".to_owned();
        for (error, status, is_passing) in [
            (StoreError::Busy { doing }, 503, true),
            (StoreError::Undone, 503, true),
            (StoreError::Unavailable { doing, reason: lost() }, 503, true),
            (StoreError::OutcomeUnknown { reason: lost() }, 500, false),
            (StoreError::Failed, 500, false),
        ] {
            let is_unknown = matches!(error, StoreError::OutcomeUnknown { .. });
            let page = PageError::from(PortalError::Store(error));
            let PageError::Refused(refused) = &page else { panic!("{page:?}") };
            assert_eq!(refused.text.contains("may be done or not"), is_unknown, "{page:?}");
            let response = page.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), is_passing);
        }
    }
}

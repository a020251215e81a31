//! The pages, without a network: a browser is a jar of cookies.

mod addresses;
mod customer;
mod forms;
mod foundation;
mod requests;
mod sign_in;
mod trial;
mod usage;
mod vendor;
mod vendor_administration;
mod vendor_lists;

use super::stage::{Agent, Stage};
use crate::{
    license::Purpose,
    portal::{Transport, domain::Subscription},
};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use tower::ServiceExt;

/// What a browser got.
pub(super) struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    /// Where it leads.
    pub(super) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }

    /// The token of its forms.
    pub(super) fn token(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"token\" value=\"").expect(&self.text);
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Fails, with the page, where one of these is not on it.
    pub(super) fn has(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.text.contains(text), "{text} is not in {}", self.text);
        }
    }

    /// Fails unless the form that is sent to `action` is on it again, with a summary of what is wrong that links to `field`, or to none where
    /// that is empty, and with everything that is referred to.
    pub(super) fn gives_back(&self, action: &str, field: &str) {
        self.has(&[
            "<title>Error: ",
            "role=\"alert\" tabindex=\"-1\" autofocus",
            "There is a problem",
        ]);
        self.has(&[&format!("method=\"post\" action=\"{action}\""), "name=\"token\""]);
        if !field.is_empty() {
            let error = format!("id=\"{field}-error\"");
            self.has(&[&format!("<a href=\"#{field}\">"), &error, "aria-invalid=\"true\""]);
        }
        let values = |before: &str| -> Vec<&str> {
            self.text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
        };
        let ids = values(" id=\"");
        let described = values("aria-describedby=\"").into_iter().flat_map(|ids| ids.split(' '));
        for wanted in values("href=\"#").into_iter().chain(described) {
            assert_eq!(
                ids.iter().filter(|id| **id == wanted).count(),
                1,
                "{wanted}: {}",
                self.text
            );
        }
    }

    /// Fails where one of these is on it.
    pub(super) fn lacks(&self, texts: &[&str]) {
        for text in texts {
            assert!(!self.text.contains(text), "{text} is in {}", self.text);
        }
    }
}

/// A browser: it keeps cookies, follows nothing, and says where its forms come from.
#[derive(Clone)]
pub(super) struct Browser {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub(super) fn new(stage: &Stage) -> Self {
        Self::over(stage, Transport::default())
    }

    pub(super) fn over(stage: &Stage, transport: Transport) -> Self {
        let router = stage.portal.router_over(transport);
        Self { router, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// A customer's, of a subscription whose releases the vendor approves, and the page of its environment.
    pub(super) async fn of_approved_releases() -> (Stage, Self, String) {
        let stage = Stage::new();
        let id = stage.sell().id;
        let sold = stage.portal.update_subscription(id, |t| t.releases_a_year = Some(0)).unwrap();
        let mut agent = Agent::new("a", Purpose::Production);
        agent.activate(&stage, &sold.activation_code).unwrap();
        let browser = Self::signed_in(&stage, &sold).await;
        (stage, browser, format!("/environments/{}", agent.id.unwrap()))
    }

    /// One that signed in by the subscription's code.
    pub(super) async fn signed_in(stage: &Stage, sold: &Subscription) -> Self {
        let mut browser = Self::new(stage);
        let page = browser.sign_in(&sold.activation_code.expose()).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/subscription"));
        browser
    }

    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.send(Method::GET, path, "", Body::empty()).await
    }

    /// Sends a form with the token of `page`.
    pub(super) async fn post_from(
        &mut self,
        page: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let token = self.get(page).await.token();
        self.post_with(&token, path, fields).await
    }

    pub(super) async fn post_with(
        &mut self,
        token: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let mut body = format!("token={}", encoded(token));
        for (name, value) in fields {
            body.extend(["&", *name, "=", &encoded(value)]);
        }
        self.send(Method::POST, path, "application/x-www-form-urlencoded", body.into()).await
    }

    /// Sends a file by the form of `path`.
    pub(super) async fn upload(&mut self, path: &str, file: &[u8]) -> Page {
        let token = self.get(path).await.token();
        let mut body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--edge\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"request.jws\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        self.send(Method::POST, path, "multipart/form-data; boundary=edge", body.into()).await
    }

    pub(super) async fn sign_in(&mut self, code: &str) -> Page {
        self.post_from("/", "/sign-in", &[("code", code)]).await
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Body,
    ) -> Page {
        let mut request = Request::builder().method(method).uri(path);
        if !media_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie::Cookie::parse(cookie.to_str().unwrap().to_owned()).unwrap();
            self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }
}

/// As a form encodes it.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

//! The portal over HTTP.

use super::{Exchange, ExchangeError, Portal};
use crate::license::{MAX_DOCUMENT, MEDIA_TYPE};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use serde_json::{Map, Value};
use std::{error::Error, fs, net::IpAddr, path::PathBuf, time::Duration};

/// From the first packet to the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the request to the last byte of the answer, however slowly it drips.
const TOTAL_TIMEOUT: Duration = Duration::from_mins(1);
/// How much of a refusal's text is repeated.
const LONGEST_DETAIL: usize = 1_000;

/// The way to the portal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortalSettings {
    /// Its address, without the route.
    pub url: String,
    /// Certificate authorities beside the system's, a PEM file.
    pub ca_file: Option<PathBuf>,
    /// The proxy; without one the environment's (`HTTPS_PROXY`, `NO_PROXY`) is used.
    pub proxy: Option<String>,
}

/// The portal at an address.
pub struct HttpPortal {
    client: Client,
    url: String,
    route: Url,
}

impl HttpPortal {
    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ExchangeError::Address`] for anything but https, or http to this machine, and [`ExchangeError::Settings`].
    pub fn new(settings: &PortalSettings) -> Result<Self, ExchangeError> {
        let address = || ExchangeError::Address { found: settings.url.clone() };
        let base = settings.url.trim_end_matches('/');
        let route = Url::parse(&format!("{base}/v1/requests")).map_err(|_| address())?;
        let loopback = is_loopback(&route);
        if route.scheme() != "https" && !(route.scheme() == "http" && loopback) {
            return Err(address());
        }
        let wrong = |reason: String| ExchangeError::Settings { reason };
        let mut client = Client::builder()
            .user_agent(concat!("entitled/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            // The portal is who was named, and a signed answer comes from nowhere else.
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0);
        if let Some(path) = &settings.ca_file {
            let named = |e: &dyn Error| wrong(format!("{}: {e}", path.display()));
            let pem = fs::read(path).map_err(|e| named(&e))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| named(&e))?;
            client = client.tls_certs_merge(certificates);
        }
        if loopback {
            client = client.no_proxy();
        } else if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|e| wrong(e.to_string()))?;
            client = client.proxy(proxy);
        }
        let client = client.build().map_err(|e| wrong(causes(&e)))?;
        Ok(Self { client, url: base.to_owned(), route })
    }
}

impl HttpPortal {
    /// Whether a portal answers there: its health is asked for, and nothing is sent.
    ///
    /// # Errors
    /// [`ExchangeError::Unreachable`] and [`ExchangeError::NotAnAnswer`].
    pub async fn probe(&self) -> Result<(), ExchangeError> {
        let url = self.url.clone();
        let answer = self.client.get(format!("{url}/livez")).send().await;
        let answer = answer.map_err(|error| ExchangeError::Unreachable {
            url: url.clone(),
            reason: causes(&error.without_url()),
        })?;
        if answer.status().is_success() {
            return Ok(());
        }
        let found = format!("status {}", answer.status().as_u16());
        Err(ExchangeError::NotAnAnswer { url, found })
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

impl Portal for HttpPortal {
    fn url(&self) -> &str {
        &self.url
    }

    fn exchange(&self, request: String) -> Exchange {
        let sending = self
            .client
            .post(self.route.clone())
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .header(header::ACCEPT, MEDIA_TYPE)
            .body(request)
            .send();
        let url = self.url.clone();
        Box::pin(async move {
            let unreachable = |error: reqwest::Error| ExchangeError::Unreachable {
                url: url.clone(),
                reason: causes(&error.without_url()),
            };
            let response = sending.await.map_err(unreachable)?;
            let status = response.status();
            if is_trouble(status) {
                let retry_after = retry_after(&response);
                return Err(ExchangeError::Busy { url, status: status.as_u16(), retry_after });
            }
            let kind = media_type(&response);
            let body = read_limited(response, &url).await?;
            match kind.as_str() {
                MEDIA_TYPE if status == StatusCode::OK => Ok(body),
                "application/problem+json" if !status.is_success() => Err(refusal(&body, &url)),
                kind => {
                    let found = format!("status {} with {kind:?}", status.as_u16());
                    Err(ExchangeError::NotAnAnswer { url, found })
                }
            }
        })
    }
}

/// The portal's own trouble, or the way's, whatever is said of it: no word on the request.
fn is_trouble(status: StatusCode) -> bool {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || passing.contains(&status)
}

/// The body as text, not a byte more than a document may have.
async fn read_limited(mut response: Response, url: &str) -> Result<String, ExchangeError> {
    let not_an_answer =
        |found: &str| ExchangeError::NotAnAnswer { url: url.to_owned(), found: found.to_owned() };
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| ExchangeError::Unreachable {
            url: url.to_owned(),
            reason: causes(&error.without_url()),
        })?;
        let Some(chunk) = chunk else { break };
        if body.len() + chunk.len() > MAX_DOCUMENT {
            return Err(not_an_answer("more than 1 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| not_an_answer("bytes that are no text"))
}

/// A problem document, RFC 9457, as far as it is needed. One without a type is nobody's word on a request.
fn refusal(body: &str, url: &str) -> ExchangeError {
    let problem: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    let member = |name| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = shown(member("type").rsplit(':').next().unwrap_or_default());
    if code.is_empty() {
        let found = "a problem document that can't be read".to_owned();
        return ExchangeError::NotAnAnswer { url: url.to_owned(), found };
    }
    let title = shown(member("title"));
    let detail = Some(shown(member("detail"))).filter(|detail| !detail.is_empty());
    ExchangeError::Refused { code, detail: detail.unwrap_or_else(|| title.clone()), title }
}

/// Foreign text for a log or a terminal: of bounded length, without control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect()
}

fn media_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let kind = value.unwrap_or_default().split(';').next().unwrap_or_default();
    shown(&kind.trim().to_ascii_lowercase())
}

/// `Retry-After` in seconds; the date form (RFC 9110 section 10.2.3) needs the portal's clock and is put down to none.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// An error with its causes: reqwest alone says 'error sending request' and no more.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

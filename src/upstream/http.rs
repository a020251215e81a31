//! The portal over HTTP.

use super::{Exchange, ExchangeError, Portal};
use crate::{
    license::{MAX_DOCUMENT, MEDIA_TYPE},
    problem::causes,
};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use serde::Deserialize;
use std::{
    error::Error,
    fs,
    net::IpAddr,
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// From the first packet to the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the request to the last byte of the answer, however slowly it drips.
const TOTAL_TIMEOUT: Duration = Duration::from_mins(1);
/// Where the portal takes requests.
pub(super) const ROUTE: &str = "/v1/requests";
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

type MakeClient = Box<dyn FnOnce() -> Result<Client, String> + Send>;

/// The portal at an address.
pub struct HttpPortal {
    /// Made when it is first needed: the system's certificates are many, and an agent that starts serves its license at once.
    client: LazyLock<Result<Client, String>, MakeClient>,
    /// As it is shown: everybody on the machine may read the status, and a password is nobody's business there.
    pub(super) url: String,
    pub(super) route: Url,
    /// The proxy of the settings.
    pub(super) proxy: Option<Url>,
}

impl HttpPortal {
    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ExchangeError::Address`] for anything but https, or http to this machine, and [`ExchangeError::Settings`].
    pub fn new(settings: &PortalSettings) -> Result<Self, ExchangeError> {
        let address = || ExchangeError::Address { found: without_password(&settings.url) };
        let base = settings.url.trim_end_matches('/');
        let route = Url::parse(&format!("{base}{ROUTE}")).map_err(|_| address())?;
        let loopback = is_loopback(&route);
        // What stands behind a question mark would swallow the route.
        if route.query().is_some() || route.fragment().is_some() {
            return Err(address());
        }
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
            .pool_max_idle_per_host(0)
            // For the end of its certificate.
            .tls_info(true);
        if let Some(path) = &settings.ca_file {
            let named = |e: &dyn Error| wrong(format!("{}: {e}", path.display()));
            let pem = fs::read(path).map_err(|e| named(&e))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| named(&e))?;
            client = client.tls_certs_merge(certificates);
        }
        if route.scheme() == "http" {
            // The certificates of CAs may be missing where none is needed.
            client = client.tls_certs_only([]);
        }
        if loopback {
            client = client.no_proxy();
        } else if let Some(proxy) = &settings.proxy {
            // The scheme alone: a password may stand behind it.
            let scheme = proxy.split_once("://").map_or("http", |(scheme, _)| scheme);
            if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
                let expected = "expected a proxy like http://proxy.example:3128";
                return Err(wrong(format!("{expected}, found one of scheme {scheme:?}")));
            }
            let proxy = reqwest::Proxy::all(proxy).map_err(|e| wrong(causes(&e.without_url())))?;
            client = client.proxy(proxy);
        }
        let make: MakeClient = Box::new(|| client.build().map_err(|e| causes(&e)));
        let url = without_password(base);
        let proxy = settings.proxy.as_deref().and_then(proxy_url);
        let portal = Self { client: LazyLock::new(make), url, route, proxy };
        if settings.ca_file.is_some() {
            // What is wrong with a certificate of the operator's is found here.
            portal.client()?;
        }
        Ok(portal)
    }

    pub(super) fn client(&self) -> Result<&Client, ExchangeError> {
        let made = self.client.as_ref();
        made.map_err(|reason| ExchangeError::Settings { reason: reason.clone() })
    }

    /// No certificate is valid before 1970, and the TLS library panics.
    pub(super) fn check_clock(&self) -> Result<(), ExchangeError> {
        if self.route.scheme() == "https" && SystemTime::now() < UNIX_EPOCH {
            let reason = "the clock of this machine is before 1970, where no certificate is valid: set it, `timedatectl` shows it";
            let (url, reason) = (self.url.clone(), reason.to_owned());
            return Err(ExchangeError::Unreachable { url, reason });
        }
        Ok(())
    }
}

/// A proxy is HTTP's where no scheme says otherwise.
pub(super) fn proxy_url(text: &str) -> Option<Url> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Url::parse(&text).ok()
}

/// An address without the name and the password that may stand before its host.
fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return text.rsplit_once('@').map_or(text, |(_, behind)| behind).to_owned();
    };
    if url.username().is_empty() && url.password().is_none() {
        return text.to_owned();
    }
    // Neither fails where there is one.
    let _ = (url.set_username(""), url.set_password(None));
    url.as_str().trim_end_matches('/').to_owned()
}

pub(super) fn is_loopback(url: &Url) -> bool {
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
        if let Err(error) = self.check_clock() {
            return Box::pin(async { Err(error) });
        }
        let sending = self.client().map(|client| {
            let request = client.post(self.route.clone()).body(request);
            let request = request.header(header::CONTENT_TYPE, MEDIA_TYPE);
            request.header(header::ACCEPT, MEDIA_TYPE).send()
        });
        let url = self.url.clone();
        Box::pin(async move {
            let sending = sending?;
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
                "application/problem+json" if status.is_client_error() => Err(refusal(&body, &url)),
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
pub(super) async fn read_limited(
    mut response: Response,
    url: &str,
) -> Result<String, ExchangeError> {
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

/// What the types of the portal's problems begin with.
const PROBLEM_TYPE: &str = "urn:entitled:problem:";
/// The longest of their codes, generously.
const LONGEST_CODE: usize = 64;

/// A problem document, RFC 9457, as far as it is needed.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    /// The stable code, lower case with hyphens, where it is a problem of the portal's. It becomes a label of metrics.
    fn code(&self) -> Option<&str> {
        let code = self.kind.strip_prefix(PROBLEM_TYPE)?;
        let is_sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        ((1..=LONGEST_CODE).contains(&code.len()) && code.bytes().all(is_sound)).then_some(code)
    }
}

/// The portal's refusal. Gateways and proxies speak in problem documents as well: one of another type is not the portal's
/// word, and gives up no request.
fn refusal(body: &str, url: &str) -> ExchangeError {
    let not_an_answer =
        |found: String| ExchangeError::NotAnAnswer { url: url.to_owned(), found: shown(&found) };
    let Ok(problem) = serde_json::from_str::<Problem>(body) else {
        return not_an_answer("a problem document that can't be read".to_owned());
    };
    let Some(code) = problem.code() else {
        return not_an_answer(format!("a problem document of the type {:?}", problem.kind));
    };
    let told = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let (title, detail) = (shown(&problem.title), shown(told));
    ExchangeError::Refused { code: code.to_owned(), title, detail }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_problem_of_the_portals_is_its_word() {
        let code = |body: &str| refusal(body, "https://portal").code().to_owned();
        let portal = r#"{"type":"urn:entitled:problem:slot-taken","title":"t","detail":"d"}"#;
        assert_eq!(code(portal), "slot-taken");
        for other in [
            "[]",
            "{}",
            "nonsense",
            r#"{"type":"about:blank","title":"Forbidden","status":403}"#,
            r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.4","title":"Forbidden"}"#,
            r#"{"type":"urn:entitled:problem:","detail":"d"}"#,
            r#"{"type":"urn:entitled:problem:\u001b[31mred","detail":"d"}"#,
        ] {
            let error = refusal(other, "https://portal");
            assert_eq!(error.code(), "portal-not-an-answer", "{other}");
            assert!(error.is_passing() && !error.to_string().contains('\u{1b}'), "{error}");
        }
    }
}

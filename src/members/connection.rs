//! The member's end: to join, and then to hear the controller.

mod claim;
mod probe;

use super::{
    Acknowledged, CONTROLLER_NAME, JoinToken, Joined, Joining, MemberReport, MembersError, Renewed,
    Renewing,
    authority::{Shown, signing_request, thumbprint_of},
    tls::{Pin, client_config},
};
use crate::{
    license::{KeyPair, MAX_DOCUMENT, MEDIA_TYPE, Thumbprint},
    problem::{Problem, causes},
    usage::{Batch, Figures, UserKey},
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
use serde::{Serialize, de::DeserializeOwned};
use std::{error::Error, net::SocketAddr, time::Duration};
use zeroize::Zeroizing;

/// The port where an address names none.
pub const DEFAULT_PORT: u16 = 7_443;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From a request to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A watch that is silent for so long is lost: the controller gives a sign of life every 20 seconds.
const SILENCE: Duration = Duration::from_secs(50);
/// Largest event, bytes.
const LARGEST_EVENT: usize = MAX_DOCUMENT + 1_024;

/// A member's key with its certificate, PEM. No `Debug`, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MemberIdentity(Zeroizing<String>);

impl MemberIdentity {
    /// As it was kept.
    pub const fn from_pem(pem: Zeroizing<String>) -> Self {
        Self(pem)
    }

    /// To be kept in a file of mode 0600.
    pub fn pem(&self) -> &str {
        &self.0
    }

    /// The thumbprint of the authority that it is of, from the certificate behind its own.
    pub fn authority(&self) -> Option<Thumbprint> {
        let chain = CertificateDer::pem_slice_iter(self.0.as_bytes()).nth(1)?;
        thumbprint_of(&chain.ok()?)
    }

    pub(super) fn of(key: &KeyPair, certificate: &str) -> Result<Self, MembersError> {
        let unusable = |error: &dyn Error| MembersError::Identity { reason: error.to_string() };
        let mut pem = key.to_pem().map_err(|error| unusable(&error))?;
        pem.push_str(certificate);
        Ok(Self(pem))
    }

    fn shown(&self) -> Result<Shown, MembersError> {
        let unusable = |error: rustls::pki_types::pem::Error| MembersError::Identity {
            reason: error.to_string(),
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.0.as_bytes()).collect();
        let key = PrivatePkcs8KeyDer::from_pem_slice(self.0.as_bytes()).map_err(unusable)?;
        Ok((chain.map_err(unusable)?, key.into()))
    }
}

/// `host:port` of a controller, the port filled in where it is left out.
///
/// # Errors
/// [`MembersError::Address`].
pub fn controller_address(text: &str) -> Result<String, MembersError> {
    let wrong = || MembersError::Address { found: text.to_owned() };
    let text = text.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address.to_string());
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        return Ok(SocketAddr::new(ip, DEFAULT_PORT).to_string());
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().map_err(|_| wrong())?),
        None => (text, DEFAULT_PORT),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || port == 0 || !host.chars().all(fits) {
        return Err(wrong());
    }
    Ok(format!("{host}:{port}"))
}

/// The way to one address of the controller. A clone goes the same way.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    address: String,
    base: String,
}

impl Connection {
    /// As a member that has joined. Nothing is sent yet but the question for the address.
    ///
    /// # Errors
    /// [`MembersError::Unreachable`] where the name is not known, [`MembersError::Identity`].
    pub async fn to(
        address: &str,
        authority: &Thumbprint,
        identity: &MemberIdentity,
    ) -> Result<Self, MembersError> {
        let pin = Pin::Authority(authority.clone());
        Self::open(address, pin, Some(identity.shown()?)).await
    }

    async fn open(address: &str, pin: Pin, shown: Option<Shown>) -> Result<Self, MembersError> {
        let address = controller_address(address)?;
        let unreachable =
            |reason: String| MembersError::Unreachable { address: address.clone(), reason };
        let found = tokio::net::lookup_host(&address).await;
        let found: Vec<SocketAddr> = found.map_err(|e| unreachable(e.to_string()))?.collect();
        let port = found
            .first()
            .map(SocketAddr::port)
            .ok_or_else(|| unreachable("no address".to_owned()))?;
        let client = Client::builder()
            .tls_backend_preconfigured(client_config(pin, shown)?)
            // It is known by its authority, whatever its address is called.
            .resolve_to_addrs(CONTROLLER_NAME, &found)
            .no_proxy()
            .http1_only()
            .user_agent(concat!("entitled/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| MembersError::Identity { reason: causes(&error) })?;
        Ok(Self { client, base: format!("https://{CONTROLLER_NAME}:{port}"), address })
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Hears the statements as they change.
    ///
    /// # Errors
    /// Where the controller can't be reached, is another's, or refuses.
    pub async fn watch(&self) -> Result<Watch, MembersError> {
        // Only its beginning has a time limit.
        let sent = self.client.get(format!("{}/v1/watch", self.base)).send();
        let response = tokio::time::timeout(PATIENCE, sent).await;
        let response = response.map_err(|_| self.unreachable("its time was up".to_owned()))?;
        let response = self.checked(response).await?;
        let address = self.address.clone();
        Ok(Watch { response, address, buffer: Vec::new(), spread: Duration::from_secs(1) })
    }

    /// Tells of this member; the key of the environment's user hashes, where the controller tells it.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub async fn report(&self, report: &MemberReport) -> Result<Option<UserKey>, MembersError> {
        let response = self.send("/v1/report", |request| request.json(report)).await?;
        // A controller of before answers with nothing.
        let told = response.json::<Acknowledged>().await.ok();
        Ok(told.and_then(|told| UserKey::read(&told.usage_key?)))
    }

    /// Tells of this server's usage; the sums of the environment.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub async fn tell_usage(&self, batch: &Batch) -> Result<Figures, MembersError> {
        self.ask("/v1/usage", batch).await
    }

    /// Shows a statement that is newer than the controller's own.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub async fn present(&self, statement: String) -> Result<(), MembersError> {
        let with = |request: RequestBuilder| {
            request.header(header::CONTENT_TYPE, MEDIA_TYPE).body(statement)
        };
        self.send("/v1/present", with).await.map(drop)
    }

    /// A certificate for a new key.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub async fn renew(&self) -> Result<(MemberIdentity, Duration), MembersError> {
        let key = KeyPair::generate()?;
        let asked = Renewing { signing_request: signing_request(&key)? };
        let Renewed { certificate, life_seconds } = self.ask("/v1/renew", &asked).await?;
        Ok((MemberIdentity::of(&key, &certificate)?, Duration::from_secs(life_seconds)))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, MembersError> {
        let response = self.send(path, |request| request.json(body)).await?;
        response.json().await.map_err(|error| MembersError::NotAnAnswer {
            address: self.address.clone(),
            found: error.without_url().to_string(),
        })
    }

    async fn send(
        &self,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, MembersError> {
        let request = self.client.request(Method::POST, format!("{}{path}", self.base));
        self.checked(with(request.timeout(PATIENCE)).send().await).await
    }

    async fn checked(&self, response: reqwest::Result<Response>) -> Result<Response, MembersError> {
        let response = response.map_err(|error| {
            let reason = causes(&error.without_url());
            // The words of `tls::ControllerVerifier`, or of the library that looks at the rest of a certificate.
            if reason.contains("certificate") {
                return MembersError::Impostor { address: self.address.clone(), reason };
            }
            self.unreachable(reason)
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json::<Problem>().await {
            Ok(problem) => Err(MembersError::Refused {
                code: problem.code().to_owned(),
                detail: problem.detail,
            }),
            Err(_) => Err(self.not_an_answer(status)),
        }
    }

    fn unreachable(&self, reason: String) -> MembersError {
        MembersError::Unreachable { address: self.address.clone(), reason }
    }

    fn not_an_answer(&self, status: StatusCode) -> MembersError {
        MembersError::NotAnAnswer {
            address: self.address.clone(),
            found: format!("status {status}"),
        }
    }
}

/// Joins the environment of a token: a key is made here, and the controller, which the token pins, signs a certificate
/// for it.
///
/// # Errors
/// Where the controller can't be reached, is not the token's, or refuses.
pub async fn join(
    address: &str,
    token: &JoinToken,
    name: &str,
) -> Result<(Joined, MemberIdentity), MembersError> {
    let key = KeyPair::generate()?;
    let connection = Connection::open(address, Pin::Token(token.clone()), None).await?;
    let joining = Joining {
        token_id: token.id(),
        token_secret: token.secret(),
        signing_request: signing_request(&key)?,
        name: name.to_owned(),
    };
    let joined: Joined = connection.ask("/v1/join", &joining).await?;
    let identity = MemberIdentity::of(&key, &joined.certificate.certificate)?;
    // Before the old one, if there is any, is given up for it.
    identity.shown()?;
    Ok((joined, identity))
}

/// What is heard on a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A statement.
    Statement(String),
    /// A signpost: the environment went on elsewhere.
    Signpost(String),
    /// The environment's sums of usage.
    Usage(Figures),
    /// That the controller is there.
    Beat,
    /// That it is there and states nothing: it holds no license any more.
    Nothing,
}

/// A watch under way.
pub struct Watch {
    response: Response,
    address: String,
    buffer: Vec<u8>,
    spread: Duration,
}

impl Watch {
    /// Over which time to return when it is lost, as the controller asked.
    pub const fn spread(&self) -> Duration {
        self.spread
    }

    /// The next word. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`MembersError::Unreachable`] at its end.
    pub async fn next(&mut self) -> Result<Word, MembersError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|end| end == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(self.read(&event));
            }
            let lost = |reason: String| MembersError::Unreachable {
                address: self.address.clone(),
                reason,
            };
            if self.buffer.len() > LARGEST_EVENT {
                return Err(lost("it sent an event that is too large".to_owned()));
            }
            match self.response.chunk().await {
                Ok(Some(more)) => self.buffer.extend_from_slice(&more),
                Ok(None) => return Err(lost("it closed the connection".to_owned())),
                Err(error) => return Err(lost(causes(&error.without_url()))),
            }
        }
    }

    /// One event (WHATWG HTML, section 9.2.6), as far as it is of use here.
    fn read(&mut self, event: &[u8]) -> Word {
        let event = String::from_utf8_lossy(event);
        let (mut kind, mut data) = (None, None);
        for line in event.lines() {
            match line.split_once(':') {
                Some(("event", text)) => kind = Some(text.trim().to_owned()),
                Some(("data", text)) => data = Some(text.trim_start().to_owned()),
                Some(("retry", text)) => {
                    if let Ok(spread) = text.trim().parse() {
                        self.spread = Duration::from_millis(spread).min(Duration::from_mins(10));
                    }
                }
                _ => {}
            }
        }
        match (kind.as_deref(), data) {
            (Some("statement"), Some(text)) => Word::Statement(text),
            (Some("signpost"), Some(text)) => Word::Signpost(text),
            (Some("usage"), Some(text)) => {
                serde_json::from_str(&text).map_or(Word::Beat, Word::Usage)
            }
            (Some("none"), _) => Word::Nothing,
            _ => Word::Beat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_gets_one() {
        for (text, expected) in [
            ("server.example", "server.example:7443"),
            ("server.example:9000", "server.example:9000"),
            ("192.0.2.1", "192.0.2.1:7443"),
            ("192.0.2.1:9000", "192.0.2.1:9000"),
            ("2001:db8::1", "[2001:db8::1]:7443"),
            ("[2001:db8::1]", "[2001:db8::1]:7443"),
            ("[2001:db8::1]:9000", "[2001:db8::1]:9000"),
        ] {
            assert_eq!(controller_address(text).unwrap(), expected);
        }
        for text in ["", ":1", "a:b", "https://a", "a:0", "a b", "a:99999"] {
            assert!(controller_address(text).is_err(), "{text}");
        }
    }
}

//! What `entitlectl doctor` looks at on the way to the portal. Nothing is asked for but what everybody may read.

use super::{
    ExchangeError, HttpPortal,
    http::{ROUTE, is_loopback, proxy_url, read_limited},
};
use crate::problem::causes;
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Response, Url, header, tls::TlsInfo};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{env, time::Duration};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the first connection on the way to the portal goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The name, or the address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether that is the proxy.
    pub is_proxy: bool,
}

/// What a portal that is alive says of itself.
#[derive(Debug)]
pub struct Probed {
    /// When it was asked, by this machine's clock.
    pub asked_at: Timestamp,
    /// The time of its clock.
    pub date: Option<Timestamp>,
    /// When its certificate ends; none over plain HTTP.
    pub certificate_ends: Option<Timestamp>,
    /// What it gives out as its trust document.
    pub trust: Option<String>,
}

impl HttpPortal {
    /// Its address without a password.
    pub fn shown(&self) -> &str {
        &self.url
    }

    /// Where the first connection goes, by the settings or, without a proxy in them, by the variables of this process: the
    /// agent's may be others.
    pub fn way(&self) -> Way {
        let host = self.route.host_str().unwrap_or_default();
        let of = |url: &Url, is_proxy| Way {
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or(443),
            is_proxy,
        };
        if is_loopback(&self.route) {
            return of(&self.route, false);
        }
        let proxy = self.proxy.clone().or_else(|| proxy_of_environment(host));
        proxy.map_or_else(|| of(&self.route, false), |proxy| of(&proxy, true))
    }

    /// Whether a portal answers there, and what it says of itself.
    ///
    /// # Errors
    /// [`ExchangeError::Unreachable`] and [`ExchangeError::NotAnAnswer`].
    pub async fn probe(&self) -> Result<Probed, ExchangeError> {
        self.check_clock()?;
        let answer = self.ask("/livez").await?;
        if !answer.status().is_success() {
            let found = format!("status {}", answer.status().as_u16());
            return Err(ExchangeError::NotAnAnswer { url: self.url.clone(), found });
        }
        let asked_at = Timestamp::now();
        let date = answer.headers().get(header::DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
        let certificate = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let certificate_ends = certificate.and_then(ends_at);
        let trust = match self.ask("/v1/trust").await {
            Ok(answer) if answer.status().is_success() => {
                read_limited(answer, &self.url).await.ok()
            }
            _ => None,
        };
        Ok(Probed { asked_at, date, certificate_ends, trust })
    }

    async fn ask(&self, path: &str) -> Result<Response, ExchangeError> {
        let mut url = self.route.clone();
        let base = self.route.path().strip_suffix(ROUTE).unwrap_or_default();
        url.set_path(&format!("{base}{path}"));
        let answer = self.client()?.get(url).timeout(PATIENCE).send().await;
        answer.map_err(|error| ExchangeError::Unreachable {
            url: self.url.clone(),
            reason: causes(&error.without_url()),
        })
    }
}

/// `HTTPS_PROXY` and `ALL_PROXY`, unless `NO_PROXY` names the host or a domain of it.
fn proxy_of_environment(host: &str) -> Option<Url> {
    let variable = |name: &str| {
        let value = env::var(name).or_else(|_| env::var(name.to_lowercase())).ok();
        value.filter(|value| !value.is_empty())
    };
    let excepted = variable("NO_PROXY").unwrap_or_default();
    let is_excepted =
        excepted.split(',').map(|name| name.trim().trim_start_matches('.')).any(|name| {
            let before = host.strip_suffix(name).filter(|_| !name.is_empty());
            name == "*" || before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        });
    let proxy = variable("HTTPS_PROXY").or_else(|| variable("ALL_PROXY"));
    proxy.filter(|_| !is_excepted).and_then(|proxy| proxy_url(&proxy))
}

/// When the certificates of a PEM text end.
pub fn certificate_ends(pem: &[u8]) -> Vec<Timestamp> {
    let certificates = CertificateDer::pem_slice_iter(pem);
    certificates.filter_map(|certificate| ends_at(&certificate.ok()?)).collect()
}

fn ends_at(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

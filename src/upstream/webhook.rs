//! A receiver of the operator's that is told of changes: one POST a message, signed as the specification "Standard
//! Webhooks" says, so that libraries for many languages verify it.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::{Client, StatusCode, Url, header, redirect};
use sha2::Sha256;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// Longest wait for an answer; what is in it is not read.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest secret, bytes (section "Symmetric" of the specification).
const SHORTEST_SECRET: usize = 24;
/// Longest secret, bytes.
const LONGEST_SECRET: usize = 64;
/// What the specification writes before a secret in base64.
const SECRET_PREFIX: &str = "whsec_";

/// How the receiver is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Its address.
    pub url: String,
    /// The file of the secret that it verifies the signature by.
    pub secret_file: PathBuf,
    /// Certificate authorities beside the system's, a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// Why a webhook can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum WebhookError {
    #[error(
        "expected an https or http address of the webhook's receiver, found one that is not: set [webhook] url"
    )]
    Address,
    #[error(
        "the secret of the webhook in {path} can't be used ({reason}): write a new one, `(printf whsec_; openssl rand -base64 32) > {path}`"
    )]
    Secret { path: String, reason: String },
    #[error("the certificates in {path} can't be used ({reason}): check [webhook] ca_file")]
    Certificates { path: String, reason: String },
    #[error("no HTTP client can be made ({reason})")]
    Client { reason: String },
}

/// Why the receiver has not taken a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undelivered {
    /// For people; the address is not in it, for a secret may be.
    pub reason: String,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether it said nothing for as long as it was waited for.
    pub is_silent: bool,
}

/// A message, the same at every try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By which the receiver knows one that it has had already.
    pub id: String,
    /// JSON.
    pub body: String,
}

/// The receiver.
pub struct Webhook {
    client: Client,
    url: Url,
    secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    /// Reads the secret and the certificates. Nothing is sent.
    ///
    /// # Errors
    /// What of the settings can't be used.
    pub fn new(settings: &WebhookSettings) -> Result<Self, WebhookError> {
        let secret = read_secret(&settings.secret_file)?;
        Self::to(&settings.url, secret, settings.ca_file.as_deref())
    }

    /// A receiver whose secret is not in a file: the portal keeps it.
    ///
    /// # Errors
    /// What can't be used.
    pub fn with_secret(url: &str, secret: &str) -> Result<Self, WebhookError> {
        let secret = decoded(secret)
            .map_err(|reason| WebhookError::Secret { path: "the database".to_owned(), reason })?;
        Self::to(url, secret, None)
    }

    fn to(
        url: &str,
        secret: Zeroizing<Vec<u8>>,
        ca_file: Option<&Path>,
    ) -> Result<Self, WebhookError> {
        let url = Url::parse(url).map_err(|_| WebhookError::Address)?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(WebhookError::Address);
        }
        let mut client = Client::builder()
            .user_agent(concat!("entitled/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0);
        if let Some(path) = ca_file {
            client = client.tls_certs_merge(certificates(path)?);
        }
        if url.scheme() == "http" {
            // The certificates of CAs may be missing where none is needed.
            client = client.tls_certs_only([]);
        }
        let client = client.build();
        let client = client.map_err(|error| WebhookError::Client { reason: error.to_string() })?;
        Ok(Self { client, url, secret })
    }

    /// Sends a message once. `at` is now, by the clock: receivers refuse signatures that are minutes old.
    ///
    /// # Errors
    /// [`Undelivered`] for every answer but a 2xx.
    pub async fn deliver(&self, message: &Message, at: Timestamp) -> Result<(), Undelivered> {
        let at = at.as_second().to_string();
        let signature = self.signature(&message.id, &at, &message.body);
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature)
            .body(message.body.clone());
        let answer = request.send().await.map_err(|error| {
            let is_silent = error.is_timeout();
            let reason = if is_silent { "no answer in time" } else { "not reached" };
            Undelivered { reason: reason.to_owned(), retry_after: None, is_silent }
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let asked = answer.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
        let asked = asked.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let may_ask =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let reason = format!("status {}", status.as_u16());
        Err(Undelivered { reason, retry_after: asked.filter(|_| may_ask), is_silent: false })
    }

    /// `v1,` and the HMAC-SHA-256 of id, time and body.
    fn signature(&self, id: &str, at: &str, body: &str) -> String {
        // A key of any length is taken; without one there is nothing to compute with.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else {
            return String::new();
        };
        for part in [id, ".", at, ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, WebhookError> {
    let wrong = |reason: String| WebhookError::Secret { path: path.display().to_string(), reason };
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?);
    decoded(&text).map_err(wrong)
}

/// The bytes of a secret, or why it is none.
fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = text.trim();
    let encoded = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
    let expected = "expected `whsec_` and 24 to 64 bytes in base64";
    let decoded = BASE64_STANDARD.decode(encoded);
    let secret = Zeroizing::new(decoded.map_err(|_| format!("{expected}, found other"))?);
    if !(SHORTEST_SECRET..=LONGEST_SECRET).contains(&secret.len()) {
        return Err(format!("{expected}, found {}", secret.len()));
    }
    Ok(secret)
}

/// A new secret, as a receiver's library takes it.
///
/// # Errors
/// Only where the operating system has no random numbers.
pub fn new_secret() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes)?;
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(*bytes));
    Ok(Zeroizing::new(format!("{SECRET_PREFIX}{}", *encoded)))
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, WebhookError> {
    let wrong =
        |reason: String| WebhookError::Certificates { path: path.display().to_string(), reason };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(secret: &str) -> Result<Webhook, WebhookError> {
        let folder = tempfile::tempdir().unwrap();
        let secret_file = folder.path().join("secret");
        fs::write(&secret_file, secret).unwrap();
        let url = "http://127.0.0.1:1/".to_owned();
        Webhook::new(&WebhookSettings { url, secret_file, ca_file: None })
    }

    /// The example of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let webhook = webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature = webhook.signature(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_and_not_told() {
        for secret in ["", "hunter2hunter2", "whsec_c2hvcnQ=", "whsec_!!!!"] {
            let error = webhook(secret).unwrap_err();
            assert!(matches!(error, WebhookError::Secret { .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(
            format!("{:?}", webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()),
            "Webhook { .. }"
        );
    }
}

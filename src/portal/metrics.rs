//! What monitors may count of a portal, in the OpenMetrics text format.
//!
//! Labels have few values: routes by their template, refusals by their stable code; never what a client sent.

use super::{
    KeyRing, Portal,
    domain::Standing,
    store::{Census, Figures, StoreError},
    tls::Certificate,
};
use crate::license::Purpose;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// For how long numbers of what is stored are shown before they are read again.
const FRESH: SignedDuration = SignedDuration::from_secs(15);

/// Upper bounds of the latency, seconds: from half a millisecond to eight seconds.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 15))
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// A request of an agent, and how it ended: `answered`, `repeated`, or the code of its refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    kind: &'static str,
    result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StandingLabel {
    standing: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PurposeLabel {
    purpose: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabel {
    state: &'static str,
}

/// A label set of none: such a family shows nothing until it is set.
type Unlabelled = [(&'static str, &'static str); 0];

/// The counts of one portal; two in one process do not mix.
pub(super) struct Metrics {
    registry: Registry,
    http_requests: Family<Answered, Counter>,
    http_latency: Family<Route, Histogram, fn() -> Histogram>,
    requests: Family<Asked, Counter>,
    subscriptions: Family<StandingLabel, Gauge>,
    environments: Family<PurposeLabel, Gauge>,
    webhook_messages: Family<MessageLabel, Gauge>,
    /// When the numbers of what is stored were last read.
    counted_at: Mutex<Option<Timestamp>>,
    trust_version: Gauge,
    trust_issued: Gauge,
    signing_key_written: Family<Unlabelled, Gauge>,
    certificate_end: Family<Unlabelled, Gauge>,
    failed_handshakes: Counter,
    refused_certificates: Counter,
    past_proxies: Counter,
    certificate: OnceLock<Arc<Certificate>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Those of a portal with that store.
    pub(super) fn new(store: &Figures) -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("entitle_portal"),
            http_requests: Family::default(),
            http_latency: Family::new_with_constructor(latencies),
            requests: Family::default(),
            subscriptions: Family::default(),
            environments: Family::default(),
            webhook_messages: Family::default(),
            counted_at: Mutex::default(),
            trust_version: Gauge::default(),
            trust_issued: Gauge::default(),
            signing_key_written: Family::default(),
            certificate_end: Family::default(),
            failed_handshakes: Counter::default(),
            refused_certificates: Counter::default(),
            past_proxies: Counter::default(),
            certificate: OnceLock::new(),
        };
        metrics.registered().with_store(store).with_tls()
    }

    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        r.register("build", "The version of the portal", build);
        let help = "Answers over HTTP by route and status";
        r.register("http_requests", help, self.http_requests.clone());
        let help = "From the head of a request to that of its answer";
        r.register_with_unit(
            "http_request_duration",
            help,
            Unit::Seconds,
            self.http_latency.clone(),
        );
        let help = "Requests from an address that is no trusted proxy's, where a proxy is in front";
        r.register("past_proxies", help, self.past_proxies.clone());
        let help = "Requests of agents by kind and result";
        r.register("requests", help, self.requests.clone());
        let help = "The version of the trust document in use";
        r.register("trust_version", help, self.trust_version.clone());
        let help = "When the trust document in use was signed";
        r.register_with_unit(
            "trust_issued_timestamp",
            help,
            Unit::Seconds,
            self.trust_issued.clone(),
        );
        let help = "When the file of the signing key in use was written";
        let written = self.signing_key_written.clone();
        r.register_with_unit("signing_key_written_timestamp", help, Unit::Seconds, written);
        self
    }

    fn with_store(mut self, figures: &Figures) -> Self {
        let r = &mut self.registry;
        let help = "Subscriptions by standing";
        r.register("subscriptions", help, self.subscriptions.clone());
        let help = "Environments that are not released, by purpose";
        r.register("environments", help, self.environments.clone());
        let help = "Messages to webhooks that wait, and that were given up";
        r.register("webhook_messages", help, self.webhook_messages.clone());
        let help = "Changes in each commit to the database";
        r.register("store_commit_changes", help, figures.changes.clone());
        let help = "Commits to the database that failed: nothing of theirs is stored";
        r.register("store_failures", help, figures.failures.clone());
        self
    }

    fn with_tls(mut self) -> Self {
        let r = &mut self.registry;
        let help = "The end of the certificate that is shown";
        let end = self.certificate_end.clone();
        r.register_with_unit("tls_certificate_end_timestamp", help, Unit::Seconds, end);
        let help = "Handshakes that came to nothing";
        r.register("tls_failed_handshakes", help, self.failed_handshakes.clone());
        let help = "Replaced certificates that were refused: the one before stays in use";
        r.register("tls_refused_certificates", help, self.refused_certificates.clone());
        self
    }

    /// Counts a request that came past the proxies: whether it is the first.
    pub(super) fn came_past_proxies(&self) -> bool {
        self.past_proxies.inc() == 0
    }

    /// An answer over HTTP.
    pub(super) fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        let labels = Answered { method: known(method), route: route.clone(), status };
        self.http_requests.get_or_create(&labels).inc();
        self.http_latency.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    /// A request of an agent; `result` is a stable code.
    pub(super) fn asked(&self, kind: &'static str, result: &str) {
        self.requests.get_or_create(&Asked { kind, result: result.to_owned() }).inc();
    }

    /// Handshakes that came to nothing.
    pub(super) const fn failed_handshakes(&self) -> &Counter {
        &self.failed_handshakes
    }

    /// Replaced certificates that were refused.
    pub(super) const fn refused_certificates(&self) -> &Counter {
        &self.refused_certificates
    }

    /// This one is shown from now on.
    pub(super) fn watch_certificate(&self, certificate: Arc<Certificate>) {
        // It replaces itself; a process has one.
        let _ = self.certificate.set(certificate);
    }

    /// Whether the numbers of what is stored are old at this time; whoever is told so reads them.
    fn are_old(&self, now: Timestamp) -> bool {
        let mut counted_at = self.counted_at.lock().unwrap_or_else(PoisonError::into_inner);
        let age = counted_at.map(|at| now.duration_since(at));
        let are_old = age.is_none_or(|age| age.is_negative() || age >= FRESH);
        if are_old {
            *counted_at = Some(now);
        }
        are_old
    }

    /// Reads the numbers of what is stored, where they are old. It blocks.
    pub(super) fn count(&self, portal: &Portal) {
        if !self.are_old(portal.now()) {
            return;
        }
        let read: Result<(), StoreError> =
            portal.store().read(|view| view.census().map(|census| self.counted(&census)));
        if let Err(error) = read {
            tracing::error!(%error, "what is stored could not be counted");
        }
    }

    fn counted(&self, census: &Census) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for standing in Standing::WORDS {
            let number = census.subscriptions.get(standing).copied().unwrap_or_default();
            self.subscriptions.get_or_create(&StandingLabel { standing }).set(gauge(number));
        }
        for (state, number) in
            [("waiting", census.waiting_messages), ("given-up", census.dead_messages)]
        {
            self.webhook_messages.get_or_create(&MessageLabel { state }).set(gauge(number));
        }
        for purpose in Purpose::ALL {
            let number = census.environments.get(&purpose).copied().unwrap_or_default();
            let purpose = purpose.as_str();
            self.environments.get_or_create(&PurposeLabel { purpose }).set(gauge(number));
        }
    }

    /// All of it as text.
    pub(super) fn render(&self, keys: &KeyRing) -> String {
        let trust = keys.trust().claims();
        self.trust_version.set(i64::try_from(trust.version).unwrap_or(i64::MAX));
        self.trust_issued.set(trust.iat.as_second());
        if let Some(written) = keys.signing_key_written() {
            self.signing_key_written.get_or_create(&[]).set(written.as_second());
        }
        if let Some(certificate) = self.certificate.get() {
            self.certificate_end.get_or_create(&[]).set(certificate.ends_at().as_second());
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
}

/// A method as a label: a client may send any word.
pub(super) fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

//! Metrics in the OpenMetrics text format.

use crate::entitlement::{ConditionType, State, Status};
use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use std::fmt;

/// The media type of [`Metrics::render`].
pub const METRICS_MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabel {
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: String,
}

/// How an exchange with the portal ended; the stable code of its error, or `answered`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ExchangeResult {
    /// The word.
    pub result: String,
}

/// How telling a webhook's receiver went: `delivered`, `failed` or `given-up`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookResult {
    result: &'static str,
}

/// Why something was refused between controller and members; a stable code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalCause {
    cause: String,
}

/// What monitors may count. One registry an agent: two in one process do not mix.
pub struct Metrics {
    registry: Registry,
    entitled: Gauge,
    state: Family<StateLabel, Gauge>,
    condition: Family<ConditionLabel, Gauge>,
    generation: Gauge,
    term_ends: Gauge,
    grace_ends: Gauge,
    sequence: Gauge,
    hardware_score: Gauge,
    last_contact: Gauge,
    limit: Family<LimitLabel, Gauge>,
    used: Family<LimitLabel, Gauge>,
    exchanges: Family<ExchangeResult, Counter>,
    refused_documents: Counter,
    webhook: Family<WebhookResult, Counter>,
    members_watching: Gauge,
    member_handshakes: Counter,
    member_refusals: Family<RefusalCause, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("entitled"),
            entitled: Gauge::default(),
            state: Family::default(),
            condition: Family::default(),
            generation: Gauge::default(),
            term_ends: Gauge::default(),
            grace_ends: Gauge::default(),
            sequence: Gauge::default(),
            hardware_score: Gauge::default(),
            last_contact: Gauge::default(),
            limit: Family::default(),
            used: Family::default(),
            exchanges: Family::default(),
            refused_documents: Counter::default(),
            webhook: Family::default(),
            members_watching: Gauge::default(),
            member_handshakes: Counter::default(),
            member_refusals: Family::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let r = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        r.register("build", "The version of the agent", build);
        r.register("entitled", "Whether new work is covered (1) or not (0)", self.entitled.clone());
        r.register(
            "state",
            "The state of the entitlement: 1 for the current one",
            self.state.clone(),
        );
        r.register("condition", "Whether a condition holds (1) or not (0)", self.condition.clone());
        r.register("generation", "Grows with every change of the status", self.generation.clone());
        let (name, help) =
            ("license_term_end_timestamp", "The end of the term, 0 without a license");
        r.register_with_unit(name, help, Unit::Seconds, self.term_ends.clone());
        let (name, help) = ("license_grace_end_timestamp", "The end of grace, 0 without a license");
        r.register_with_unit(name, help, Unit::Seconds, self.grace_ends.clone());
        r.register(
            "license_sequence",
            "The sequence of the license, 0 without one",
            self.sequence.clone(),
        );
        let help = "The agreeing share of the enrolled hardware, percent";
        r.register("hardware_score_percent", help, self.hardware_score.clone());
        let (name, help) =
            ("portal_last_contact_timestamp", "When the portal last answered, 0 for never");
        r.register_with_unit(name, help, Unit::Seconds, self.last_contact.clone());
        r.register("limit", "What is licensed; unlimited ones are left out", self.limit.clone());
        r.register("limit_used", "What is used, where it is reported", self.used.clone());
        let help = "Exchanges with the portal by result";
        r.register("portal_exchanges", help, self.exchanges.clone());
        let help = "Documents that were refused";
        r.register("refused_documents", help, self.refused_documents.clone());
        let help = "Messages to the webhook's receiver by result";
        r.register("webhook_messages", help, self.webhook.clone());
        self.with_members()
    }

    fn with_members(mut self) -> Self {
        let r = &mut self.registry;
        let help = "Members that watch the status now";
        r.register("members_watching", help, self.members_watching.clone());
        let help = "Handshakes with members that were finished";
        r.register("member_handshakes", help, self.member_handshakes.clone());
        let help = "What was refused between controller and members, by cause";
        r.register("member_refusals", help, self.member_refusals.clone());
        self
    }

    /// Takes over a status.
    pub fn show(&self, status: &Status) {
        self.entitled.set(i64::from(status.entitled));
        for state in State::ALL {
            let label = StateLabel { state: state.as_str() };
            self.state.get_or_create(&label).set(i64::from(status.state == state));
        }
        for kind in ConditionType::ALL {
            let holds = status.conditions.iter().any(|condition| condition.kind == kind);
            let label = ConditionLabel { r#type: kind.as_str() };
            self.condition.get_or_create(&label).set(i64::from(holds));
        }
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let license = status.license.as_ref();
        self.generation.set(number(status.generation));
        self.term_ends.set(license.map_or(0, |l| l.ends_at.as_second()));
        self.grace_ends.set(license.map_or(0, |l| l.grace_ends_at.as_second()));
        self.sequence.set(license.map_or(0, |l| number(l.sequence.0)));
        self.hardware_score.set(status.hardware.as_ref().map_or(0, |h| i64::from(h.score)));
        self.last_contact.set(status.upstream.last_contact.map_or(0, Timestamp::as_second));
        self.limit.clear();
        self.used.clear();
        for (name, limit) in &status.limits {
            let label = LimitLabel { limit: name.clone() };
            if let Some(limit) = limit.limit {
                self.limit.get_or_create(&label).set(number(limit));
            }
            if let Some(used) = limit.used {
                self.used.get_or_create(&label).set(number(used));
            }
        }
    }

    /// Counts an exchange.
    pub fn exchanged(&self, result: &str) {
        let label = ExchangeResult { result: result.to_owned() };
        self.exchanges.get_or_create(&label).inc();
    }

    /// Counts a refused document.
    pub fn refused_document(&self) {
        self.refused_documents.inc();
    }

    /// Counts a message to the webhook's receiver.
    pub fn webhook_tried(&self, result: &'static str) {
        self.webhook.get_or_create(&WebhookResult { result }).inc();
    }

    /// A member begins to watch, or does no more.
    pub fn member_watches(&self, watches: bool) {
        if watches {
            self.members_watching.inc();
        } else {
            self.members_watching.dec();
        }
    }

    /// Counts a finished handshake with a member.
    pub fn member_handshake(&self) {
        self.member_handshakes.inc();
    }

    /// Counts a refusal between controller and members.
    pub fn member_refused(&self, cause: &str) {
        let label = RefusalCause { cause: cause.to_owned() };
        self.member_refusals.get_or_create(&label).inc();
    }

    /// All of them as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

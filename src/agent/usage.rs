//! What programs on this server report as used.

use crate::{
    api::{Problem, UsageReport},
    license::VerifiedLicense,
};
use axum::http::StatusCode;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Reporters kept for one limit.
const MOST_REPORTERS: usize = 10_000;
/// Longest name of a reporter, bytes.
const LONGEST_NAME: usize = 200;

/// One gauge a limit and reporter.
#[derive(Debug, Default)]
pub(super) struct Usage(BTreeMap<String, HashMap<String, Gauge>>);

#[derive(Debug, Clone, Copy)]
struct Gauge {
    value: u64,
    /// In uptime.
    expires: Duration,
}

impl Usage {
    /// Takes note of a gauge.
    pub(super) fn report(
        &mut self,
        report: UsageReport,
        license: Option<&VerifiedLicense>,
        uptime: Duration,
    ) -> Result<(), Problem> {
        let UsageReport { limit, reporter, value, time_to_live } = report;
        if !license.is_some_and(|license| license.claims().limits.contains_key(&limit)) {
            let detail = format!("the license names no limit {limit:?}: /v1/limits lists them");
            return Err(refused(StatusCode::NOT_FOUND, "no-such-limit", detail));
        }
        if reporter.is_empty() || reporter.len() > LONGEST_NAME {
            let found = reporter.len();
            let detail = format!("expected a reporter of 1 to {LONGEST_NAME} bytes, found {found}");
            return Err(refused(StatusCode::BAD_REQUEST, "bad-reporter", detail));
        }
        let gauges = self.0.entry(limit).or_default();
        if gauges.len() >= MOST_REPORTERS && !gauges.contains_key(&reporter) {
            gauges.retain(|_, gauge| gauge.expires > uptime);
            if gauges.len() >= MOST_REPORTERS {
                let detail = format!(
                    "{MOST_REPORTERS} reporters are counted already: use one name again and again"
                );
                return Err(refused(StatusCode::TOO_MANY_REQUESTS, "too-many-reporters", detail));
            }
        }
        gauges.insert(reporter, Gauge { value, expires: uptime.saturating_add(time_to_live) });
        Ok(())
    }

    /// What is used, by limit; a limit without a live gauge is left out.
    pub(super) fn totals(&mut self, uptime: Duration) -> BTreeMap<String, u64> {
        self.0.retain(|_, gauges| {
            gauges.retain(|_, gauge| gauge.expires > uptime);
            !gauges.is_empty()
        });
        let sum = |gauges: &HashMap<String, Gauge>| {
            gauges.values().fold(0u64, |sum, gauge| sum.saturating_add(gauge.value))
        };
        self.0.iter().map(|(limit, gauges)| (limit.clone(), sum(gauges))).collect()
    }

    /// When the next gauge expires, in uptime.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.0.values().flat_map(HashMap::values).map(|gauge| gauge.expires).min()
    }
}

fn refused(status: StatusCode, code: &str, detail: String) -> Problem {
    Problem::new(status, code, "The usage was not taken", detail)
}

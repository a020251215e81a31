//! The sample subscription, and how its term lies in each scenario.

use crate::{
    license::{Enforcement, Limit, Purpose},
    portal::domain::{RebindPolicy, Terms},
};
use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const GRACE_DAYS: u32 = 30;

/// What state the agent is brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// In term.
    Active,
    /// In term, 20 days to its end.
    Expiring,
    /// 5 days past the term.
    Grace,
    /// Grace is over.
    Restricted,
    /// Not activated.
    Unlicensed,
}

impl Scenario {
    /// The end of the term in this scenario; `margin` is what is left of grace where it is about to end, so that the
    /// portal can still issue the license that then runs out.
    pub(super) fn ends_at(self, now: Timestamp, margin: SignedDuration) -> Timestamp {
        let from_now = match self {
            Self::Active | Self::Unlicensed => DAY * 365,
            Self::Expiring => DAY * 20,
            Self::Grace => -DAY * 5,
            Self::Restricted => margin - DAY * 30,
        };
        now.checked_add(from_now).unwrap_or(now)
    }

    /// Whether a term that ends then is this scenario's already.
    pub(super) fn fits(self, ends_at: Timestamp, now: Timestamp) -> bool {
        let left = ends_at.duration_since(now);
        let over = left <= -DAY * 30;
        match self {
            Self::Active | Self::Unlicensed => left > DAY * 60,
            Self::Expiring => left <= DAY * 60 && left > SignedDuration::ZERO,
            Self::Grace => left <= SignedDuration::ZERO && !over,
            Self::Restricted => over,
        }
    }
}

/// What the sample customer bought.
pub(super) fn terms(now: Timestamp) -> Terms {
    let limit = |limit, enforcement| Limit { limit, enforcement };
    let text = |(name, value): (&str, serde_json::Value)| (name.to_owned(), value);
    Terms {
        edition: "enterprise".to_owned(),
        support_level: "gold".to_owned(),
        starts_at: now,
        ends_at: Scenario::Active.ends_at(now, SignedDuration::ZERO),
        grace_days: GRACE_DAYS,
        trial: false,
        features: [
            ("reports", json!(true)),
            ("single-sign-on", json!(true)),
            ("projects", json!(50)),
        ]
        .map(text)
        .into(),
        limits: BTreeMap::from([
            ("users".to_owned(), limit(Some(1_000), Enforcement::Soft)),
            ("servers".to_owned(), limit(Some(8), Enforcement::Hard)),
            ("storage-gib".to_owned(), limit(None, Enforcement::Soft)),
        ]),
        lease_days: 14,
        refresh_after: 86_400,
        check_in_days: None,
        hardware_grace_hours: 72,
        slots: Purpose::ALL.map(|purpose| (purpose, 1)).into(),
        allow_override: true,
        rebind: RebindPolicy::Code,
        allow_serial_only: false,
        offline_releases_a_year: 4,
        releases_a_year: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scenario_fits_its_own_term_and_no_other() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let states = [Scenario::Active, Scenario::Expiring, Scenario::Grace, Scenario::Restricted];
        for scenario in states {
            // A restricted term runs out within its margin: it is looked at after that.
            let ends_at = scenario.ends_at(now, -SignedDuration::from_secs(1));
            for other in states {
                assert_eq!(other.fits(ends_at, now), other == scenario, "{scenario:?} {other:?}");
            }
        }
    }
}

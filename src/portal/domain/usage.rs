//! What an environment used, as far as its controller has told it: figures of the customer, bounded here and believed for what they are.

use super::Terms;
use crate::license::{LicenseClaims, ToldUsage, UsageClaims, UsagePeak};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, str::FromStr};
use uuid::Uuid;

/// By which road figures came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageRoad {
    /// A usage report that somebody uploaded: the peaks of days.
    Report,
    /// A request of the controller itself.
    Online,
    /// A request that came as a file.
    Courier,
}

impl UsageRoad {
    /// The word in listings and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Online => "online",
            Self::Courier => "courier",
        }
    }
}

impl fmt::Display for UsageRoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for UsageRoad {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Report, Self::Online, Self::Courier];
        let found = all.into_iter().find(|road| road.as_str() == text);
        found.ok_or_else(|| format!("expected report, online or courier, found {text:?}"))
    }
}

/// What an environment used, by the newest figures of it that were signed by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedUsage {
    /// The environment.
    pub environment_id: Uuid,
    /// When the figures were measured, by the controller's effective time; never later than they came here.
    pub measured_at: Timestamp,
    /// When they came here.
    pub received_at: Timestamp,
    /// By which road.
    pub road: UsageRoad,
    /// The first day of the peaks, in UTC.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// What was used when it was measured, by limit: `None` where a server was away; a report has none of it.
    pub used: BTreeMap<String, Option<u64>>,
    /// The peaks, by day and name.
    pub peaks: Vec<UsagePeak>,
}

impl ReportedUsage {
    /// What a request tells, as it is kept: of the limits that were bought alone, and of no time that has not come. So neither names nor dates
    /// of a strange agent stand anywhere, nor can they keep later figures out. None where nothing is left.
    pub fn told(
        environment_id: Uuid,
        told: &ToldUsage,
        terms: &Terms,
        road: UsageRoad,
        now: Timestamp,
    ) -> Option<Self> {
        let measured_at = told.measured_at.min(now);
        let (mut used, mut peaks) = (BTreeMap::new(), Vec::new());
        for (name, limit) in &terms.limits {
            let Some(figures) = told.limits.get(name) else { continue };
            used.insert(name.clone(), figures.used);
            let at = |at: Timestamp| at.min(measured_at);
            let current = figures.used.map(|used| (used, measured_at));
            let highest = figures.peak.map(|peak| (peak.used, at(peak.at)));
            // Of two that are as high, the one that was first.
            let Some((peak, at)) = highest.into_iter().chain(current).reduce(higher) else {
                continue;
            };
            peaks.push(UsagePeak {
                day: day_of(at),
                name: name.clone(),
                peak,
                limit: limit.limit,
                enforcement: limit.enforcement,
                at,
            });
        }
        let to = day_of(measured_at);
        let from = peaks.iter().map(|peak| peak.day).min()?;
        Some(Self { environment_id, measured_at, received_at: now, road, from, to, used, peaks })
    }

    /// What a report says that was uploaded, bounded in the same way by the license in it; both are verified.
    pub fn uploaded(claims: &UsageClaims, license: &LicenseClaims, now: Timestamp) -> Self {
        let is_sound = |peak: &&UsagePeak| {
            license.limits.contains_key(&peak.name) && peak.at <= now && peak.day <= day_of(now)
        };
        Self {
            environment_id: license.environment.id,
            measured_at: claims.iat.min(now),
            received_at: now,
            road: UsageRoad::Report,
            from: claims.from,
            to: claims.to,
            used: BTreeMap::new(),
            peaks: claims.peaks.iter().filter(is_sound).cloned().collect(),
        }
    }

    /// The peak of the newest day on which a limit was reported.
    pub fn newest_peak(&self, limit: &str) -> Option<&UsagePeak> {
        self.peaks.iter().filter(|peak| peak.name == limit).max_by_key(|peak| peak.day)
    }
}

fn higher(one: (u64, Timestamp), other: (u64, Timestamp)) -> (u64, Timestamp) {
    if other.0 > one.0 { other } else { one }
}

fn day_of(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::license::{Enforcement, Limit, ToldLimit, ToldPeak};
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn terms() -> Terms {
        let mut terms =
            Terms::new("standard", "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        for name in ["users", "servers"] {
            let limit = Limit { limit: Some(10), enforcement: Enforcement::Hard };
            terms.limits.insert(name.to_owned(), limit);
        }
        terms
    }

    fn kept(told: &ToldUsage, now: Timestamp) -> Option<ReportedUsage> {
        ReportedUsage::told(Uuid::nil(), told, &terms(), UsageRoad::Online, now)
    }

    #[test]
    fn figures_are_kept_of_what_was_bought_and_of_no_time_to_come() {
        let now = at("2026-03-02T06:00:00Z");
        let peak = |used, time: &str| Some(ToldPeak { used, at: at(time) });
        let limits = [
            (
                "users".to_owned(),
                ToldLimit { used: Some(7), peak: peak(9, "2026-03-01T12:00:00Z") },
            ),
            ("servers".to_owned(), ToldLimit { used: None, peak: peak(3, "2199-01-01T00:00:00Z") }),
            ("seats".to_owned(), ToldLimit { used: Some(1), peak: None }),
        ];
        let told = ToldUsage { measured_at: at("2199-01-01T00:00:00Z"), limits: limits.into() };
        let kept = kept(&told, now).unwrap();
        assert_eq!((kept.measured_at, kept.received_at), (now, now));
        assert_eq!(kept.used, [("users".to_owned(), Some(7)), ("servers".to_owned(), None)].into());
        let users = kept.newest_peak("users").unwrap();
        assert_eq!((users.peak, users.day.to_string()), (9, "2026-03-01".to_owned()));
        assert_eq!(kept.newest_peak("servers").unwrap().at, now);
        assert_eq!(
            (kept.from.to_string(), kept.to.to_string()),
            ("2026-03-01".to_owned(), "2026-03-02".to_owned())
        );
        assert!(kept.newest_peak("seats").is_none());
    }

    #[test]
    fn what_is_used_is_never_above_its_peak() {
        let now = at("2026-03-02T06:00:00Z");
        let figures = |peak| ToldLimit { used: Some(7), peak };
        for peak in [None, Some(ToldPeak { used: 3, at: at("2026-03-02T01:00:00Z") })] {
            let limits = [("users".to_owned(), figures(peak))].into();
            let kept = kept(&ToldUsage { measured_at: now, limits }, now).unwrap();
            assert_eq!(kept.newest_peak("users").map(|peak| (peak.peak, peak.at)), Some((7, now)));
        }
        let nothing = ToldUsage { measured_at: now, limits: BTreeMap::new() };
        assert_eq!(kept(&nothing, now), None);
    }

    proptest! {
        #[test]
        fn no_figures_of_any_agent_are_unbounded(
            names in prop::collection::vec("users|servers|[a-z]{1,9}", 0..9),
            used in any::<Option<u64>>(),
            peak in any::<u64>(),
            seconds in -60_000_000_000_i64..250_000_000_000,
        ) {
            let now = at("2026-03-02T06:00:00Z");
            let time = Timestamp::from_second(seconds).unwrap();
            let figures = ToldLimit { used, peak: Some(ToldPeak { used: peak, at: time }) };
            let limits = names.into_iter().map(|name| (name, figures)).collect();
            if let Some(kept) = kept(&ToldUsage { measured_at: time, limits }, now) {
                prop_assert!(kept.measured_at <= now && kept.used.len() <= 2 && kept.peaks.len() <= 2);
                prop_assert!(kept.from <= kept.to && kept.to <= day_of(now));
                prop_assert!(kept.peaks.iter().all(|p| p.at <= kept.measured_at && Some(p.peak) >= used));
            }
        }
    }
}

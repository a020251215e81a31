//! What is used, as the portal is told of it with a request, where the operator says so (`usage.report_to_portal`).

use super::Agent;
use crate::{
    license::{RequestKind, ToldLimit, ToldPeak, ToldUsage},
    usage::day_of,
};
use jiff::{Timestamp, ToSpan, civil::Date};
use std::collections::BTreeMap;

/// Days before today whose peaks are told at the most, however long ago the last answer was.
const MOST_DAYS: i64 = 30;

impl Agent {
    /// The figures of the license's limits, for a request of that kind. None where the operator has not said that the portal may
    /// know, where there are none, and in a release: the portal keeps nothing of what is given back.
    pub(super) fn told_usage(&mut self, kind: RequestKind) -> Option<ToldUsage> {
        if !self.parts.reports_usage || kind == RequestKind::Release {
            return None;
        }
        let license = self.holdings.license.as_ref()?;
        let names: Vec<String> = license.claims().limits.keys().cloned().collect();
        let (uptime, now) = (self.uptime(), self.now());
        let mut totals = self.usage.totals(uptime);
        let figures = self.usage.figures(uptime, self.parts.members.as_ref());
        // A sum without some servers is no sum.
        if figures.away > 0 || !figures.settled {
            totals.clear();
        }
        let peaks = self.told_peaks(now);
        let told = names.into_iter().filter_map(|name| {
            let (used, peak) = (totals.get(&name).copied(), peaks.get(&name).copied());
            (used.is_some() || peak.is_some()).then_some((name, ToldLimit { used, peak }))
        });
        let limits: BTreeMap<_, _> = told.take(ToldUsage::MOST_LIMITS).collect();
        (!limits.is_empty()).then_some(ToldUsage { measured_at: now, limits })
    }

    /// The highest use of each limit since the day of the last answer: whatever was told by then is known.
    fn told_peaks(&mut self, now: Timestamp) -> BTreeMap<String, ToldPeak> {
        let today = day_of(now);
        let contact = self.parts.keeper.state().last_contact;
        let first = since(contact.map_or(today, day_of), today);
        let days = self.known_peaks(first, today).unwrap_or_else(|problem| {
            tracing::warn!(detail = %problem.detail, "the portal is told no peaks of usage");
            Vec::new()
        });
        let mut peaks = BTreeMap::<String, ToldPeak>::new();
        for day in days {
            let peak = ToldPeak { used: day.peak, at: day.at };
            let held = peaks.entry(day.name).or_insert(peak);
            if peak.used > held.used {
                *held = peak;
            }
        }
        peaks
    }
}

/// The first day whose peaks are told, where the last answer came on that day.
fn since(contact: Date, today: Date) -> Date {
    let earliest = today.checked_sub(MOST_DAYS.days()).unwrap_or(Date::MIN);
    contact.clamp(earliest, today)
}

//! The highest use of each day: what is left of usage after it.

use crate::{entitlement::LimitStatus, license::Enforcement};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Days of which peaks are kept.
pub const DAYS_KEPT: u32 = 400;

/// The highest use of a limit on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DayPeak {
    /// The day, in UTC.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// The limit's name.
    pub name: String,
    /// The highest use.
    pub peak: u64,
    /// When it was first reached, by effective time.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The limit then; `null` for unlimited.
    pub limit: Option<u64>,
    /// What happened at the limit then.
    pub enforcement: Enforcement,
}

/// The peaks of the current day, and those that are to be stored.
#[derive(Debug, Clone, Default)]
pub struct Peaks {
    today: BTreeMap<String, DayPeak>,
    /// By day and name, so that a disk that takes nothing for a week costs no day.
    unstored: BTreeMap<(Date, String), DayPeak>,
}

/// Unstored peaks that are kept for a disk that takes nothing.
const MOST_UNSTORED: usize = 10_000;

impl Peaks {
    /// Goes on from what is stored.
    pub fn restored(stored: impl IntoIterator<Item = DayPeak>) -> Self {
        let mut today = BTreeMap::<String, DayPeak>::new();
        for peak in stored {
            let newest = today.get(&peak.name).is_none_or(|held| held.day <= peak.day);
            if newest {
                today.insert(peak.name.clone(), peak);
            }
        }
        Self { today, unstored: BTreeMap::new() }
    }

    /// Takes note of what is used at `now`.
    pub fn see(&mut self, limits: &BTreeMap<String, LimitStatus>, now: Timestamp) {
        let day = day_of(now);
        for (name, status) in limits {
            let Some(used) = status.used else { continue };
            let held = self.today.get(name).filter(|held| held.day == day);
            if held.is_some_and(|held| held.peak >= used) {
                continue;
            }
            let LimitStatus { limit, enforcement, .. } = *status;
            let (name, at) = (name.clone(), now);
            let peak = DayPeak { day, name, peak: used, at, limit, enforcement };
            if self.unstored.len() < MOST_UNSTORED {
                self.unstored.insert((day, peak.name.clone()), peak.clone());
            }
            self.today.insert(peak.name.clone(), peak);
        }
    }

    /// Today's peak of a limit.
    pub fn of(&self, limit: &str, now: Timestamp) -> Option<&DayPeak> {
        let day = day_of(now);
        self.today.get(limit).filter(|peak| peak.day == day)
    }

    /// What is to be stored.
    pub fn unstored(&self) -> Vec<DayPeak> {
        self.unstored.values().cloned().collect()
    }

    /// Whether nothing is to be stored.
    pub fn is_stored(&self) -> bool {
        self.unstored.is_empty()
    }

    /// Whether a day that is over is among it.
    pub fn has_past(&self, now: Timestamp) -> bool {
        let day = day_of(now);
        self.unstored.keys().any(|(of, _)| *of != day)
    }

    /// It is stored.
    pub fn stored(&mut self) {
        self.unstored.clear();
    }
}

/// The day of a time, in UTC.
pub(crate) fn day_of(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

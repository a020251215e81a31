//! What is left of a day.

use crate::{
    entitlement::{LimitStatus, limit_status},
    license::{Enforcement, Limit},
    usage::Peaks,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn used(used: Option<u64>) -> BTreeMap<String, LimitStatus> {
    let limit = Limit { limit: Some(100), enforcement: Enforcement::Soft };
    BTreeMap::from([("users".to_owned(), limit_status(limit, used))])
}

#[test]
fn the_highest_of_each_day_is_kept_and_stored_once() {
    let mut peaks = Peaks::default();
    peaks.see(&used(None), at("2026-11-24T10:00:00Z"));
    assert!(peaks.is_stored());
    for (time, value) in [("10:00", 5), ("11:00", 9), ("12:00", 7), ("13:00", 9)] {
        peaks.see(&used(Some(value)), at(&format!("2026-11-24T{time}:00Z")));
    }
    let now = at("2026-11-24T23:59:59Z");
    let peak = peaks.of("users", now).unwrap().clone();
    assert_eq!((peak.peak, peak.at, peak.limit), (9, at("2026-11-24T11:00:00Z"), Some(100)));
    assert_eq!(peaks.unstored(), std::slice::from_ref(&peak));
    assert!(!peaks.has_past(now));
    // A disk that takes nothing over midnight costs no day.
    let next = at("2026-11-25T00:00:00Z");
    assert!(peaks.has_past(next) && peaks.of("users", next).is_none());
    peaks.see(&used(Some(0)), next);
    let days: Vec<_> =
        peaks.unstored().iter().map(|peak| (peak.day.to_string(), peak.peak)).collect();
    assert_eq!(days, [("2026-11-24".to_owned(), 9), ("2026-11-25".to_owned(), 0)]);
    peaks.stored();
    peaks.see(&used(Some(0)), next);
    assert!(peaks.is_stored());
    // A restart goes on from what is stored.
    let mut restored = Peaks::restored([peak]);
    restored.see(&used(Some(8)), now);
    assert!(restored.is_stored());
    restored.see(&used(Some(10)), now);
    assert_eq!(restored.unstored()[0].peak, 10);
}

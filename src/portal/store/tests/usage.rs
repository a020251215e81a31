//! What environments use: the newest figures of each, by whatever road.

use super::{Kind, add, at, environment, event, on_both, read, store, subscription};
use crate::{
    license::{Enforcement, UsagePeak},
    portal::{
        domain::{ReportedUsage, UsageRoad},
        store::{Change, Store, StoreError, UsageOf},
    },
};
use jiff::Timestamp;
use uuid::Uuid;

on_both! {
    the_newest_figures_are_kept_by_whatever_road,
    figures_are_found_by_subscription_and_by_environment,
    all_figures_are_read_a_page_at_a_time,
    refused_figures_change_nothing,
}

fn peak(day: &str, name: &str, peak: u64, limit: Option<u64>) -> UsagePeak {
    let (day, at) = (day.parse().unwrap(), at(&format!("{day}T12:00:00Z")));
    let enforcement = Enforcement::Hard;
    UsagePeak { day, name: name.to_owned(), peak, limit, enforcement, at }
}

/// Uploaded on 2 March.
fn report(environment: u8) -> ReportedUsage {
    ReportedUsage {
        environment_id: Uuid::from_u128(u128::from(environment) + 1_000),
        measured_at: at("2026-03-01T00:00:00Z"),
        received_at: at("2026-03-02T00:00:00Z"),
        road: UsageRoad::Report,
        from: "2026-02-01".parse().unwrap(),
        to: "2026-03-01".parse().unwrap(),
        used: [].into(),
        peaks: vec![
            peak("2026-02-27", "users", u64::MAX, None),
            peak("2026-02-28", "100% _ \\ ' \" $1 ?1", 0, Some(u64::MAX)),
        ],
    }
}

/// Told with a request.
fn told(environment: u8, measured_at: Timestamp) -> ReportedUsage {
    ReportedUsage {
        measured_at,
        road: UsageRoad::Online,
        used: [("users".to_owned(), Some(u64::MAX)), ("seats".to_owned(), None)].into(),
        peaks: vec![peak("2026-03-01", "users", u64::MAX, Some(5))],
        ..report(environment)
    }
}

/// A store with three environments, the first two of one subscription.
fn sold(store: &Store) {
    for n in 1..=2 {
        add(store, subscription(n)).unwrap();
    }
    let environments = [(1, 1), (1, 2), (2, 3)].map(|(of, n)| environment(&subscription(of), n));
    let put = move |c: &Change<'_>| environments.iter().try_for_each(|e| c.put_environment(e));
    store.write::<_, StoreError>(put).unwrap();
}

fn put(store: &Store, usage: &ReportedUsage) -> Result<(), StoreError> {
    let usage = usage.clone();
    store.write(move |change| change.put_usage(&usage))
}

fn kept(store: &Store, environment: u8) -> Option<ReportedUsage> {
    read(store, |view| view.usage_of(report(environment).environment_id))
}

fn the_newest_figures_are_kept_by_whatever_road(kind: Kind) {
    let (_folder, store) = store(kind);
    sold(&store);
    assert_eq!(kept(&store, 1), None);
    put(&store, &report(1)).unwrap();
    assert_eq!(kept(&store, 1), Some(report(1)), "as they are, the largest numbers too");

    let newer = told(1, at("2026-03-01T00:00:01Z"));
    put(&store, &newer).unwrap();
    assert_eq!(kept(&store, 1), Some(newer.clone()));
    let older = told(1, at("2026-02-28T00:00:00Z"));
    put(&store, &report(1)).unwrap();
    put(&store, &older).unwrap();
    assert_eq!(kept(&store, 1), Some(newer.clone()), "older ones change nothing, and do no harm");
    // Of one second, the last that came.
    let again = ReportedUsage { road: UsageRoad::Courier, used: [].into(), ..newer };
    put(&store, &again).unwrap();
    assert_eq!(kept(&store, 1), Some(again));
}

fn figures_are_found_by_subscription_and_by_environment(kind: Kind) {
    let (_folder, store) = store(kind);
    sold(&store);
    let of = |n: u8| read(&store, |view| view.reported_usage(subscription(n).id));
    assert!(of(1).is_empty());
    for n in [3, 2, 1] {
        put(&store, &told(n, at("2026-03-01T00:00:00Z"))).unwrap();
    }
    let ids = |found: Vec<ReportedUsage>| -> Vec<_> {
        found.into_iter().map(|usage| usage.environment_id.as_u128()).collect()
    };
    assert_eq!((ids(of(1)), ids(of(2)), ids(of(3))), (vec![1_001, 1_002], vec![1_003], vec![]));
    assert_eq!(kept(&store, 4), None);
}

fn all_figures_are_read_a_page_at_a_time(kind: Kind) {
    let (_folder, store) = store(kind);
    sold(&store);
    for n in [1, 3] {
        put(&store, &told(n, at("2026-03-01T00:00:00Z"))).unwrap();
    }
    let page = |before, most| read(&store, |view| view.usage_page(before, most));
    let ids = |found: &[UsageOf]| -> Vec<_> {
        found.iter().map(|of| of.usage.environment_id.as_u128()).collect()
    };
    let all = page(None, 9);
    assert_eq!(ids(&all), [1_003, 1_001], "the newest first, and none that has told nothing");
    let UsageOf { subscription_id, name, purpose, usage } = &all[0];
    let expected = environment(&subscription(2), 3);
    assert_eq!((*subscription_id, name), (expected.subscription_id, &expected.name));
    assert_eq!((*purpose, usage), (expected.purpose, &told(3, at("2026-03-01T00:00:00Z"))));
    let first = page(None, 1);
    assert_eq!(ids(&first), [1_003]);
    assert_eq!(ids(&page(Some(first[0].usage.environment_id), 9)), [1_001]);
    assert!(page(Some(Uuid::from_u128(1_001)), 9).is_empty());
}

fn refused_figures_change_nothing(kind: Kind) {
    let (_folder, store) = store(kind);
    sold(&store);
    put(&store, &report(1)).unwrap();
    let nobody = ReportedUsage { environment_id: Uuid::from_u128(9), ..report(1) };
    assert!(put(&store, &nobody).is_err(), "there is no such environment");
    let newer = told(1, at("2026-03-02T00:00:00Z"));
    let undone = store.write(move |change| {
        change.put_usage(&newer)?;
        change.audit_event(&event("told"))?;
        Err::<(), _>(StoreError::Undone)
    });
    assert!(undone.is_err());
    assert_eq!(kept(&store, 1), Some(report(1)));
}

//! The sample vendor has what it is made for.

use super::{PRODUCT, make};
use crate::portal::{Options, Portal, PortalError, store::Census};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeSet, sync::Arc};

struct Made {
    _folder: tempfile::TempDir,
    portal: Portal,
    codes: usize,
}

fn made(seed: u64) -> Made {
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("portal");
    let sample = make(&directory, seed, now).unwrap();
    let clock = Arc::new(move || now);
    let portal = Portal::open(&directory, Options::default(), clock).unwrap();
    assert_eq!(portal.keys().product(), PRODUCT);
    Made { _folder: folder, portal, codes: sample.codes.len() }
}

#[test]
fn a_year_of_forty_customers_is_made_the_same_for_the_same_seed() {
    let made = made(7);
    let subscriptions = made.portal.subscriptions().unwrap();
    assert_eq!(subscriptions.len(), 40);
    assert_eq!(made.codes, 3);
    let now = made.portal.now();
    let ended = subscriptions.iter().filter(|sold| sold.terms.ends_at < now).count();
    let trials = subscriptions.iter().filter(|sold| sold.terms.trial).count();
    assert_eq!((ended, trials), (5, 4));
    let store = made.portal.store();
    let counted: Census = store.read(|view| Ok::<_, PortalError>(view.census()?)).unwrap();
    let standings: Vec<_> = counted.subscriptions.into_iter().collect();
    assert_eq!(standings, [("active", 38), ("revoked", 1), ("suspended", 1)]);
    assert_eq!(counted.environments.len(), 4, "every purpose: {:?}", counted.environments);

    let entries = made.portal.audit(None, 10_000).unwrap();
    let events: BTreeSet<_> = entries.iter().map(|entry| entry.event.as_str()).collect();
    for event in [
        "environment-activated",
        "license-issued",
        "chain-forked",
        "rebind-asked",
        "environment-released",
        "subscription-changed",
        "operator-added",
        "subscription-renewed",
        "release-asked",
        "trials-offered",
    ] {
        assert!(events.contains(event), "no {event} in {events:?}");
    }
    let oldest = entries.iter().map(|entry| entry.at).min().unwrap();
    assert!(now.duration_since(oldest) > SignedDuration::from_hours(24 * 350), "{oldest}");
    assert!(entries.iter().all(|entry| entry.at <= now), "nothing happens in the future");
    assert_eq!(made.portal.pending_rebinds().unwrap().len(), 1);
    assert_eq!(made.portal.waiting_releases(None).unwrap().len(), 1);
    assert!(made.portal.trial_terms().unwrap().is_some(), "visitors are offered one");

    let forty = made.portal.subscriptions().unwrap().into_iter();
    let (mut told, mut silent) = (0, 0);
    for sold in forty {
        let limits = made.portal.usage(sold.id).unwrap().limits;
        let figures = limits.iter().flat_map(|limit| &limit.environments);
        let mut figures = figures.peekable();
        if figures.peek().is_some() {
            told += 1;
        } else {
            silent += 1;
        }
        assert!(figures.all(|told| told.used.is_some() && told.measured_at <= now));
    }
    assert!(told >= 20 && silent >= 10, "{told} tell, {silent} do not");

    let other = self::made(7);
    let names = |portal: &Portal| -> Vec<_> {
        let all = portal.subscriptions().unwrap().into_iter();
        all.map(|sold| (sold.customer, sold.terms)).collect()
    };
    assert_eq!(names(&made.portal), names(&other.portal));
    assert_ne!(names(&made.portal), names(&self::made(8).portal));
}

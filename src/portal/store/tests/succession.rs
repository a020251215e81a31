//! Keys, codes, rebinds, evidence and off-line releases come back as they were stored.

use super::{Kind, Place, add, at, environment, on_both, read, store, subscription, write};
use crate::{
    license::{EvidenceDigest, KeyPair, Purpose, RebindCode, RequestId, Retirement},
    portal::{
        domain::{Environment, PendingRebind, StoredCode, facts},
        store::{Change, RetiredKey, Store},
    },
};
use jiff::SignedDuration;
use std::slice::from_ref;
use uuid::Uuid;

on_both! {
    a_retired_key_is_found_in_its_environment_and_without_one,
    an_environment_has_one_code_and_loses_it_with_its_key,
    few_rebinds_wait_and_an_approved_one_is_not_pushed_out,
    environments_are_found_by_any_fact_that_they_share,
    a_slot_that_is_held_counts_until_its_license_ends,
    a_serial_number_is_one_environments_at_a_time,
    off_line_releases_are_counted_from_a_time_on,
}

fn with_environment(kind: Kind) -> (Place, Store, Environment) {
    let (folder, store) = store(kind);
    let sold = subscription(1);
    add(&store, sold.clone()).unwrap();
    let one = environment(&sold, 1);
    put(&store, &one);
    (folder, store, one)
}

fn put(store: &Store, environment: &Environment) {
    let environment = environment.clone();
    write(store, move |change| change.put_environment(&environment));
}

fn a_retired_key_is_found_in_its_environment_and_without_one(kind: Kind) {
    let (_folder, store, one) = with_environment(kind);
    let key = one.key.unwrap();
    let at = at("2026-02-03T00:00:00Z");
    let retired = RetiredKey { environment_id: one.id, key, by: Retirement::Move, at };
    let stored = retired.clone();
    write(&store, move |c| c.retire_key(&stored));
    let find = |environment| read(&store, |v| v.retired_key(&key.thumbprint(), environment));
    assert_eq!(find(None), Some(retired.clone()));
    assert_eq!(find(Some(one.id)), Some(retired));
    assert_eq!(find(Some(Uuid::nil())), None);
    let other = KeyPair::from_seed(&[9; 32]).thumbprint();
    assert_eq!(read(&store, |v| v.retired_key(&other, None)), None);
}

fn an_environment_has_one_code_and_loses_it_with_its_key(kind: Kind) {
    let (_folder, store, one) = with_environment(kind);
    let code = |left| StoredCode {
        verifier: RebindCode::random().unwrap().verifier(),
        expires_at: at("2026-02-02T00:00:00Z"),
        attempts_left: left,
    };
    let (first, second) = (code(5), code(4));
    for code in [&first, &second] {
        let code = code.clone();
        write(&store, move |c| c.put_rebind_code(one.id, &code));
    }
    assert_eq!(read(&store, |v| v.rebind_code(one.id)), Some(second));
    write(&store, move |c| c.forget_rebinds(one.id));
    assert_eq!(read(&store, |v| v.rebind_code(one.id)), None);
}

fn few_rebinds_wait_and_an_approved_one_is_not_pushed_out(kind: Kind) {
    let (_folder, store, one) = with_environment(kind);
    let asked = |n: u8, approved| PendingRebind {
        environment_id: one.id,
        key: KeyPair::from_seed(&[n; 32]).thumbprint(),
        asked_at: at("2026-02-01T00:00:00Z") + SignedDuration::from_mins(n.into()),
        machine: "kvm".to_owned(),
        approved_at: approved,
    };
    let approved = asked(1, Some(at("2026-02-02T00:00:00Z")));
    let first = approved.clone();
    write(&store, move |c| c.put_pending_rebind(&first));
    for n in 2..20 {
        let next = asked(n, None);
        write(&store, move |c| c.put_pending_rebind(&next));
    }
    let waiting = read(&store, |v| v.pending_rebinds(Some(one.id)));
    assert_eq!(waiting.len(), 8);
    assert_eq!((&waiting[0], &waiting[7]), (&approved, &asked(19, None)));
    assert_eq!(read(&store, |v| v.pending_rebinds(None)), waiting);
    write(&store, move |c| c.forget_rebinds(one.id));
    assert_eq!(read(&store, |v| v.pending_rebinds(Some(one.id))), []);
}

fn environments_are_found_by_any_fact_that_they_share(kind: Kind) {
    let (_folder, store, one) = with_environment(kind);
    let fact = |source: &str, n: u8| EvidenceDigest {
        group: String::new(),
        source: source.to_owned(),
        digest: format!("{n:032x}"),
        weight: 25,
    };
    let known = facts(&[fact("board-serial", 1), fact("permanent-mac", 2), fact("smbios-uuid", 4)]);
    for _ in 0..2 {
        let known = known.clone();
        write(&store, move |c| c.put_evidence(one.id, &known));
    }
    assert_eq!(read(&store, |v| v.evidence(one.id)), known);
    let find =
        |facts: &[_]| read(&store, |v| v.environments_by_evidence(one.subscription_id, facts));
    assert_eq!(find(&known), from_ref(&one), "once, however many facts agree");
    assert_eq!(find(&facts(&[fact("permanent-mac", 2), fact("disk-wwid", 9)])), from_ref(&one));
    assert_eq!(find(&facts(&[fact("permanent-mac", 3)])), []);
    assert_eq!(read(&store, |v| v.environments_by_evidence(Uuid::nil(), &known)), []);
    let released = Environment { released_at: Some(at("2026-03-01T00:00:00Z")), ..one };
    put(&store, &released);
    assert_eq!(find(&known), []);
}

fn a_slot_that_is_held_counts_until_its_license_ends(kind: Kind) {
    let (_folder, store, one) = with_environment(kind);
    let (released_at, until) = (at("2026-03-01T00:00:00Z"), at("2026-05-01T00:00:00Z"));
    let held = Environment {
        key: None,
        released_at: Some(released_at),
        slot_held_until: Some(until),
        ..one
    };
    put(&store, &held);
    assert_eq!(read(&store, |v| v.environment(held.id)), Some(held.clone()));
    let used =
        |now| read(&store, |v| v.slots_in_use(held.subscription_id, Purpose::Production, now));
    assert_eq!((used(released_at), used(until)), (1, 0));
}

fn a_serial_number_is_one_environments_at_a_time(kind: Kind) {
    let (_folder, store, one) = with_environment(kind);
    let id = Uuid::from_u128(7);
    let again = Environment { id, ..one.clone() };
    let twice = again.clone();
    let refused = store.write(move |c: &Change<'_>| c.put_environment(&twice));
    assert_eq!(refused.unwrap_err().code(), "store-failed");
    let released = Environment { released_at: Some(at("2026-03-01T00:00:00Z")), ..one };
    put(&store, &released);
    put(&store, &again);
    let find =
        |serial| read(&store, |v| v.environments_by_serial(again.subscription_id, &[serial]));
    assert_eq!(find(again.serial_number), from_ref(&again), "the one that has its slot");
    let other = environment(&subscription(1), 9).serial_number;
    put(&store, &Environment { serial_number: other, ..again.clone() });
    assert_eq!(find(again.serial_number), [released]);
}

fn off_line_releases_are_counted_from_a_time_on(kind: Kind) {
    let (_folder, store, one) = with_environment(kind);
    let times = [at("2026-01-01T00:00:00Z"), at("2026-06-01T00:00:00Z")];
    for time in times {
        write(&store, move |c| c.add_offline_release(one.subscription_id, one.id, time));
    }
    let since = |time| read(&store, |v| v.offline_releases(one.subscription_id, time));
    assert_eq!(since(at("2025-01-01T00:00:00Z")), times);
    assert_eq!(since(times[0]), times[1..]);
    assert_eq!(read(&store, |v| v.offline_releases(Uuid::nil(), times[0])), []);
    assert_eq!(read(&store, |v| v.request_text(one.id, RequestId(Uuid::nil()))), None);
}

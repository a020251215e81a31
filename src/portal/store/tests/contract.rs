//! What is stored comes back, and what is refused was never there.

use super::{
    Kind, NOW, add, all_sold, at, environment, event, on_both, read, store, subscription, write,
};
use crate::{
    license::{KeyPair, Purpose, RequestId, Sequence},
    portal::{
        domain::{CurrentDocument, Environment, Revision, Standing},
        store::{AnsweredRequest, Change, Store, StoreError},
    },
};
use std::sync::{
    Arc, Barrier,
    atomic::{AtomicUsize, Ordering},
};
use uuid::Uuid;

on_both! {
    a_subscription_comes_back_as_it_was,
    an_environment_comes_back_as_it_was,
    a_change_is_stored_with_its_audit_entry_or_not_at_all,
    a_request_is_found_by_its_signer_and_its_id,
    an_environment_that_was_heard_of_is_stored_with_whatever_else_has_changed,
    a_fault_that_the_server_tells_late_is_told_to_its_own_change_alone,
    slots_hold_however_many_ask_at_once,
}

fn a_subscription_comes_back_as_it_was(kind: Kind) {
    let (_folder, store) = store(kind);
    let mut sold = subscription(1);
    sold.terms.features.insert("sso".to_owned(), serde_json::json!(true));
    add(&store, sold.clone()).unwrap();
    assert_eq!(read(&store, |v| v.subscription(sold.id)), Some(sold.clone()));
    let by_code = read(&store, |v| v.subscription_by_activation(sold.activation_code.id()));
    assert_eq!(by_code, Some(sold.clone()));

    sold.standing = Standing::Revoked { at: at("2026-03-01T00:00:00Z"), reason: "x".into() };
    sold.revision = Revision(2);
    let changed = sold.clone();
    store.write(move |c: &Change<'_>| c.update_subscription(&changed)).unwrap();
    assert_eq!(all_sold(&store), [sold]);
    assert_eq!(read(&store, |v| v.subscription(Uuid::nil())), None);
}

fn an_environment_comes_back_as_it_was(kind: Kind) {
    let (_folder, store) = store(kind);
    let sold = subscription(1);
    add(&store, sold.clone()).unwrap();
    let mut one = environment(&sold, 1);
    let put = one.clone();
    store.write(move |c: &Change<'_>| c.put_environment(&put)).unwrap();
    assert_eq!(read(&store, |v| v.environment(one.id)), Some(one.clone()));
    assert_eq!(read(&store, |v| v.slots_in_use(sold.id, Purpose::Production, NOW)), 1);

    one.current = Some(CurrentDocument::Revocation("text".to_owned()));
    one.sequence = Sequence(7);
    one.released_at = Some(at("2026-04-01T00:00:00Z"));
    let put = one.clone();
    store.write(move |c: &Change<'_>| c.put_environment(&put)).unwrap();
    assert_eq!(read(&store, |v| v.environments(Some(sold.id))), [one.clone()]);
    assert_eq!(read(&store, |v| v.slots_in_use(sold.id, Purpose::Production, NOW)), 0);

    let serials = [environment(&sold, 2).serial_number, one.serial_number];
    assert_eq!(read(&store, |v| v.environments_by_serial(sold.id, &serials)), [one.clone()]);
    let key = one.key.unwrap().thumbprint();
    let by_key = |key| read(&store, |v| v.environment_by_key(one.serial_number, key));
    assert_eq!(by_key(&key), Some(one.clone()));
    assert_eq!(by_key(&KeyPair::from_seed(&[99; 32]).thumbprint()), None);
}

fn a_change_is_stored_with_its_audit_entry_or_not_at_all(kind: Kind) {
    let (_folder, store) = store(kind);
    let (kept, undone) = (subscription(1), subscription(2));
    store
        .write(move |c: &Change<'_>| {
            c.add_subscription(&kept)?;
            c.audit_event(&event("kept"))
        })
        .unwrap();
    let refused = store.write(move |c: &Change<'_>| {
        c.add_subscription(&undone)?;
        c.audit_event(&event("undone"))?;
        Err::<(), _>(StoreError::Undone)
    });
    assert!(matches!(refused, Err(StoreError::Undone)));
    assert_eq!(all_sold(&store).len(), 1);
    let events: Vec<String> =
        read(&store, |v| v.audit(None, 9)).into_iter().map(|e| e.event).collect();
    assert_eq!(events, ["kept"]);
}

/// A request that was answered, of the first environment of a subscription.
fn answered(store: &Store) -> AnsweredRequest {
    let sold = subscription(1);
    add(store, sold.clone()).unwrap();
    let one = environment(&sold, 1);
    let request = AnsweredRequest {
        id: RequestId(Uuid::from_u128(5)),
        key: one.key.unwrap().thumbprint(),
        kind: "refresh",
        environment_id: one.id,
        received_at: at("2026-02-01T00:00:00Z"),
        request: "question".to_owned(),
        answer: "answer".to_owned(),
    };
    let stored = request.clone();
    write(store, move |c| {
        c.put_environment(&one)?;
        c.add_request(&stored)
    });
    request
}

fn a_request_is_found_by_its_signer_and_its_id(kind: Kind) {
    let (_folder, store) = store(kind);
    let request = answered(&store);
    let found = read(&store, |v| v.answered(&request.key, request.id));
    assert_eq!(found, Some(("question".to_owned(), "answer".to_owned())));
    assert!(read(&store, |v| v.has_answered(request.environment_id, request.id)));
    let other = KeyPair::from_seed(&[9; 32]).thumbprint();
    assert_eq!(read(&store, |v| v.answered(&other, request.id)), None);
    let next = RequestId(Uuid::from_u128(6));
    let after = |key, id, environment, previous| {
        read(&store, |v| v.answered_after(key, id, environment, previous))
    };
    let of = request.environment_id;
    assert_eq!(after(&request.key, next, of, request.id), (None, true));
    assert_eq!(after(&request.key, next, Uuid::nil(), request.id), (None, false));
    assert_eq!(after(&request.key, next, of, next), (None, false));
    let answered = Some(("question".to_owned(), "answer".to_owned()));
    assert_eq!(after(&request.key, request.id, of, request.id), (answered, true));
    assert_eq!(after(&other, request.id, of, next), (None, false));
    let again = request.clone();
    let twice = store.write(move |c: &Change<'_>| c.add_request(&again));
    assert_eq!(twice.unwrap_err().code(), "store-failed");
}

fn an_environment_that_was_heard_of_is_stored_with_whatever_else_has_changed(kind: Kind) {
    let (_folder, store) = store(kind);
    let sold = subscription(1);
    add(&store, sold.clone()).unwrap();
    let first = environment(&sold, 1);
    let put = first.clone();
    store.write(move |c: &Change<'_>| c.put_environment(&put)).unwrap();
    let heard = Environment { seen_at: at("2026-05-01T00:00:00Z"), ..first.clone() };
    let released = Environment { released_at: Some(heard.seen_at), ..heard.clone() };
    let renamed = Environment { name: "Other site".to_owned(), ..released.clone() };
    let mut stored = first;
    for put in [heard, released, renamed] {
        let (new, old) = (put.clone(), stored);
        store.write(move |c: &Change<'_>| c.put_environment_heard(&new, &old)).unwrap();
        let found = read(&store, |v| v.environment_with_subscription(put.id));
        assert_eq!(found, Some((put.clone(), sold.clone())));
        stored = put;
    }
    assert_eq!(read(&store, |v| v.environment_with_subscription(Uuid::nil())), None);
}

fn a_fault_that_the_server_tells_late_is_told_to_its_own_change_alone(kind: Kind) {
    let (_folder, store) = store(kind);
    let known = answered(&store);
    let (store, start) = (Arc::new(store), Arc::new(Barrier::new(30)));
    let threads: Vec<_> = (0..30)
        .map(|n| {
            let (store, start, known) = (store.clone(), start.clone(), known.clone());
            std::thread::spawn(move || {
                start.wait();
                let told = store.write(move |c: &Change<'_>| {
                    c.audit_event(&event("asked"))?;
                    // The last word of its change, so that nothing after it hears of the fault.
                    if n % 3 == 0 { c.add_request(&known) } else { Ok(()) }
                });
                assert_eq!(told.is_err(), n % 3 == 0, "{told:?}");
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(read(&store, |v| v.audit(None, 99)).len(), 20);
}

/// Takes a slot if one is free, as an activation does.
fn take_slot(store: &Store, n: u8, total: u32) -> bool {
    let sold = subscription(1);
    let new = environment(&sold, n);
    store
        .write(move |c: &Change<'_>| {
            let free = c.slots_in_use(sold.id, Purpose::Production, NOW)? < total;
            if free {
                c.put_environment(&new)?;
            }
            Ok::<_, StoreError>(free)
        })
        .unwrap()
}

fn slots_hold_however_many_ask_at_once(kind: Kind) {
    let (place, one) = store(kind);
    add(&one, subscription(1)).unwrap();
    // Another process, such as a command beside `serve`.
    let other = place.store(kind.writer);
    let (stores, taken) = (Arc::new([one, other]), Arc::new(AtomicUsize::new(0)));
    let start = Arc::new(Barrier::new(40));
    let threads: Vec<_> = (0..40)
        .map(|n| {
            let (stores, taken, start) = (stores.clone(), taken.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                if take_slot(&stores[usize::from(n % 2)], n, 7) {
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(taken.load(Ordering::Relaxed), 7, "{kind:?}");
    let used = read(&stores[0], |v| v.slots_in_use(Uuid::from_u128(1), Purpose::Production, NOW));
    assert_eq!(used, 7);
}

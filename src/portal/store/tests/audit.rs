//! The audit is only added to, and whoever goes past that leaves a trace.

use super::{Kind, add, environment, event, on_both, store, subscription};
use crate::portal::store::{AuditFault, AuditFilter, AuditTampering, Change, Store, StoreError};

on_both! {
    entries_make_one_chain_whoever_adds_them,
    an_entry_that_was_changed_is_named,
    an_entry_that_was_removed_or_put_in_is_named,
    a_head_that_was_noted_is_found_while_the_chain_goes_on,
    the_database_refuses_to_change_an_entry,
    a_column_that_a_newer_portal_adds_disturbs_no_reader,
}

/// What lets somebody with all rights change entries.
pub(super) fn unlocked(kind: Kind, sql: &str) -> String {
    if kind.on_server {
        return format!("ALTER TABLE audit DISABLE TRIGGER ALL; {sql}");
    }
    format!("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted; {sql}")
}

/// Eleven entries, the first of them about an environment.
fn fill(store: &Store) {
    let sold = subscription(1);
    add(store, sold.clone()).unwrap();
    store
        .write(move |c: &Change<'_>| {
            let one = environment(&sold, 1);
            c.put_environment(&one)?;
            let mut first = event("sold");
            first.subscription_id = Some(sold.id);
            first.environment_id = Some(one.id);
            c.audit_event(&first)
        })
        .unwrap();
    for n in 0..10 {
        store.write(move |c: &Change<'_>| c.audit_event(&event(&format!("event {n}")))).unwrap();
    }
}

fn entries_make_one_chain_whoever_adds_them(kind: Kind) {
    let (place, one) = store(kind);
    let other = place.store(kind.writer);
    let nothing = one.check_audit(None).unwrap();
    assert_eq!((nothing.entries, nothing.head.len(), nothing.fault), (0, 64, None));
    std::thread::scope(|scope| {
        for store in [&one, &other, &one, &other] {
            scope.spawn(move || {
                for n in 0..25 {
                    let told = store.write(move |c: &Change<'_>| {
                        c.audit_event(&event("first"))?;
                        c.audit_event(&event("second"))?;
                        if n % 5 == 0 { Err(StoreError::Undone) } else { Ok(()) }
                    });
                    assert_eq!(told.is_ok(), n % 5 != 0, "{told:?}");
                }
            });
        }
    });
    let check = one.check_audit(None).unwrap();
    assert_eq!((check.entries, check.fault), (160, None));
    let entries = one.read(|v| v.audit(None, 1_000)).unwrap();
    assert!(entries.iter().map(|entry| entry.id).eq(1..=160));
    assert_eq!(entries[159].hash, check.head);
}

fn an_entry_that_was_changed_is_named(kind: Kind) {
    for change in [
        "at = at + 1",
        "actor = 'nobody'",
        "event = 'other'",
        "subscription_id = NULL",
        "environment_id = NULL",
        "detail = '{ }'",
        "hash = '00'",
    ] {
        let (place, store) = store(kind);
        fill(&store);
        place.tamper(&unlocked(kind, &format!("UPDATE audit SET {change} WHERE id = 1")));
        let fault = store.check_audit(None).unwrap().fault;
        let found = AuditTampering::ChangedOrPutIn;
        assert_eq!(fault, Some(AuditFault { id: 1, found }), "{change}");
    }
}

fn an_entry_that_was_removed_or_put_in_is_named(kind: Kind) {
    let (changed, removed) = (AuditTampering::ChangedOrPutIn, AuditTampering::Removed);
    for (sql, id, found) in [
        ("DELETE FROM audit WHERE id = 5", 6, removed),
        ("DELETE FROM audit WHERE id <= 3", 4, removed),
        ("UPDATE audit SET id = 0 WHERE id = 1", 0, removed),
        (
            "INSERT INTO audit (id, at, actor, event, detail, hash) VALUES (12, 0, 'a', 'b', '{}', 'c')",
            12,
            changed,
        ),
        ("DELETE FROM audit WHERE id = 7; UPDATE audit SET id = id - 1 WHERE id = 8", 7, changed),
    ] {
        let (place, store) = store(kind);
        fill(&store);
        place.tamper(&unlocked(kind, sql));
        let fault = store.check_audit(None).unwrap().fault;
        assert_eq!(fault, Some(AuditFault { id, found }), "{sql}");
    }
}

fn a_head_that_was_noted_is_found_while_the_chain_goes_on(kind: Kind) {
    let (place, store) = store(kind);
    fill(&store);
    let noted = store.check_audit(None).unwrap().head;
    store.write(|c: &Change<'_>| c.audit_event(&event("later"))).unwrap();
    let check = store.check_audit(Some(&noted)).unwrap();
    assert_eq!((check.entries, check.noted), (12, Some(11)));
    // The newest are cut off: the chain is whole, the head tells.
    place.tamper(&unlocked(kind, "DELETE FROM audit WHERE id > 9"));
    let check = store.check_audit(Some(&noted)).unwrap();
    assert_eq!((check.entries, check.fault, check.noted), (9, None, None));
}

fn the_database_refuses_to_change_an_entry(kind: Kind) {
    let (_place, store) = store(kind);
    fill(&store);
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        let refused = store.write(move |c: &Change<'_>| c.execute("tamper", sql, &[]));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("the audit is only added to"), "{refused}");
    }
    assert_eq!(store.check_audit(None).unwrap().entries, 11);
}

/// A connection keeps its statements prepared while another process brings the tables up to date.
fn a_column_that_a_newer_portal_adds_disturbs_no_reader(kind: Kind) {
    let (place, store) = store(kind);
    fill(&store);
    let read = || {
        let about = Some(subscription(1).id);
        let pages = store.read(|v| {
            Ok::<_, StoreError>([
                v.audit(None, 9)?,
                v.audit(about, 9)?,
                v.audit_before(subscription(1).id, None, 9)?,
                v.audit_page(
                    &AuditFilter { subscription: about, ..AuditFilter::default() },
                    None,
                    9,
                )?,
            ])
        });
        pages.unwrap().map(|page| page.len())
    };
    assert_eq!(read(), [9, 1, 1, 1]);
    place.tamper("ALTER TABLE audit ADD COLUMN newer TEXT");
    assert_eq!(read(), [9, 1, 1, 1]);
}

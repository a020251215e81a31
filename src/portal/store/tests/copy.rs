//! A backup holds all, and goes into either database; a portal that has moved leaves nothing behind that could be changed by mistake.

use super::{
    Kind, Place, SERVERS, add, all_sold, environment, event, on_both, store, subscription,
};
use crate::license::{KeyPair, RequestId};
use crate::{
    license::Purpose,
    portal::store::{
        AnsweredRequest, Change, Location, Store, StoreError, View, WriterKind, back_up, migrate,
        restore,
    },
};
use std::{os::unix::fs::PermissionsExt, path::Path};
use uuid::Uuid;

on_both! {
    a_backup_goes_into_an_empty_database_with_all_that_it_holds,
    a_backup_never_overwrites_and_is_never_put_over_anything,
    a_tampered_audit_is_not_carried_on,
}

const MANY: u8 = 150;

/// Subscriptions, each with an environment, a request and audit entries: more rows than go into one statement.
fn fill(store: &Store) {
    store
        .write(|c: &Change<'_>| {
            for n in 0..MANY {
                let sold = subscription(n);
                c.add_subscription(&sold)?;
                let one = environment(&sold, n);
                c.put_environment(&one)?;
                let mut told = event("sold: an apostrophe ', a line\nfeed and \u{1f512}");
                told.subscription_id = Some(sold.id);
                c.audit_event(&told)?;
                c.add_request(&AnsweredRequest {
                    id: RequestId(Uuid::from_u128(n.into())),
                    key: KeyPair::from_seed(&[n; 32]).thumbprint(),
                    kind: "refresh",
                    environment_id: one.id,
                    received_at: one.seen_at,
                    request: format!("question {n}"),
                    answer: "x".repeat(5_000),
                })?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

fn assert_same(one: &Store, other: &Store) {
    assert_eq!(all_sold(one), all_sold(other));
    let environments = |v: &View<'_>| v.environments(None);
    assert_eq!(one.read(environments).unwrap(), other.read(environments).unwrap());
    let entries = |v: &View<'_>| v.audit(None, 10_000);
    let (before, after) = (one.read(entries).unwrap(), other.read(entries).unwrap());
    assert_eq!(before, after[..before.len()]);
    for n in 0..MANY {
        let key = KeyPair::from_seed(&[n; 32]).thumbprint();
        let answered = |v: &View<'_>| v.answered(&key, RequestId(Uuid::from_u128(n.into())));
        let found = one.read(answered).unwrap();
        assert!(found.is_some());
        assert_eq!(found, other.read(answered).unwrap());
    }
}

fn restored(from: &Path, to: &Place, scratch: &Path) -> Result<(), StoreError> {
    let restored = restore(from, &to.location(), scratch, &event("database-restored"));
    assert!(!scratch.exists());
    restored.map(drop)
}

fn a_backup_goes_into_an_empty_database_with_all_that_it_holds(kind: Kind) {
    let (place, store) = store(kind);
    fill(&store);
    let folder = tempfile::tempdir().unwrap();
    let (file, scratch) = (folder.path().join("backup.db"), folder.path().join("scratch"));
    let copied = back_up(&place.location(), &file).unwrap();
    assert_eq!(copied.rows(), 4 * u64::from(MANY));
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["backup.db"], "it is one file");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let mut targets = vec![Place::new(kind.on_server)];
    if kind.on_server {
        targets.push(Place::new(false));
    }
    for target in targets {
        restored(&file, &target, &scratch).unwrap();
        let again = target.store(kind.writer);
        assert_same(&store, &again);
        let check = again.check_audit(Some(&copied.audit.head)).unwrap();
        assert_eq!((check.noted, check.entries), (Some(MANY.into()), u64::from(MANY) + 1));
        // It goes on from there.
        add(&again, subscription(MANY + 1)).unwrap();
        let used =
            again.read(|v| v.slots_in_use(Uuid::from_u128(7), Purpose::Production, super::NOW));
        assert_eq!(used.unwrap(), 1);
    }
}

fn a_backup_never_overwrites_and_is_never_put_over_anything(kind: Kind) {
    let (place, store) = store(kind);
    add(&store, subscription(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, scratch) = (folder.path().join("backup.db"), folder.path().join("scratch"));
    std::fs::write(&file, "something").unwrap();
    let refused = back_up(&place.location(), &file).unwrap_err();
    assert_eq!(
        (refused.code(), std::fs::read(&file).unwrap()),
        ("store-exists", b"something".to_vec())
    );
    assert_eq!(restored(&file, &place, &scratch).unwrap_err().code(), "store-open");

    std::fs::remove_file(&file).unwrap();
    back_up(&place.location(), &file).unwrap();
    assert_eq!(restored(&file, &place, &scratch).unwrap_err().code(), "store-not-empty");
    assert_eq!(all_sold(&store), [subscription(1)]);
    let missing = folder.path().join("no/such/backup.db");
    assert_eq!(back_up(&place.location(), &missing).unwrap_err().code(), "store-open");
}

fn a_tampered_audit_is_not_carried_on(kind: Kind) {
    let (place, store) = store(kind);
    fill(&store);
    place.tamper(&super::audit::unlocked(kind, "UPDATE audit SET actor = 'nobody' WHERE id = 20"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let refused = back_up(&place.location(), &file).unwrap_err();
    assert!(matches!(refused, StoreError::Tampered { id: 20 }), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_takes_over_from_sqlite_which_takes_no_more() {
    for kind in SERVERS {
        let (old, new) = (Place::new(false), Place::new(true));
        let (Location::File(path), Location::Server(server)) = (old.location(), new.location())
        else {
            panic!("one is a file, the other a server");
        };
        let store = old.store(WriterKind::Thread);
        fill(&store);
        let copied =
            migrate(&path, &server, &event("migrated"), || Ok::<_, StoreError>(())).unwrap();
        assert_eq!(copied.rows(), 4 * u64::from(MANY));
        assert_same(&store, &new.store(kind.writer));
        // A process that has it open still.
        let refused = add(&store, subscription(200)).unwrap_err();
        assert!(refused.to_string().contains("PostgreSQL now"), "{refused}");
        // As after a crash before the directory names the new one: nothing is copied twice.
        let again = migrate(&path, &server, &event("migrated"), || Ok::<_, StoreError>(()));
        assert_eq!(again.unwrap(), copied);
        add(&new.store(kind.writer), subscription(200)).unwrap();
        let twice = migrate(&path, &server, &event("migrated"), || Ok::<_, StoreError>(()));
        assert_eq!(twice.unwrap_err().code(), "store-not-empty");
    }
}

/// After a crash between the commit on the server and that on the file, which is as it was then.
#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_a_migration_that_was_cut_short_goes_on_unless_the_file_has_taken_changes_since() {
    for kind in SERVERS {
        for changed in [false, true] {
            let (old, new) = (Place::new(false), Place::new(true));
            let (Location::File(path), Location::Server(server)) = (old.location(), new.location())
            else {
                panic!("one is a file, the other a server");
            };
            let store = old.store(kind.writer);
            fill(&store);
            let before = path.with_file_name("before.db");
            back_up(&old.location(), &before).unwrap();
            let first =
                migrate(&path, &server, &event("migrated"), || Ok::<_, StoreError>(())).unwrap();
            drop(store);
            std::fs::rename(&before, &path).unwrap();
            for beside in ["portal.db-wal", "portal.db-shm"] {
                drop(std::fs::remove_file(path.with_file_name(beside)));
            }
            let store = old.store(kind.writer);
            if changed {
                add(&store, subscription(200)).unwrap();
            }
            let again = migrate(&path, &server, &event("migrated"), || Ok::<_, StoreError>(()));
            if changed {
                let refused = again.unwrap_err();
                assert_eq!(refused.code(), "store-not-empty");
                assert!(refused.to_string().contains("migrate again"), "{refused}");
                // The portal goes on where it was.
                add(&store, subscription(201)).unwrap();
            } else {
                assert_eq!(again.unwrap(), first);
                assert_same(&store, &new.store(kind.writer));
                add(&store, subscription(201)).unwrap_err();
            }
        }
    }
}

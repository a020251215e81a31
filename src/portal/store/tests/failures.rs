//! What the store does when something is wrong.

use super::{add, all_sold, event, file, subscription};
use crate::portal::store::{Change, Store, StoreError, WriterKind, schema::STEPS, sqlite::open};
use futures_util::{FutureExt, future::join_all};
use rusqlite::Connection;
use std::{
    os::unix::fs::PermissionsExt,
    sync::{Arc, Barrier, mpsc},
};

#[test]
fn its_files_are_for_their_owner_alone() {
    let (folder, store) = file(WriterKind::Thread);
    add(&store, subscription(1)).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
}

#[test]
fn it_commits_durably() {
    let (folder, store) = file(WriterKind::Thread);
    drop(store);
    let connection = open(&folder.path().join("portal.db")).unwrap();
    let ask = |pragma: &str| {
        connection
            .query_row(&format!("PRAGMA {pragma}"), [], |r| r.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(ask("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(ask("synchronous").unwrap(), 2.into());
    assert_eq!(ask("foreign_keys").unwrap(), 1.into());
}

#[test]
fn a_newer_database_is_left_alone() {
    let (folder, store) = file(WriterKind::Inline);
    drop(store);
    let path = folder.path().join("portal.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = Store::open(&path, WriterKind::Inline).map(drop);
    assert!(matches!(refused, Err(StoreError::Newer { found: 99, known }) if known == STEPS.len()));
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portal.db");
    std::fs::write(&path, "this is not a database, however long it may be").unwrap();
    assert_eq!(
        Store::open(&path, WriterKind::Inline).map(drop).unwrap_err().code(),
        "store-failed"
    );
    let missing = folder.path().join("no/such/folder/portal.db");
    assert_eq!(
        Store::open(&missing, WriterKind::Inline).map(drop).unwrap_err().code(),
        "store-open"
    );
}

#[test]
fn one_refused_change_in_a_batch_does_not_touch_the_others() {
    let (_folder, store) = file(WriterKind::Thread);
    let (store, start) = (Arc::new(store), Arc::new(Barrier::new(30)));
    let threads: Vec<_> = (0..30)
        .map(|n| {
            let (store, start) = (store.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                store.write(move |c: &Change<'_>| {
                    c.add_subscription(&subscription(n))?;
                    c.audit_event(&event("added"))?;
                    if n % 3 == 0 { Err(StoreError::Undone) } else { Ok(()) }
                })
            })
        })
        .collect();
    let stored = threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).count();
    assert_eq!(stored, 20);
    assert_eq!(all_sold(&store).len(), 20);
    assert_eq!(store.read(|v| v.audit(None, 99)).unwrap().len(), 20);
}

/// The writer waits until all have queued up, so that they are one batch.
#[tokio::test]
async fn neither_a_refusal_nor_a_fault_in_a_batch_touches_the_others() {
    let (_folder, store) = file(WriterKind::Thread);
    let (open, gate) = mpsc::channel();
    let first = store.write_later(move |_| {
        gate.recv().unwrap();
        Ok::<_, StoreError>(())
    });
    let batch = join_all((0..30).map(|n| {
        store.write_later(move |c: &Change<'_>| {
            c.add_subscription(&subscription(n))?;
            c.audit_event(&event("added"))?;
            match n % 3 {
                0 => Err(StoreError::Stopped),
                1 => panic!("a fault of the program"),
                _ => Ok(n),
            }
        })
    }));
    let (_, told, _) = tokio::join!(first, batch, async { open.send(()) });
    for (n, told) in told.iter().enumerate() {
        match n % 3 {
            0 => assert!(matches!(told, Err(StoreError::Stopped)), "{told:?}"),
            1 => assert!(matches!(told, Err(StoreError::Failed)), "{told:?}"),
            _ => assert_eq!(told.as_ref().ok(), u8::try_from(n).ok().as_ref()),
        }
    }
    assert_eq!(all_sold(&store).len(), 10);
    assert_eq!(store.read(|v| v.audit(None, 99)).unwrap().len(), 10);
    add(&store, subscription(99)).unwrap();
}

/// An asker that goes away takes nothing with it: its request will be sent again, and gets what was stored.
#[tokio::test]
async fn a_change_that_nobody_waits_for_is_done() {
    let (_folder, store) = file(WriterKind::Thread);
    let gone = store.write_later(|c: &Change<'_>| c.add_subscription(&subscription(1)));
    assert!(gone.now_or_never().is_none(), "it is not waited for");
    // Changes are done in their order.
    add(&store, subscription(2)).unwrap();
    assert_eq!(all_sold(&store).len(), 2);
}

/// A full disk: SQLite may undo the whole transaction by itself, so nobody may be told that it was stored.
#[test]
fn a_full_disk_is_an_error_for_all_and_mends_itself() {
    for writer in [WriterKind::Thread, WriterKind::Inline] {
        let (_folder, store) = file(writer);
        add(&store, subscription(1)).unwrap();
        let limit = |pages: &'static str| {
            store
                .write(move |c: &Change<'_>| {
                    let count =
                        c.first("ask", "PRAGMA page_count", &[], |row| row.integer("page_count"))?;
                    let pages = if pages == "now" { count.unwrap() } else { 1_000_000 };
                    let limit = format!("PRAGMA max_page_count = {pages}");
                    c.first("limit", &limit, &[], |_| Ok(()))
                })
                .unwrap();
        };
        limit("now");
        let long = "x".repeat(100_000);
        let full = store.write(move |c: &Change<'_>| c.audit_event(&event(&long)));
        assert!(full.is_err());
        limit("many");
        add(&store, subscription(2)).unwrap();
        assert_eq!(all_sold(&store).len(), 2);
        assert_eq!(store.read(|v| v.audit(None, 9)).unwrap(), []);
    }
}

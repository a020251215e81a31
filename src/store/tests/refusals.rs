//! A database that refuses: what it did not take is not lost, and not stored twice.

use super::sample::*;
use crate::store::*;
use std::fs;

#[test]
fn what_was_refused_is_neither_there_in_part() {
    let place = Place::with_history();
    let mut store = place.open().store;
    place.refuse();
    let error = store.commit(&state(4), &[event("four")]).unwrap_err();
    assert_eq!(error.code(), "store-database");
    assert!(error.to_string().contains("no space left"), "{error}");
    let rows = "SELECT value FROM state WHERE name = 'revision'";
    let revision: String = place.connection().query_row(rows, [], |row| row.get(0)).unwrap();
    assert_eq!(revision, "3");
    assert_eq!(details(&mut store), ["one", "two", "three"]);
}

#[test]
fn the_next_start_takes_it_from_the_copy() {
    let place = Place::with_history();
    let mut store = place.open().store;
    place.refuse();
    store.commit(&state(4), &[event("four")]).unwrap_err();
    store.commit(&state(5), &[event("four"), event("five")]).unwrap_err();
    drop(store);
    place.relent();
    let Opened { mut store, recovered } = place.open();
    assert_eq!(store.load().unwrap(), state(5));
    assert!(recovered.unwrap().contains("refused the last changes"));
    assert_eq!(details(&mut store), ["one", "two", "three", "four", "five"]);
    drop(store);
    // Once: the copy still holds the entries.
    let Opened { mut store, recovered } = place.open();
    assert_eq!(recovered, None);
    assert_eq!(details(&mut store), ["one", "two", "three", "four", "five"]);
}

#[test]
fn a_database_that_refuses_from_the_start_on_takes_it_later() {
    let place = Place::with_history();
    let mut store = place.open().store;
    place.refuse();
    store.commit(&state(4), &[event("four")]).unwrap_err();
    drop(store);

    let mut store = place.open().store;
    assert_eq!(store.load().unwrap(), state(4));
    assert!(store.complaint().unwrap().contains("no space left"));
    store.commit(&state(5), &[event("five")]).unwrap_err();

    // Another start between, for good measure.
    drop(store);
    let mut store = place.open().store;
    assert_eq!(store.load().unwrap(), state(5));
    place.relent();
    store.commit(&state(6), &[event("six")]).unwrap();
    assert_eq!(store.complaint(), None);
    assert_eq!(details(&mut store), ["one", "two", "three", "four", "five", "six"]);
    drop(store);
    let mut store = place.open().store;
    assert_eq!(store.load().unwrap(), state(6));
    assert_eq!(details(&mut store), ["one", "two", "three", "four", "five", "six"]);
}

#[test]
fn a_database_that_can_not_be_opened_is_done_without() {
    let place = Place::with_history();
    let aside = place.path("aside");
    fs::rename(place.database(), &aside).unwrap();
    // A directory is what no process, however privileged, can open as a database.
    fs::create_dir(place.database()).unwrap();
    let Opened { mut store, recovered } = place.open();
    assert_eq!((store.load().unwrap(), recovered), (state(3), None));
    assert!(store.complaint().unwrap().contains("entitled.db"));
    assert_eq!(store.events(1).unwrap_err().code(), "store-file");
    store.commit(&state(4), &[event("four")]).unwrap_err();
    assert!(store.complaint().is_some());

    fs::remove_dir(place.database()).unwrap();
    fs::rename(&aside, place.database()).unwrap();
    store.commit(&state(4), &[event("four")]).unwrap();
    assert_eq!(store.complaint(), None);
    assert_eq!(details(&mut store), ["one", "two", "three", "four"]);
    drop(store);
    assert_eq!(place.open().store.load().unwrap(), state(4));
}

#[test]
fn a_database_that_can_not_be_opened_and_no_copy_is_an_error_that_names_it() {
    let place = Place::new();
    fs::create_dir(place.database()).unwrap();
    let error = SqliteStore::open(&place.directory).unwrap_err();
    assert_eq!(error.code(), "store-file");
    assert!(error.to_string().contains("entitled.db"), "{error}");
}

#[test]
fn somebody_who_reads_for_long_is_waited_for() {
    let place = Place::with_history();
    let mut store = place.open().store;
    let reader = place.connection();
    reader.execute_batch("BEGIN; SELECT * FROM state").unwrap();
    let refused = store.commit(&state(4), &[event("four")]);
    assert_eq!(refused.unwrap_err().code(), "store-database");
    reader.execute_batch("COMMIT").unwrap();
    store.commit(&state(4), &[event("four")]).unwrap();
    assert_eq!(details(&mut store), ["one", "two", "three", "four"]);
}

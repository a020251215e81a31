//! A machine that loses power, a disk that rots, an administrator who tidies up: history may be lost, entitlement never.

use super::sample::*;
use crate::store::*;
use std::{fs, os::unix::fs::PermissionsExt};

/// The state must be the last one; what the operator is told must say how, in these words.
#[track_caller]
fn recovers(place: &Place, words: &[&str]) -> SqliteStore {
    let Opened { mut store, recovered } = place.open();
    assert_eq!(store.load().unwrap(), state(3));
    let recovered = recovered.expect("nothing is told");
    for word in words {
        assert!(recovered.contains(word), "no {word:?} in: {recovered}");
    }
    // What was recovered is sound again: the next start has nothing to tell.
    drop(store);
    let Opened { mut store, recovered } = place.open();
    assert_eq!((store.load().unwrap(), recovered), (state(3), None));
    store.commit(&state(4), &[event("four")]).unwrap();
    assert_eq!(details(&mut store).last().unwrap(), "four");
    store
}

/// Every damaged database must still be there, as it was.
#[track_caller]
fn set_aside(place: &Place, contents: &[u8]) {
    let aside = place.files("entitled.db.damaged-");
    let kept = aside.iter().any(|name| fs::read(place.path(name)).unwrap() == contents);
    assert!(kept, "not among {aside:?}");
}

#[test]
fn a_database_of_garbage_is_set_aside() {
    let place = Place::with_history();
    let garbage = b"this is no database at all ".repeat(400);
    fs::write(place.database(), &garbage).unwrap();
    recovers(&place, &["damaged", "set aside as", "the copy"]);
    set_aside(&place, &garbage);
}

#[test]
fn a_truncated_database_is_set_aside() {
    let whole = fs::read(Place::with_history().database()).unwrap();
    // Of the last page so little is left that it matters, whether it is filled from its end or from its beginning.
    for length in [50, 512, 4_096, 4_097, whole.len() - 4_096, whole.len() - 4_050] {
        let place = Place::with_history();
        fs::write(place.database(), &whole[..length]).unwrap();
        recovers(&place, &["damaged", "set aside as", "the copy"]);
        set_aside(&place, &whole[..length]);
    }
}

#[test]
fn a_page_of_zeros_in_the_middle_is_damage() {
    let place = Place::with_history();
    let mut bytes = fs::read(place.database()).unwrap();
    bytes[4_096..8_192].fill(0);
    fs::write(place.database(), &bytes).unwrap();
    recovers(&place, &["damaged", "set aside as"]);
    set_aside(&place, &bytes);
}

#[test]
fn a_state_that_can_not_be_read_is_damage_where_there_is_a_copy() {
    for value in ["{", "17", "null", "\"\u{fffd}\""] {
        let place = Place::with_history();
        let sql = "UPDATE state SET value = ?1 WHERE name = 'chain'";
        place.connection().execute(sql, [value]).unwrap();
        let bytes = fs::read(place.database()).unwrap();
        recovers(&place, &["damaged", "set aside as", "the copy"]);
        set_aside(&place, &bytes);
    }
}

#[test]
fn a_state_that_can_not_be_read_is_left_alone_where_nothing_could_take_its_place() {
    let place = Place::with_history();
    place.connection().execute("UPDATE state SET value = '17' WHERE name = 'chain'", []).unwrap();
    for copy in [None, Some("garbage")] {
        let _ = fs::remove_file(place.copy());
        if let Some(text) = copy {
            fs::write(place.copy(), text).unwrap();
        }
        let error = SqliteStore::open(&place.directory).unwrap_err();
        assert_eq!(error.code(), "store-contents");
        assert_eq!(place.files("entitled.db.damaged-"), [""; 0]);
    }
}

#[test]
fn an_empty_database_is_started_again_from_the_copy() {
    let place = Place::with_history();
    fs::write(place.database(), "").unwrap();
    recovers(&place, &["empty", "the copy"]);
}

#[test]
fn a_missing_database_is_started_again_from_the_copy() {
    let place = Place::with_history();
    fs::remove_file(place.database()).unwrap();
    let mut store = recovers(&place, &["missing", "the copy"]);
    assert_eq!(details(&mut store), ["four"]);
}

#[test]
fn a_damaged_database_without_a_copy_starts_again_from_nothing() {
    let place = Place::with_history();
    fs::write(place.database(), "garbage ".repeat(1_000)).unwrap();
    fs::remove_file(place.copy()).unwrap();
    let Opened { mut store, recovered } = place.open();
    assert_eq!(store.load().unwrap(), AgentState::default());
    assert!(recovered.unwrap().contains("there was no copy"));
}

#[test]
fn a_missing_database_with_an_unreadable_copy_is_told_of() {
    let place = Place::with_history();
    fs::remove_file(place.database()).unwrap();
    fs::write(place.copy(), "garbage").unwrap();
    let Opened { mut store, recovered } = place.open();
    assert_eq!(store.load().unwrap(), AgentState::default());
    let recovered = recovered.expect("nothing is told");
    assert!(recovered.contains("missing") && recovered.contains("copy"), "{recovered}");
}

#[test]
fn a_first_start_has_nothing_to_tell() {
    let Opened { store, recovered } = Place::new().open();
    assert_eq!((recovered, store.complaint()), (None, None));
}

#[test]
fn several_damaged_databases_are_all_kept() {
    let place = Place::with_history();
    let garbage = |number: u8| vec![b'0' + number; 8_192];
    for number in 0..3 {
        fs::write(place.database(), garbage(number)).unwrap();
        assert_eq!(place.open().store.load().unwrap(), state(3));
    }
    for number in 0..3 {
        set_aside(&place, &garbage(number));
    }
}

#[test]
fn power_lost_between_the_database_and_its_copy_loses_nothing() {
    let place = Place::with_history();
    let old_copy = fs::read(place.copy()).unwrap();
    place.open().store.commit(&state(4), &[event("four")]).unwrap();
    fs::write(place.copy(), &old_copy).unwrap();
    let Opened { mut store, recovered } = place.open();
    assert_eq!((store.load().unwrap(), recovered), (state(4), None));
    // The copy is brought up at once: the database may be lost next.
    drop(store);
    fs::remove_file(place.database()).unwrap();
    assert_eq!(place.open().store.load().unwrap(), state(4));
}

#[test]
fn power_lost_within_a_commit_leaves_the_state_before_or_after_it() {
    let place = Place::with_history();
    let before = fs::read(place.database()).unwrap();
    let connection = place.connection();
    // With next to no cache the new pages go to the file at once, the old ones to the journal beside it.
    let half = "PRAGMA cache_size = 1; BEGIN IMMEDIATE; DELETE FROM state; DELETE FROM events;
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                INSERT INTO events (at, actor, action, detail) SELECT '', '', '', hex(randomblob(200)) FROM n";
    connection.execute_batch(half).unwrap();
    let crashed = Place::new();
    for name in place.files("") {
        fs::copy(place.path(&name), crashed.path(&name)).unwrap();
    }
    assert_ne!(fs::read(crashed.database()).unwrap(), before);
    fs::remove_file(crashed.copy()).unwrap();
    drop(connection);
    let mut store = crashed.open().store;
    assert_eq!(store.load().unwrap(), state(3));
    assert_eq!(details(&mut store), ["one", "two", "three"]);
}

#[test]
fn an_unreadable_copy_stops_nothing_and_is_written_anew() {
    for garbage in [&b"garbage"[..], b"", b"\xff\xfe\x00", b"[]", b"{\"state\":{\"chain\":17}}"] {
        let place = Place::with_history();
        fs::write(place.copy(), garbage).unwrap();
        let Opened { mut store, recovered } = place.open();
        assert_eq!(store.load().unwrap(), state(3));
        assert_eq!((recovered, store.complaint()), (None, None));
        drop(store);
        fs::remove_file(place.database()).unwrap();
        assert_eq!(place.open().store.load().unwrap(), state(3), "{garbage:?}");
    }
}

#[test]
fn a_copy_that_can_not_be_written_is_complained_of_until_it_can() {
    let place = Place::with_history();
    fs::remove_file(place.copy()).unwrap();
    fs::create_dir(place.copy()).unwrap();
    fs::write(place.copy().join("in the way"), "").unwrap();
    let mut store = place.open().store;
    assert_eq!(store.load().unwrap(), state(3));
    store.commit(&state(4), &[event("four")]).unwrap();
    assert!(store.complaint().unwrap().contains("state.json"));

    fs::remove_dir_all(place.copy()).unwrap();
    store.commit(&state(4), &[]).unwrap();
    assert_eq!(store.complaint(), None);
    fs::remove_file(place.database()).unwrap();
    assert_eq!(place.open().store.load().unwrap(), state(4));
}

#[test]
fn a_database_that_rots_while_it_is_open_is_set_aside_by_the_next_commits() {
    let place = Place::with_history();
    let mut store = place.open().store;
    let garbage = b"garbage ".repeat(2_000);
    fs::write(place.database(), &garbage).unwrap();
    // The first may find out, or not yet.
    let tried = store.commit(&state(4), &[event("four")]);
    if tried.is_err() {
        store.commit(&state(4), &[event("four")]).unwrap();
    }
    store.commit(&state(5), &[]).unwrap();
    drop(store);
    assert_eq!(place.open().store.load().unwrap(), state(5));
}

#[test]
fn rows_and_members_of_other_versions_are_put_up_with() {
    let place = Place::with_history();
    let sql = "INSERT INTO state (name, value) VALUES ('of_tomorrow', '{\"x\":1}')";
    place.connection().execute(sql, []).unwrap();
    // An older agent stored less.
    place.connection().execute("DELETE FROM state WHERE name = 'hardware'", []).unwrap();
    let chain =
        "UPDATE state SET value = '{\"previous\":null,\"of_tomorrow\":1}' WHERE name = 'chain'";
    place.connection().execute(chain, []).unwrap();
    let Opened { mut store, recovered } = place.open();
    let expected = AgentState { hardware: None, chain: Chain::default(), ..state(3) };
    assert_eq!((store.load().unwrap(), recovered), (expected, None));
}

#[test]
fn a_database_from_before_peaks_is_brought_up_to_date() {
    let place = Place::with_history();
    place.connection().execute("DROP TABLE usage_peaks", []).unwrap();
    place.connection().pragma_update(None, "user_version", 2).unwrap();
    let mut store = place.open().store;
    assert_eq!(store.load().unwrap(), state(3));
    assert_eq!(store.peaks(jiff::civil::Date::MIN, jiff::civil::Date::MAX).unwrap(), []);
}

#[test]
fn a_newer_layout_is_refused_and_left_alone() {
    let place = Place::with_history();
    place.connection().pragma_update(None, "user_version", 99).unwrap();
    let bytes = fs::read(place.database()).unwrap();
    let error = SqliteStore::open(&place.directory).unwrap_err();
    assert_eq!(error.code(), "store-newer");
    assert!(error.to_string().contains("99"), "{error}");
    assert_eq!(fs::read(place.database()).unwrap(), bytes);
    // The mend that the error names.
    fs::rename(place.database(), place.path("aside")).unwrap();
    assert_eq!(place.open().store.load().unwrap(), state(3));
}

#[test]
fn everything_is_for_its_owner_alone() {
    let place = Place::with_history();
    for name in place.files("") {
        let mode = fs::metadata(place.path(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

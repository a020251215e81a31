//! The same promises of every store.

use super::sample::*;
use crate::{license::Enforcement, store::*, usage::DayPeak};
use jiff::{ToSpan, civil::Date};

/// A store, and how it is found by the next process.
trait Kept {
    type Store: Store;
    fn new() -> Self;
    fn open(&mut self) -> &mut Self::Store;
    fn reopen(&mut self) -> &mut Self::Store;
}

struct InMemory(MemoryStore);

impl Kept for InMemory {
    type Store = MemoryStore;

    fn new() -> Self {
        Self(MemoryStore::default())
    }

    fn open(&mut self) -> &mut MemoryStore {
        &mut self.0
    }

    fn reopen(&mut self) -> &mut MemoryStore {
        &mut self.0
    }
}

struct OnDisk(Place, Option<SqliteStore>);

impl Kept for OnDisk {
    type Store = SqliteStore;

    fn new() -> Self {
        Self(Place::new(), None)
    }

    fn open(&mut self) -> &mut SqliteStore {
        let place = &self.0;
        self.1.get_or_insert_with(|| place.open().store)
    }

    fn reopen(&mut self) -> &mut SqliteStore {
        self.1 = None;
        self.open()
    }
}

/// Runs each promise on both stores.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $promise() { super::$promise::<super::InMemory>(); })*
        }
        mod sqlite {
            $(#[test] fn $promise() { super::$promise::<super::OnDisk>(); })*
        }
    };
}

promises!(
    a_new_store_is_empty,
    a_reload_equals_what_was_committed,
    state_and_events_are_stored_together,
    a_member_that_is_taken_away_is_gone,
    events_without_a_change_are_stored,
    a_commit_of_the_same_state_adds_nothing,
    the_newest_events_come_first_and_so_many,
    there_is_nothing_to_complain_of,
    the_highest_use_of_a_day_stays,
    peaks_of_the_newest_days_are_kept,
);

fn a_new_store_is_empty<K: Kept>() {
    let mut kept = K::new();
    assert_eq!(kept.open().load().unwrap(), AgentState::default());
    assert_eq!(kept.open().events(10).unwrap(), []);
    assert_eq!(kept.reopen().load().unwrap(), AgentState::default());
}

fn a_reload_equals_what_was_committed<K: Kept>() {
    let mut kept = K::new();
    for revision in 1..4 {
        kept.open().commit(&state(revision), &[]).unwrap();
        assert_eq!(kept.open().load().unwrap(), state(revision));
        assert_eq!(kept.reopen().load().unwrap(), state(revision));
    }
}

fn state_and_events_are_stored_together<K: Kept>() {
    let mut kept = K::new();
    kept.open().commit(&state(1), &[event("one"), event("two")]).unwrap();
    assert_eq!(details(kept.reopen()), ["one", "two"]);
    let stored = kept.open().events(1).unwrap().remove(0);
    let Event { at, actor, action, detail } = event("two");
    assert_eq!((stored.at, stored.actor, stored.detail), (at, actor, detail));
    assert_eq!(stored.action, action.as_str());
}

fn a_member_that_is_taken_away_is_gone<K: Kept>() {
    let mut kept = K::new();
    kept.open().commit(&state(1), &[]).unwrap();
    let bare = AgentState { revision: 2, ..AgentState::default() };
    kept.open().commit(&bare, &[]).unwrap();
    assert_eq!(kept.reopen().load().unwrap(), bare);
}

fn events_without_a_change_are_stored<K: Kept>() {
    let mut kept = K::new();
    kept.open().commit(&state(1), &[]).unwrap();
    kept.open().commit(&state(1), &[event("one")]).unwrap();
    assert_eq!(details(kept.reopen()), ["one"]);
}

fn a_commit_of_the_same_state_adds_nothing<K: Kept>() {
    let mut kept = K::new();
    kept.open().commit(&state(1), &[event("one")]).unwrap();
    kept.open().commit(&state(1), &[]).unwrap();
    assert_eq!(details(kept.reopen()), ["one"]);
    assert_eq!(kept.open().load().unwrap(), state(1));
}

fn the_newest_events_come_first_and_so_many<K: Kept>() {
    let mut kept = K::new();
    for number in 1..=5 {
        kept.open().commit(&state(number), &[event(&number.to_string())]).unwrap();
    }
    let newest = kept.reopen().events(3).unwrap();
    let numbers: Vec<_> = newest.iter().map(|event| (event.id, event.detail.as_str())).collect();
    assert_eq!(numbers, [(5, "5"), (4, "4"), (3, "3")]);
    assert_eq!(kept.open().events(0).unwrap(), []);
}

fn there_is_nothing_to_complain_of<K: Kept>() {
    let mut kept = K::new();
    kept.open().commit(&state(1), &[event("one")]).unwrap();
    assert_eq!(kept.reopen().complaint(), None);
}

fn the_highest_use_of_a_day_stays<K: Kept>() {
    let mut kept = K::new();
    let (one, next): (Date, Date) = ("2026-11-24".parse().unwrap(), "2026-11-25".parse().unwrap());
    for highest in [5, 9, 7] {
        kept.open().keep_peaks(&[peak(one, "users", highest), peak(next, "users", 1)]).unwrap();
    }
    let unlimited =
        DayPeak { limit: None, enforcement: Enforcement::Soft, ..peak(one, "files", 3) };
    kept.reopen().keep_peaks(std::slice::from_ref(&unlimited)).unwrap();
    let found = kept.reopen().peaks(one, one).unwrap();
    assert_eq!(found, [unlimited, peak(one, "users", 9)]);
    assert_eq!(kept.open().peaks(Date::MIN, Date::MAX).unwrap().len(), 3);
}

fn peaks_of_the_newest_days_are_kept<K: Kept>() {
    let mut kept = K::new();
    let first: Date = "2025-01-01".parse().unwrap();
    let days: Vec<Date> = (0..402).map(|n| first.checked_add(n.days()).unwrap()).collect();
    let peaks: Vec<_> = days.iter().map(|day| peak(*day, "users", 1)).collect();
    kept.open().keep_peaks(&peaks).unwrap();
    let found = kept.reopen().peaks(Date::MIN, Date::MAX).unwrap();
    assert_eq!((found.len(), found[0].day), (400, days[2]));
    // A clock that was set wrong for a moment costs one day, and not all of them.
    kept.open().keep_peaks(&[peak("9000-01-01".parse().unwrap(), "users", 1)]).unwrap();
    let found = kept.reopen().peaks(Date::MIN, Date::MAX).unwrap();
    assert_eq!((found.len(), found[0].day), (400, days[3]));
}

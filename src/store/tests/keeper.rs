//! The state is served whatever the store does, and stored as soon as it can be.

use super::{FlakyStore, sample::*};
use crate::store::*;

fn keeper() -> (FlakyStore, Keeper) {
    let store = FlakyStore::default();
    let keeper = Keeper::load(Box::new(store.clone())).unwrap();
    (store, keeper)
}

fn stored(store: &FlakyStore) -> (AgentState, Vec<String>) {
    (store.state(), details(&mut store.clone()))
}

#[test]
fn every_commit_is_a_revision() {
    let (store, mut keeper) = keeper();
    assert_eq!(keeper.state().revision, 0);
    for revision in 1..4 {
        // Whatever revision the caller's draft has.
        assert!(keeper.commit(state(77), [event("one")]));
        assert_eq!(keeper.state().revision, revision);
        assert_eq!(stored(&store).0, AgentState { revision, ..state(77) });
    }
    assert_eq!(keeper.failure(), None);
    drop(keeper);
    let keeper = Keeper::load(Box::new(store)).unwrap();
    assert_eq!(keeper.state().revision, 3);
}

#[test]
fn a_change_that_could_not_be_stored_stands_and_waits() {
    let (store, mut keeper) = keeper();
    store.fail(true);
    assert!(!keeper.commit(state(1), [event("one")]));
    assert_eq!(keeper.state(), &state(1));
    let failure = keeper.failure().unwrap();
    assert!(failure.contains("could not write disk"), "{failure}");
    assert!(!keeper.retry());
    assert!(!keeper.commit(state(2), [event("two"), event("three")]));
    assert_eq!(stored(&store), (AgentState::default(), Vec::new()));

    store.fail(false);
    assert!(keeper.retry());
    assert_eq!(keeper.failure(), None);
    let expected = ["one", "two", "three"].map(ToOwned::to_owned).to_vec();
    assert_eq!(stored(&store), (state(2), expected.clone()));

    // Once and for all: neither a retry nor the next change brings them again.
    let commits = store.commits();
    assert!(keeper.retry());
    assert_eq!(store.commits(), commits, "there was nothing to store");
    assert!(keeper.commit(state(3), [event("four")]));
    assert_eq!(stored(&store).1, [expected, vec!["four".to_owned()]].concat());
}

#[test]
fn the_next_change_stores_what_waits() {
    let (store, mut keeper) = keeper();
    store.fail(true);
    keeper.commit(state(1), [event("one")]);
    store.fail(false);
    assert!(keeper.commit(state(2), [event("two")]));
    assert_eq!(stored(&store).1, ["one", "two"]);
    assert_eq!(keeper.failure(), None);
}

#[test]
fn entries_that_wait_are_bounded_and_the_newest_stay() {
    let (store, mut keeper) = keeper();
    store.fail(true);
    for number in 0..1_500 {
        keeper.commit(state(1), [event(&number.to_string())]);
    }
    store.fail(false);
    assert!(keeper.retry());
    let details = stored(&store).1;
    assert_eq!((details.len(), details[0].as_str()), (1_000, "500"));
}

#[test]
fn a_complaint_of_the_store_is_a_failure_that_a_retry_may_mend() {
    let (store, mut keeper) = keeper();
    keeper.commit(state(1), []);
    store.complain(true);
    assert_eq!(keeper.failure().as_deref(), Some("the copy is old"));
    let commits = store.commits();
    keeper.retry();
    assert_eq!(store.commits(), commits + 1);
    store.complain(false);
    assert_eq!(keeper.failure(), None);
}

#[test]
fn on_the_disk_too_nothing_is_stored_twice() {
    let place = Place::with_history();
    let mut keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    place.refuse();
    assert!(!keeper.commit(state(4), [event("four")]));
    assert!(!keeper.retry());
    assert!(!keeper.commit(state(5), [event("five")]));
    assert!(keeper.failure().unwrap().contains("no space left"));
    assert_eq!(keeper.state(), &state(5));
    place.relent();
    assert!(keeper.retry());
    let expected = ["five", "four", "three", "two", "one"];
    let stored: Vec<_> = keeper.events(10).unwrap().into_iter().map(|e| e.detail).collect();
    assert_eq!(stored, expected);
    drop(keeper);
    let mut store = place.open().store;
    assert_eq!((store.load().unwrap(), details(&mut store).len()), (state(5), 5));
}

#[test]
fn ids_are_drawn_from_what_is_stored_each_once() {
    let (store, mut keeper) = keeper();
    assert_eq!(keeper.draw(7), None);
    keeper.commit(state(1), []);
    store.fail(true);
    // What only memory has is unknown after a restart.
    let mut changed = state(2);
    changed.chain.reserve = Reserve::default();
    keeper.commit(changed.clone(), []);
    let drawn = [keeper.draw(7), keeper.draw(7), keeper.draw(7)];
    assert_eq!(drawn, [Some(request(99)), Some(request(98)), None]);
    assert!(keeper.has_drawn(request(98)));
    store.fail(false);
    assert!(keeper.retry());
    assert_eq!(keeper.draw(0), None);
    keeper.commit(state(3), []);
    assert_eq!(keeper.draw(0), Some(request(98)), "stored anew");
}

#[test]
fn what_is_committed_only_where_it_is_stored_leaves_no_trace_where_it_is_not() {
    let (store, mut keeper) = keeper();
    assert!(keeper.commit_if_stored(state(1), event("one")));
    store.fail(true);
    assert!(!keeper.commit_if_stored(state(1), event("two")));
    // A copy beside the database may have taken it: the revision is spent.
    assert_eq!(keeper.state(), &AgentState { revision: 2, ..state(1) });
    assert!(keeper.failure().is_some());
    store.fail(false);
    assert!(keeper.commit_if_stored(state(1), event("three")));
    assert_eq!(
        stored(&store),
        (AgentState { revision: 3, ..state(1) }, vec!["one".to_owned(), "three".to_owned()])
    );
}

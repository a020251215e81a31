//! Members and tokens: stored with the state that belongs to them, or not at all.

use super::{FlakyStore, sample::*};
use crate::store::*;
use uuid::Uuid;

#[test]
fn the_roster_is_the_same_after_a_restart() {
    let place = Place::with_history();
    let mut keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    assert_eq!(keeper.roster().token("one"), Some(&token()));
    let removed = MemberRecord { removed_at: Some(at(7)), ..member(2) };
    let changes = [
        RosterChange::Member(member(1)),
        RosterChange::Member(member(2)),
        RosterChange::Member(removed.clone()),
        RosterChange::Member(member(3)),
        RosterChange::ForgetMember(Uuid::from_u128(3)),
        RosterChange::ForgetToken("one".to_owned()),
    ];
    assert!(keeper.commit_with(state(4), [event("four")], changes));
    let known = keeper.roster().clone();
    drop(keeper);
    let keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    assert_eq!(*keeper.roster(), known);
    let members: Vec<_> = keeper.roster().members().cloned().collect();
    assert_eq!((members, keeper.roster().tokens().count()), (vec![member(1), removed], 0));
}

#[test]
fn what_could_not_be_stored_stands_in_memory_and_is_stored_later() {
    let store = FlakyStore::default();
    let mut keeper = Keeper::load(Box::new(store.clone())).unwrap();
    store.fail(true);
    assert!(!keeper.commit_with(state(1), [event("one")], [RosterChange::Member(member(1))]));
    assert_eq!(keeper.roster().member(Uuid::from_u128(1)), Some(&member(1)));
    assert_eq!(store.clone().roster().unwrap(), Roster::default());
    store.fail(false);
    assert!(keeper.retry());
    assert_eq!(store.clone().roster().unwrap(), *keeper.roster());
}

#[test]
fn an_entry_that_can_not_be_read_costs_no_other() {
    let place = Place::with_history();
    let spoil = "INSERT INTO roster VALUES ('member', 'x', '{'), ('newer', 'y', '{}')";
    place.connection().execute(spoil, []).unwrap();
    let keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    assert_eq!(keeper.roster().token("one"), Some(&token()));
    assert_eq!((keeper.roster().members().count(), keeper.roster().tokens().count()), (0, 1));
}

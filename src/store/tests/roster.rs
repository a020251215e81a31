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

#[test]
fn who_was_removed_is_known_without_the_database() {
    let accidents: [fn(&Place); 3] = [
        |place| std::fs::remove_file(place.database()).unwrap(),
        |place| std::fs::write(place.database(), b"no database ".repeat(400)).unwrap(),
        // An older one, from a backup.
        |place| std::fs::rename(place.path("older.db"), place.database()).unwrap(),
    ];
    for (number, accident) in accidents.into_iter().enumerate() {
        let place = Place::with_history();
        let mut keeper = Keeper::load(Box::new(place.open().store)).unwrap();
        let joined = [1, 2].map(|id| RosterChange::Member(member(id)));
        assert!(keeper.commit_with(state(4), [], joined));
        std::fs::copy(place.database(), place.path("older.db")).unwrap();
        let removed = MemberRecord { removed_at: Some(at(7)), ..member(2) };
        assert!(keeper.commit_with(state(5), [], [RosterChange::Member(removed)]));
        drop(keeper);
        accident(&place);
        // What was taken from the copy is in the database from then on.
        for _ in 0..2 {
            let keeper = Keeper::load(Box::new(place.open().store)).unwrap();
            let known = keeper.roster().member(Uuid::from_u128(2)).unwrap();
            assert_eq!(known.removed_at, Some(at(7)), "{number}");
            assert_eq!(known.certificate_expires_at, member(2).certificate_expires_at);
            assert_eq!(keeper.roster().member(Uuid::from_u128(1)).is_some(), number == 2);
            std::fs::remove_file(place.copy()).unwrap();
        }
    }
}

#[test]
fn who_is_removed_while_nothing_can_be_stored_stays_removed() {
    let place = Place::with_history();
    let mut keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    let joined = RosterChange::Member(member(1));
    assert!(keeper.commit_with(state(4), [], [joined]));
    place.refuse();
    let removed = MemberRecord { removed_at: Some(at(7)), ..member(1) };
    let change = RosterChange::Member(removed.clone());
    assert!(!keeper.commit_with(state(5), [event("five")], [change]));
    drop(keeper);
    place.relent();
    let keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    assert_eq!(keeper.roster().member(Uuid::from_u128(1)), Some(&removed));
}

#[test]
fn the_copy_knows_of_the_last_thousand_that_were_removed() {
    let place = Place::with_history();
    let mut keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    let removed = |number: u128| MemberRecord {
        removed_at: Some(at(i64::try_from(number).unwrap())),
        ..member(number)
    };
    let changes = (1..=1_200).map(|number| RosterChange::Member(removed(number)));
    assert!(keeper.commit_with(state(4), [], changes));
    drop(keeper);
    assert!(std::fs::metadata(place.copy()).unwrap().len() < 256 << 10);
    std::fs::remove_file(place.database()).unwrap();
    let keeper = Keeper::load(Box::new(place.open().store)).unwrap();
    let known: Vec<_> = keeper.roster().members().map(|member| member.id.as_u128()).collect();
    assert_eq!(known, (201..=1_200).collect::<Vec<_>>());
}

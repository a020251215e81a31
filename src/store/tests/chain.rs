//! The place in the chain of requests, as the portal needs to be told it.

use super::{
    FlakyStore,
    sample::{at, request},
};
use crate::{
    license::{RequestId, RequestKind},
    store::*,
};

fn pending(number: u128) -> PendingRequest {
    PendingRequest {
        id: request(number),
        kind: RequestKind::Refresh,
        text: number.to_string(),
        made_at: at(0),
        by_hand: false,
    }
}

fn chain(numbers: impl IntoIterator<Item = u128>) -> Chain {
    let mut chain = Chain::default();
    numbers.into_iter().for_each(|number| chain.push(pending(number)));
    chain
}

#[test]
fn the_newest_request_is_the_one_to_send() {
    let chain = chain(1..=3);
    assert_eq!(chain.unsettled, [request(1), request(2), request(3)]);
    assert_eq!(chain.to_send(), Some(&pending(3)));
    assert_eq!(chain.previous, None);
}

#[test]
fn the_answer_to_the_newest_settles_all() {
    let mut chain = chain(1..=3);
    chain.settle(request(3));
    assert_eq!(chain, Chain { previous: Some(request(3)), ..Chain::default() });
}

#[test]
fn the_answer_to_an_older_one_leaves_those_after_it_open() {
    let mut chain = chain(1..=3);
    chain.settle(request(1));
    assert_eq!(chain.previous, Some(request(1)));
    assert_eq!(chain.unsettled, [request(2), request(3)]);
    assert_eq!(chain.to_send(), Some(&pending(3)));
    chain.settle(request(3));
    assert_eq!((chain.unsettled, chain.pending), (Vec::new(), None));
}

#[test]
fn a_request_that_was_given_up_may_have_been_answered_all_the_same() {
    let mut chain = chain(1..=1);
    chain.give_up();
    assert_eq!((chain.to_send(), chain.unsettled.as_slice()), (None, &[request(1)][..]));
    chain.push(pending(2));
    assert_eq!(chain.unsettled, [request(1), request(2)]);
}

#[test]
fn what_is_carried_by_hand_is_not_sent() {
    let mut chain = Chain::default();
    chain.push(PendingRequest { by_hand: true, ..pending(1) });
    assert_eq!(chain.to_send(), None);
    assert_eq!(chain.unsettled, [request(1)]);
}

#[test]
fn no_more_are_named_than_a_request_has_room_for() {
    let chain = chain(1..=100);
    let expected: Vec<_> = (37..=100).map(request).collect();
    assert_eq!(chain.unsettled, expected);
}

fn reserved(numbers: std::ops::RangeInclusive<u128>) -> Vec<RequestId> {
    numbers.map(request).collect()
}

/// A chain as the next process finds it, with the reserve 51 to 82.
fn inherited() -> Chain {
    let mut chain = chain(1..=1);
    let next = std::cell::Cell::new(50);
    chain.reserve.fill(|| request(next.replace(next.get() + 1) + 1));
    assert_eq!(chain.reserve.ids(), reserved(51..=82));
    assert_eq!(chain.reserve.doubted(), [], "this process knows what it has sent");
    let store = FlakyStore::default();
    store.clone().commit(&AgentState { chain, ..AgentState::default() }, &[]).unwrap();
    Keeper::load(Box::new(store)).unwrap().state().chain.clone()
}

#[test]
fn a_reserve_is_in_doubt_until_a_request_that_names_it_is_answered() {
    let mut chain = inherited();
    assert_eq!(chain.reserve.doubted(), reserved(51..=82));
    // The answer to what was stored says nothing of what was sent after it.
    chain.settle(request(1));
    chain.reserve.fill(|| request(1_000));
    assert_eq!(chain.reserve.doubted(), reserved(51..=82));
    // Nor does that to one of them, which a courier brings late.
    assert!(chain.awaits(request(60)) && !chain.awaits(request(83)));
    chain.settle(request(60));
    assert_eq!(chain.previous, Some(request(60)));
    assert_eq!(chain.reserve.doubted().len(), 31);

    chain.push(pending(2));
    assert_eq!(chain.reserve.doubted().len(), 31, "one that is only made is not answered");
    chain.settle(request(2));
    assert_eq!((chain.reserve.doubted(), chain.reserve.ids()), (&[][..], &[][..]));
    assert!(!chain.awaits(request(61)));
    chain.reserve.fill(|| request(1_000));
    assert_eq!(chain.reserve.ids(), [request(1_000); 32]);
}

#[test]
fn one_that_is_used_is_named_like_any_other() {
    let mut chain = inherited();
    chain.push(pending(70));
    assert_eq!(chain.unsettled, [request(1), request(70)]);
    assert!(!chain.reserve.doubted().contains(&request(70)));
    chain.settle(request(70));
    assert_eq!(chain.reserve.doubted(), []);
}

#[test]
fn a_state_without_a_reserve_can_be_read() {
    let stored =
        serde_json::json!({ "previous": null, "unsettled": [request(1)], "pending": null });
    let read: Chain = serde_json::from_value(stored).unwrap();
    assert_eq!(read, Chain { unsettled: vec![request(1)], ..Chain::default() });
}

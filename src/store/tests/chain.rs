//! The place in the chain of requests, as the portal needs to be told it.

use super::sample::{at, request};
use crate::{license::RequestKind, store::*};

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

//! Forks from the first sight to the survivor's new key, and what each branch is told meanwhile.

use super::chain::{day, id, link};
use crate::{
    license::{Fork, ForkState, RequestId},
    portal::domain::{Chain, Link, Step},
};
use proptest::prelude::*;

/// Requests 2 and 3 both follow 1, on days 1 and 2.
fn forked() -> Chain {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    chain.receive(&link(2, Some(1)), day(1));
    chain.receive(&link(3, Some(1)), day(2));
    chain
}

fn told(chain: &Chain, spoke: u128) -> Option<ForkState> {
    chain.fork(id(spoke)).map(|fork| fork.state)
}

#[test]
fn both_branches_are_told_since_when_it_is_open() {
    let mut chain = Chain::default();
    chain.receive(&link(1, None), day(0));
    assert_eq!(chain.fork(id(1)), None);
    let mut chain = forked();
    let open = Some(Fork { since: day(2), state: ForkState::Open });
    assert_eq!(chain.fork(id(3)), open);
    chain.receive(&link(4, Some(2)), day(3));
    assert_eq!(chain.fork(id(4)), open);
    assert!(!chain.speaks(id(3)) && !chain.speaks(id(4)));
}

#[test]
fn the_survivor_is_named_by_its_last_request_and_stays_named_as_it_goes_on() {
    let mut chain = forked();
    assert!(!chain.name_survivor(id(1)), "left behind");
    assert!(chain.survivor().is_none());
    assert!(chain.name_survivor(id(3)));
    chain.receive(&link(4, Some(3)), day(3));
    assert_eq!(told(&chain, 4), Some(ForkState::Survivor));
    assert!(chain.speaks(id(4)));
    chain.receive(&link(5, Some(2)), day(4));
    assert_eq!(told(&chain, 5), Some(ForkState::Superseded));
    assert!(!chain.speaks(id(5)));
    // A third that comes is none either.
    assert_eq!(chain.receive(&link(6, Some(1)), day(4)), Step::Forks);
    assert_eq!(told(&chain, 6), Some(ForkState::Superseded));
    // Until it has its new key, another may be named.
    assert!(chain.name_survivor(id(5)));
    assert_eq!(chain.survivor().map(|branch| branch.head), Some(id(5)));
}

#[test]
fn a_survivor_is_asked_for_its_new_key_though_the_others_have_fallen_silent() {
    let mut chain = forked();
    chain.name_survivor(id(3));
    chain.receive(&link(4, Some(3)), day(15));
    assert!(!chain.is_forked());
    assert_eq!(told(&chain, 4), Some(ForkState::Survivor));
    assert!(chain.speaks(id(4)));
    // Even if its store was lost before it could.
    let again = Link { activates: true, ..link(5, None) };
    assert_eq!(chain.receive(&again, day(16)), Step::Restarts);
    assert_eq!(told(&chain, 5), Some(ForkState::Survivor));
}

#[test]
fn a_survivor_that_falls_silent_is_no_more() {
    let mut chain = forked();
    chain.name_survivor(id(3));
    chain.receive(&link(4, Some(2)), day(16));
    assert!(!chain.is_forked());
    assert_eq!(told(&chain, 4), None);
    assert!(chain.speaks(id(4)));
}

#[test]
fn who_has_not_asked_since_may_be_silent_by_now() {
    let chain = forked();
    assert!(chain.is_forked_at(day(14)));
    assert!(!chain.is_forked_at(day(15)), "request 2 was 14 days ago");
    assert!(chain.is_forked(), "as nobody has asked since");
}

#[test]
fn a_chain_comes_back_from_json_as_it_was() {
    let mut chain = forked();
    chain.name_survivor(id(3));
    let text = serde_json::to_string(&chain).unwrap();
    assert_eq!(serde_json::from_str::<Chain>(&text).unwrap(), chain);
}

/// A machine or one of its copies, as far as the chain sees it.
#[derive(Clone)]
struct Life {
    previous: Option<RequestId>,
    unsettled: Vec<RequestId>,
    /// Its last request that was answered.
    head: Option<RequestId>,
}

impl Life {
    fn ask(&mut self, chain: &mut Chain, this: u128, answer_lost: bool, today: i64) -> Step {
        let unsettled = std::mem::take(&mut self.unsettled);
        let request = Link {
            id: id(this),
            previous: self.previous,
            previous_known: true,
            unsettled: &unsettled,
            reserved: &[],
            activates: false,
        };
        let step = chain.receive(&request, day(today));
        self.head = Some(id(this));
        if answer_lost {
            self.unsettled = [unsettled, vec![id(this)]].concat();
        } else {
            self.previous = Some(id(this));
        }
        step
    }
}

/// Three copies of one machine; each asks in some order, some answers are lost, all within the time of silence.
fn asked(turns: &[(usize, bool)], mut each: impl FnMut(&mut Chain, &[Life; 3], usize, Step)) {
    let mut chain = Chain::default();
    let mut first = Life { previous: None, unsettled: Vec::new(), head: None };
    first.ask(&mut chain, 1, false, 0);
    first.head = None;
    let mut lives = [first.clone(), first.clone(), first];
    for (n, (who, answer_lost)) in turns.iter().enumerate() {
        let today = i64::try_from(n).unwrap() / 4;
        let step = lives[*who].ask(&mut chain, 2 + n as u128, *answer_lost, today);
        each(&mut chain, &lives, *who, step);
    }
}

proptest! {
    /// Copies are never taken for one, and each has one branch however often it asks and whatever is lost.
    #[test]
    fn as_many_branches_as_there_are_lives(turns in prop::collection::vec((0usize..3, any::<bool>()), 1..50)) {
        asked(&turns, |chain, lives, who, _| {
            let heads: Vec<_> = lives.iter().filter_map(|life| life.head).collect();
            assert_eq!(chain.branches().len(), heads.len());
            assert!(chain.branches().iter().all(|branch| heads.contains(&branch.head)));
            let spoke = lives[who].head.unwrap();
            let wanted = (heads.len() > 1).then_some(ForkState::Open);
            assert_eq!(chain.fork(spoke).map(|fork| fork.state), wanted);
            assert_eq!(chain.speaks(spoke), heads.len() == 1);
        });
    }

    /// From the moment when one is named, it alone speaks for the environment, and all are told so.
    #[test]
    fn the_survivor_alone_speaks(
        turns in prop::collection::vec((0usize..3, any::<bool>()), 2..50),
        named in 0usize..3,
        from in 1usize..20,
    ) {
        let mut survivor = None;
        let mut n = 0;
        asked(&turns, |chain, lives, who, _| {
            n += 1;
            let head = lives[named].head.filter(|_| n >= from && survivor.is_none());
            if head.is_some_and(|head| chain.is_forked() && chain.name_survivor(head)) {
                survivor = Some(named);
            }
            let Some(survivor) = survivor else { return };
            let spoke = lives[who].head.unwrap();
            assert_eq!(chain.survivor().map(|branch| branch.head), lives[survivor].head);
            assert_eq!(chain.speaks(spoke), who == survivor);
            let wanted = if who == survivor { ForkState::Survivor } else { ForkState::Superseded };
            assert_eq!(chain.fork(spoke).map(|fork| fork.state), Some(wanted));
        });
    }

    /// Whatever is sent, there is one survivor at the most, and nothing but its own silence ends it.
    #[test]
    fn nothing_pushes_the_survivor_out(sent in prop::collection::vec((0u128..60, any::<bool>(), any::<bool>()), 1..60)) {
        let mut chain = forked();
        chain.name_survivor(id(3));
        let mut head = id(3);
        for (n, (previous, known, activates)) in sent.into_iter().enumerate() {
            let this = 4 + n as u128;
            let link = Link { previous_known: known, activates, ..link(this, (previous > 0).then_some(previous)) };
            if link.previous == Some(head) {
                head = id(this);
            }
            chain.receive(&link, day(2));
            prop_assert!(chain.branches().len() <= 8);
            prop_assert_eq!(chain.branches().iter().filter(|branch| branch.survivor).count(), 1);
            prop_assert_eq!(chain.survivor().map(|branch| branch.head), Some(head));
        }
    }
}

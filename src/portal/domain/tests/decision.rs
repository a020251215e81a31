//! The decision table.

use super::samples::*;
use crate::{
    license::{RequestId, Sequence},
    portal::domain::{
        CurrentDocument, Decision, Environment, Holds, Link, Refusal, Revision, Standing,
        Subscription, decide,
    },
};
use uuid::Uuid;

#[test]
fn what_is_answered_is_a_table() {
    use Decision::{Issue, NothingNew, Revoke, SendCurrent};
    use Holds::{Current, Nothing, Other};
    let license = || Some(CurrentDocument::License("license".to_owned()));
    let revocation = || Some(CurrentDocument::Revocation("revocation".to_owned()));
    let (newest, older) = (Revision(3), Revision(2));
    let active = || Standing::Active;
    #[rustfmt::skip]
    let table = [
        (active(),            license(),    newest, Current, IN_TERM,  Ok(NothingNew)),
        (active(),            license(),    newest, Other,   IN_TERM,  Ok(SendCurrent)),
        (active(),            license(),    newest, Nothing, IN_TERM,  Ok(SendCurrent)),
        (active(),            license(),    older,  Current, IN_TERM,  Ok(Issue)),
        (active(),            license(),    older,  Current, IN_GRACE, Ok(Issue)),
        (active(),            license(),    older,  Current, ENDED,    Ok(NothingNew)),
        (active(),            license(),    newest, Nothing, ENDED,    Ok(NothingNew)),
        (active(),            None,         newest, Nothing, IN_TERM,  Ok(Issue)),
        (active(),            revocation(), older,  Current, IN_TERM,  Ok(Issue)),
        (active(),            revocation(), newest, Current, IN_TERM,  Ok(Issue)),
        (Standing::Suspended, license(),    older,  Current, IN_TERM,  Err(Refusal::Suspended)),
        (revoked(),           license(),    older,  Current, IN_TERM,  Ok(Revoke)),
        (revoked(),           license(),    older,  Current, ENDED,    Ok(Revoke)),
        (revoked(),           None,         older,  Nothing, IN_TERM,  Ok(Revoke)),
        (revoked(),           revocation(), older,  Other,   IN_TERM,  Ok(SendCurrent)),
        (revoked(),           revocation(), older,  Current, IN_TERM,  Ok(NothingNew)),
    ];
    for (standing, current, made_from, holds, now, wanted) in table {
        let s = Subscription { standing, ..subscription() };
        let e = Environment { current, made_from, ..environment("a", 1) };
        let found = decide(&s, &e, holds, at(now));
        assert_eq!(found, wanted, "{:?} {:?} {made_from} {holds:?} {now}", s.standing, e.current);
    }
}

#[test]
fn a_released_environment_is_told_so_whatever_else_is() {
    for standing in [Standing::Active, Standing::Suspended, revoked()] {
        let s = Subscription { standing, ..subscription() };
        let found = decide(&s, &released("a", 1), Holds::Other, at(IN_TERM));
        assert_eq!(found, Ok(Decision::AlreadyReleased));
    }
}

#[test]
fn a_fork_gets_nothing_later_but_what_was_issued_and_the_revocation() {
    let mut forked = environment("a", 1);
    for n in 1..3 {
        let id = RequestId(Uuid::from_u128(n));
        let link = Link {
            id,
            previous: None,
            previous_known: false,
            unsettled: &[],
            reserved: &[],
            activates: false,
        };
        forked.chain.receive(&link, at(IN_TERM));
    }
    let renewed = Subscription { revision: Revision(4), ..subscription() };
    let decide = |s: &Subscription, holds| decide(s, &forked, holds, at(IN_TERM));
    assert_eq!(decide(&renewed, Holds::Current), Ok(Decision::NothingNew));
    assert_eq!(decide(&renewed, Holds::Other), Ok(Decision::NothingNew));
    assert_eq!(decide(&renewed, Holds::Nothing), Ok(Decision::SendCurrent));
    // Whose license was signed by a key that was revoked since has nothing; nor has the portal, until it made it anew.
    let mut disbelieved = forked.clone();
    disbelieved.current = None;
    let of_none = |holds| super::super::decide(&renewed, &disbelieved, holds, at(IN_TERM));
    assert_eq!(of_none(Holds::Nothing), Ok(Decision::Issue));
    assert_eq!(of_none(Holds::Other), Ok(Decision::NothingNew));
    let ended = Subscription { standing: revoked(), ..renewed };
    assert_eq!(decide(&ended, Holds::Current), Ok(Decision::Revoke));
}

#[test]
fn a_portal_that_forgot_some_counts_on_from_what_its_agent_knows() {
    let behind = |known| {
        let mut e = environment("a", 1);
        let caught_up = e.count_on_from(Sequence(known));
        assert_eq!(e.current.is_none(), caught_up);
        (caught_up, e.sequence.0)
    };
    assert_eq!(behind(3), (false, 4));
    assert_eq!(behind(4), (false, 4));
    assert_eq!(behind(5), (true, 5));
    assert_eq!(behind(1_000_004), (true, 1_000_004));
    // Nobody makes an environment count to where there is no next.
    assert_eq!(behind(1_000_005), (false, 4));
    assert_eq!(behind(u64::MAX), (false, 4));
}

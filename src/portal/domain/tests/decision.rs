//! The decision table.

use crate::{
    codes::{ActivationCode, SerialNumber},
    license::{KeyPair, Purpose, RequestId, Sequence},
    portal::domain::{
        Asked, Chain, CurrentDocument, Decision, Environment, Holds, Link, Place, Refusal,
        Revision, Standing, Subscription, Terms, decide, place,
    },
};
use jiff::Timestamp;
use std::slice::from_ref;
use uuid::Uuid;

const IN_TERM: &str = "2026-06-01T00:00:00Z";
const IN_GRACE: &str = "2027-01-30T23:59:59Z";
const ENDED: &str = "2027-01-31T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn subscription() -> Subscription {
    let terms =
        Terms::new("standard", "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    Subscription {
        id: Uuid::from_u128(1),
        activation_code: ActivationCode::from_content(&[7; 16]),
        customer: "ACME".to_owned(),
        terms,
        standing: Standing::Active,
        revision: Revision(3),
        created_at: at("2026-01-01T00:00:00Z"),
    }
}

fn revoked() -> Standing {
    Standing::Revoked { at: at("2026-05-01T00:00:00Z"), reason: "unpaid".to_owned() }
}

fn key(n: u8) -> KeyPair {
    KeyPair::from_seed(&[n; 32])
}

fn serial(name: &str) -> SerialNumber {
    SerialNumber::mint("smbios-uuid", name)
}

/// An environment with the license of the newest revision.
fn environment(name: &str, key_number: u8) -> Environment {
    Environment {
        id: Uuid::from_u128(u128::from(key_number) + 100),
        subscription_id: Uuid::from_u128(1),
        serial_number: serial(name),
        name: name.to_owned(),
        purpose: Purpose::Production,
        key: key(key_number).public(),
        sequence: Sequence(4),
        current: Some(CurrentDocument::License("license".to_owned())),
        made_from: Revision(3),
        chain: Chain::default(),
        activated_at: at("2026-01-02T00:00:00Z"),
        seen_at: at("2026-01-02T00:00:00Z"),
        released_at: None,
    }
}

fn released(name: &str, key_number: u8) -> Environment {
    let released_at = Some(at("2026-05-01T00:00:00Z"));
    Environment { released_at, current: None, ..environment(name, key_number) }
}

fn asked(name: &str, key_number: u8) -> Asked {
    Asked {
        serial_number: serial(name),
        key: key(key_number).thumbprint(),
        purpose: Purpose::Production,
        overridden: false,
    }
}

#[test]
fn a_place_is_found_by_serial_number_and_key() {
    let s = subscription();
    let find = |known: &[Environment], used, asked: &Asked| {
        place(&s, known, used, asked, at(IN_TERM)).map_err(|r| r.code())
    };
    let a = environment("a", 1);
    assert_eq!(find(&[], 0, &asked("a", 1)), Ok(Place::New));
    assert_eq!(find(&[], 1, &asked("a", 1)), Err("no-free-slot"));
    assert_eq!(find(from_ref(&a), 1, &asked("a", 1)), Ok(Place::Held(a.id)));
    assert_eq!(find(from_ref(&a), 1, &asked("a", 2)), Err("rebind-required"));
    // Even with a free slot: one machine is one environment.
    assert_eq!(find(from_ref(&a), 0, &asked("a", 2)), Err("rebind-required"));
    // Known by a candidate: the same key is the same machine, another key tells nothing.
    assert_eq!(find(from_ref(&a), 1, &asked("better source", 1)), Ok(Place::Held(a.id)));
    assert_eq!(find(from_ref(&a), 0, &asked("better source", 2)), Ok(Place::New));
    // The Serial Number asked for comes before candidates.
    let b = Environment { id: Uuid::from_u128(9), ..environment("b", 1) };
    assert_eq!(find(&[a.clone(), b.clone()], 2, &asked("b", 1)), Ok(Place::Held(b.id)));
    // Released: the slot must be free again, whatever the key is.
    let old = released("a", 1);
    assert_eq!(find(from_ref(&old), 0, &asked("a", 1)), Ok(Place::Again(old.id)));
    assert_eq!(find(from_ref(&old), 0, &asked("a", 2)), Ok(Place::Again(old.id)));
    assert_eq!(find(from_ref(&old), 1, &asked("a", 1)), Err("no-free-slot"));
}

#[test]
fn another_purpose_is_refused_while_the_slot_is_held() {
    let wrong = Asked { purpose: Purpose::Quality, ..asked("a", 1) };
    let place = |known: &[Environment]| place(&subscription(), known, 0, &wrong, at(IN_TERM));
    assert_eq!(place(&[environment("a", 1)]).map_err(|r| r.code()), Err("purpose-differs"));
    let old = released("a", 1);
    assert_eq!(place(from_ref(&old)), Ok(Place::Again(old.id)));
}

#[test]
fn a_full_subscription_says_how_full_it_is() {
    let mut s = subscription();
    s.terms.slots.insert(Purpose::Production, 5);
    let refusal = place(&s, &[], 5, &asked("a", 1), at(IN_TERM)).unwrap_err();
    assert_eq!(refusal, Refusal::NoFreeSlot { purpose: Purpose::Production, used: 5, total: 5 });
    let text = refusal.to_string();
    assert!(text.contains("5 of 5") && text.contains("entitlectl release"), "{text}");
}

#[test]
fn the_subscription_must_stand_and_be_in_term_for_a_new_environment() {
    for (standing, now, wanted) in [
        (Standing::Active, "2025-12-31T23:59:59Z", Err("subscription-not-started")),
        (Standing::Active, "2026-01-01T00:00:00Z", Ok(Place::New)),
        (Standing::Active, IN_GRACE, Ok(Place::New)),
        (Standing::Active, ENDED, Err("subscription-ended")),
        (Standing::Suspended, IN_TERM, Err("subscription-suspended")),
        (revoked(), IN_TERM, Err("subscription-revoked")),
    ] {
        let s = Subscription { standing, ..subscription() };
        let found = place(&s, &[], 0, &asked("a", 1), at(now)).map_err(|r| r.code());
        assert_eq!(found, wanted, "{:?} {now}", s.standing);
    }
}

#[test]
fn an_environment_that_has_its_slot_keeps_it() {
    let a = environment("a", 1);
    for (standing, now, wanted) in [
        (Standing::Active, IN_GRACE, Ok(Place::Held(a.id))),
        (Standing::Active, ENDED, Err("subscription-ended")),
        (revoked(), IN_TERM, Ok(Place::Held(a.id))),
        (revoked(), ENDED, Ok(Place::Held(a.id))),
    ] {
        let s = Subscription { standing, ..subscription() };
        let found = place(&s, from_ref(&a), 1, &asked("a", 1), at(now)).map_err(|r| r.code());
        assert_eq!(found, wanted, "{:?} {now}", s.standing);
    }
}

#[test]
fn the_vendor_may_forbid_the_override() {
    let mut s = subscription();
    let overridden = Asked { overridden: true, ..asked("a", 1) };
    let find = |s: &Subscription| place(s, &[], 0, &overridden, at(IN_TERM)).map_err(|r| r.code());
    assert_eq!(find(&s), Ok(Place::New));
    s.terms.allow_override = false;
    assert_eq!(find(&s), Err("override-not-allowed"));
}

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
        let link =
            Link { id, previous: None, previous_known: false, unsettled: &[], activates: false };
        forked.chain.receive(&link, at(IN_TERM));
    }
    let renewed = Subscription { revision: Revision(4), ..subscription() };
    let decide = |s: &Subscription, holds| decide(s, &forked, holds, at(IN_TERM));
    assert_eq!(decide(&renewed, Holds::Current), Ok(Decision::NothingNew));
    assert_eq!(decide(&renewed, Holds::Other), Ok(Decision::NothingNew));
    assert_eq!(decide(&renewed, Holds::Nothing), Ok(Decision::SendCurrent));
    let ended = Subscription { standing: revoked(), ..renewed };
    assert_eq!(decide(&ended, Holds::Current), Ok(Decision::Revoke));
}

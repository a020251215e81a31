//! Where an activation finds its slot.

use super::samples::*;
use crate::{
    license::Purpose,
    portal::domain::{
        Asked, Environment, Known, Likeness, Place, Refusal, Standing, Subscription, place,
    },
};
use std::slice::from_ref;
use uuid::Uuid;

fn asked(name: &str, key_number: u8) -> Asked {
    Asked {
        serial_number: serial(name),
        key: key(key_number).thumbprint(),
        purpose: Purpose::Production,
        overridden: false,
    }
}

/// The environments as those that the machine may be, by its Serial Number or else as the same machine.
fn alike(environments: &[Environment], asked: &Asked) -> Vec<Known> {
    let known = |environment: &Environment| {
        let likeness = if environment.serial_number == asked.serial_number {
            Likeness::SerialNumber
        } else {
            Likeness::Machine
        };
        Known { environment: environment.clone(), likeness }
    };
    environments.iter().map(known).collect()
}

#[test]
fn a_place_is_found_by_serial_number_and_key() {
    let s = subscription();
    let find = |known: &[Environment], used, asked: &Asked| {
        place(&s, &alike(known, asked), used, asked, at(IN_TERM)).map_err(|r| r.code())
    };
    let a = environment("a", 1);
    assert_eq!(find(&[], 0, &asked("a", 1)), Ok(Place::New));
    assert_eq!(find(&[], 1, &asked("a", 1)), Err("no-free-slot"));
    assert_eq!(find(from_ref(&a), 1, &asked("a", 1)), Ok(Place::Held(a.id)));
    assert_eq!(find(from_ref(&a), 1, &asked("a", 2)), Err("rebind-required"));
    // Even with a free slot: one machine is one environment.
    assert_eq!(find(from_ref(&a), 0, &asked("a", 2)), Err("rebind-required"));
    // Known by a candidate or by its hardware.
    assert_eq!(find(from_ref(&a), 1, &asked("better source", 1)), Ok(Place::Held(a.id)));
    assert_eq!(find(from_ref(&a), 0, &asked("better source", 2)), Err("rebind-required"));
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
    let place = |known: &[Environment]| {
        place(&subscription(), &alike(known, &wrong), 0, &wrong, at(IN_TERM))
    };
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
        let found = place(&s, &alike(from_ref(&a), &asked("a", 1)), 1, &asked("a", 1), at(now))
            .map_err(|r| r.code());
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
fn another_machine_that_shares_a_serial_is_another_environment() {
    let (s, a) = (subscription(), environment("a", 1));
    let find = |likeness, asked: &Asked| {
        let known = Known { environment: a.clone(), likeness };
        place(&s, &[known], 0, asked, at(IN_TERM)).map_err(|r| r.code())
    };
    assert_eq!(find(Likeness::Unlike, &asked("blade", 2)), Ok(Place::New));
    // The key says more than the hardware.
    assert_eq!(find(Likeness::Unlike, &asked("blade", 1)), Ok(Place::Held(a.id)));
}

#[test]
fn likeness_is_a_table() {
    use Likeness::{Machine, Unlike};
    let (named, known) = (serial("a"), serial("b"));
    let of = |candidates: &[_], vote| Likeness::of(known, named, candidates, vote);
    #[rustfmt::skip]
    let table = [
        (vec![],           None,        None),
        (vec![],           Some(false), None),
        (vec![],           Some(true),  Some(Machine)),
        (vec![serial("b")], None,        Some(Machine)),
        (vec![serial("b")], Some(true),  Some(Machine)),
        (vec![serial("b")], Some(false), Some(Unlike)),
    ];
    for (candidates, vote, wanted) in table {
        assert_eq!(of(&candidates, vote), wanted, "{candidates:?} {vote:?}");
    }
    for vote in [None, Some(true), Some(false)] {
        assert_eq!(Likeness::of(named, named, &[], vote), Some(Likeness::SerialNumber));
    }
}

#[test]
fn a_slot_that_is_reserved_for_a_serial_number_gets_the_machines_key() {
    let s = subscription();
    let reserved = Environment { key: None, ..environment("a", 1) };
    let find = |s: &Subscription, asked: &Asked| {
        let known = alike(from_ref(&reserved), asked);
        place(s, &known, 1, asked, at(IN_TERM)).map_err(|r| r.code())
    };
    assert_eq!(find(&s, &asked("a", 7)), Ok(Place::Reserved(reserved.id)));
    let quality = Asked { purpose: Purpose::Quality, ..asked("a", 7) };
    assert_eq!(find(&s, &quality), Err("purpose-differs"));
    let suspended = Subscription { standing: Standing::Suspended, ..subscription() };
    assert_eq!(find(&suspended, &asked("a", 7)), Err("subscription-suspended"));
}

#[test]
fn what_was_released_off_line_comes_back_to_its_own_slot() {
    let s = subscription();
    let slot_held_until = Some(at("2026-07-01T00:00:00Z"));
    let old = Environment { slot_held_until, ..released("a", 1) };
    let find = |asked: &Asked, now: &str| {
        place(&s, &alike(from_ref(&old), asked), 1, asked, at(now)).map_err(|r| r.code())
    };
    assert_eq!(find(&asked("a", 2), IN_TERM), Ok(Place::Again(old.id)));
    // The slot has been free since, and another has it.
    assert_eq!(find(&asked("a", 2), "2026-07-01T00:00:00Z"), Err("no-free-slot"));
    let stranger = place(&s, &[], 1, &asked("b", 2), at(IN_TERM));
    assert_eq!(stranger.map_err(|r| r.code()), Err("no-free-slot"));
}

#[test]
fn a_known_machine_is_told_how_its_policy_wants_it() {
    use crate::portal::domain::RebindPolicy::{Approval, Code, Free};
    let a = environment("a", 1);
    for (policy, how) in
        [(Free, "`entitlectl rebind`"), (Code, "rebind-code"), (Approval, "approve")]
    {
        let mut s = subscription();
        s.terms.rebind = policy;
        let asked = asked("a", 2);
        let refusal = place(&s, &alike(from_ref(&a), &asked), 1, &asked, at(IN_TERM)).unwrap_err();
        let name = a.name.clone();
        assert_eq!(refusal, Refusal::RebindRequired { environment: a.id, name, policy });
        assert!(refusal.to_string().contains(how), "{refusal}");
    }
}

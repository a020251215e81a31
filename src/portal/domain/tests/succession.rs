//! Who takes an environment's place: every warrant under every policy, and every standing.

use super::samples::*;
use crate::{
    license::RequestId,
    portal::domain::{
        Environment, Ground, Heir, Link, RebindPolicy, Shown, SlotAfter, Standing, Subscription,
        Warrant, moving, rebind, slot_after,
    },
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

fn with_policy(policy: RebindPolicy) -> Subscription {
    let mut subscription = subscription();
    subscription.terms.rebind = policy;
    subscription
}

/// An environment as which two machines ask.
fn forked() -> Environment {
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
    forked
}

#[test]
fn a_rebind_is_a_table() {
    use RebindPolicy::{Approval, Code, Free};
    use Shown::{Approval as Approved, Nothing, RightCode, WrongCode};
    let wrong = WrongCode { left: 4 };
    // What is shown; under each policy: in one line, and forked.
    #[rustfmt::skip]
    let table = [
        (Nothing,   Free,     "",                     "environment-forked"),
        (Approved,  Free,     "",                     "environment-forked"),
        (RightCode, Free,     "",                     ""),
        (wrong,     Free,     "rebind-code-wrong",    "rebind-code-wrong"),
        (Nothing,   Code,     "rebind-code-required", "rebind-code-required"),
        (Approved,  Code,     "rebind-code-required", "rebind-code-required"),
        (RightCode, Code,     "",                     ""),
        (wrong,     Code,     "rebind-code-wrong",    "rebind-code-wrong"),
        (Nothing,   Approval, "rebind-pending",       "rebind-pending"),
        (Approved,  Approval, "",                     ""),
        (RightCode, Approval, "",                     ""),
        (wrong,     Approval, "rebind-code-wrong",    "rebind-code-wrong"),
    ];
    for (shown, policy, in_one_line, when_forked) in table {
        for (environment, wanted) in [(environment("a", 1), in_one_line), (forked(), when_forked)] {
            let heir = Heir { key: &key(2).public(), retired: false, overridden: false };
            let warrant = Warrant::ActivationCode(shown);
            let found =
                rebind(&with_policy(policy), &environment, &heir, true, warrant, at(IN_TERM));
            let found = found.map_or_else(|refusal| refusal.code(), |()| "");
            assert_eq!(found, wanted, "{shown:?} {policy:?}");
        }
    }
}

#[test]
fn the_old_keys_consent_needs_no_code_but_must_speak_for_the_environment() {
    for policy in [RebindPolicy::Free, RebindPolicy::Code, RebindPolicy::Approval] {
        let heir = Heir { key: &key(2).public(), retired: false, overridden: false };
        let (s, a) = (with_policy(policy), environment("a", 1));
        let found = |speaks| {
            let warrant = Warrant::Consent { speaks };
            rebind(&s, &a, &heir, true, warrant, at(IN_TERM)).map_err(|r| r.code())
        };
        assert_eq!(found(true), Ok(()));
        assert_eq!(found(false), Err("environment-forked"));
    }
}

/// What refuses both, before anything else is looked at.
#[test]
fn an_heir_has_a_new_key_and_an_environment_that_stands() {
    let (new, bound) = (key(2).public(), key(1).public());
    let plain = Heir { key: &new, retired: false, overridden: false };
    let active = || Standing::Active;
    let keyless = Environment { key: None, ..environment("a", 1) };
    #[rustfmt::skip]
    let table = [
        (environment("a", 1), plain,                              active(),            IN_TERM,  Ok(())),
        (environment("a", 1), plain,                              active(),            IN_GRACE, Ok(())),
        (environment("a", 1), plain,                              active(),            ENDED,    Err("subscription-ended")),
        (environment("a", 1), plain,                              Standing::Suspended, IN_TERM,  Err("subscription-suspended")),
        (environment("a", 1), plain,                              revoked(),           IN_TERM,  Err("subscription-revoked")),
        (environment("a", 1), Heir { key: &bound, ..plain },      active(),            IN_TERM,  Err("key-not-new")),
        (environment("a", 1), Heir { retired: true, ..plain },    active(),            IN_TERM,  Err("key-not-new")),
        (released("a", 1),    plain,                              active(),            IN_TERM,  Err("environment-released")),
        (keyless,             plain,                              active(),            IN_TERM,  Err("environment-unknown")),
    ];
    for (environment, heir, standing, now, wanted) in table {
        let s = Subscription { standing, ..subscription() };
        let warrant = Warrant::Consent { speaks: true };
        let found = rebind(&s, &environment, &heir, true, warrant, at(now)).map_err(|r| r.code());
        assert_eq!(found, wanted, "rebind, {:?} {now}", s.standing);
        let found = moving(&s, &environment, &heir, FREE, at(now));
        assert_eq!(found.map_err(|r| r.code()), wanted, "move, {:?} {now}", s.standing);
    }
}

#[test]
fn a_rebind_is_for_the_same_hardware() {
    let heir = Heir { key: &key(2).public(), retired: false, overridden: false };
    for warrant in [
        Warrant::Consent { speaks: true },
        Warrant::ActivationCode(Shown::RightCode),
        Warrant::ActivationCode(Shown::Approval),
    ] {
        let found =
            rebind(&subscription(), &environment("a", 1), &heir, false, warrant, at(IN_TERM));
        assert_eq!(found.map_err(|r| r.code()), Err("hardware-differs"));
    }
}

/// Nothing in the way.
const FREE: Ground = Ground { named: false, taken: None, slot: SlotAfter::Free };

#[test]
fn a_move_is_a_table() {
    let mut s = subscription();
    s.terms.allow_override = false;
    let new = key(2).public();
    let plain = Heir { key: &new, retired: false, overridden: false };
    let overridden = Heir { overridden: true, ..plain };
    let (own, other) = (Some(environment("a", 1).id), Some(Uuid::from_u128(5)));
    let held = SlotAfter::HeldUntil(at(ENDED));
    #[rustfmt::skip]
    let table = [
        (environment("a", 1), plain,      None,  SlotAfter::Free,    Ok(())),
        (environment("a", 1), plain,      None,  SlotAfter::Counted, Ok(())),
        (environment("a", 1), plain,      None,  held,               Err("offline-moves-used")),
        (environment("a", 1), plain,      own,   SlotAfter::Free,    Ok(())),
        (environment("a", 1), plain,      other, SlotAfter::Free,    Err("serial-number-taken")),
        (environment("a", 1), overridden, None,  SlotAfter::Free,    Err("override-not-allowed")),
        (forked(),            plain,      None,  SlotAfter::Free,    Err("environment-forked")),
    ];
    for (environment, heir, taken, slot, wanted) in table {
        let ground = Ground { taken, slot, ..FREE };
        let found = moving(&s, &environment, &heir, ground, at(IN_TERM)).map_err(|r| r.code());
        assert_eq!(found, wanted, "{taken:?} {slot:?}");
    }
    // 14 days later the fork is closed.
    let later = at(IN_TERM) + SignedDuration::from_hours(14 * 24);
    assert_eq!(moving(&s, &forked(), &plain, FREE, later), Ok(()));
    // The customer may name a branch that runs on other hardware.
    let named = Ground { named: true, ..FREE };
    assert_eq!(moving(&s, &forked(), &plain, named, at(IN_TERM)), Ok(()));
}

#[test]
fn an_off_line_release_frees_its_slot_at_once_a_few_times_a_year() {
    let (now, ends) = (at(IN_TERM), at(ENDED));
    let ago = |days: i64| now - SignedDuration::from_hours(24 * days);
    let mut s = subscription();
    s.terms.offline_releases_a_year = 2;
    let free = SlotAfter::Free;
    let held = SlotAfter::HeldUntil(ends);
    let second = SignedDuration::from_secs(1);
    #[rustfmt::skip]
    let table = [
        (false, vec![ago(1), ago(2)],                Some(ends),         free),
        (true,  vec![],                              None,               free),
        (true,  vec![ago(1), ago(2)],                Some(now),          free),
        (true,  vec![ago(1), ago(2)],                Some(now + second), SlotAfter::HeldUntil(now + second)),
        (true,  vec![],                              Some(ends),         SlotAfter::Counted),
        (true,  vec![ago(1)],                        Some(ends),         SlotAfter::Counted),
        (true,  vec![ago(1), ago(364)],              Some(ends),         held),
        (true,  vec![ago(1), ago(365) + second],     Some(ends),         held),
        (true,  vec![ago(1), ago(365)],              Some(ends),         SlotAfter::Counted),
    ];
    for (by_courier, earlier, license_ends, wanted) in table {
        let found = slot_after(&s, by_courier, &earlier, license_ends, now);
        assert_eq!(found, wanted, "{by_courier} {earlier:?} {license_ends:?}");
    }
    s.terms.offline_releases_a_year = 0;
    assert_eq!(slot_after(&s, true, &[] as &[Timestamp], Some(ends), now), held);
}

//! Which statements a member takes, by what is wrong with them.

use super::stated::*;
use crate::{
    license::{Confirmation, Sequence},
    members::{Accepted, Pinned, Refusal, judge},
};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

fn judged_at(text: &str, held: Option<&Accepted>, now: Timestamp) -> Result<Accepted, Refusal> {
    let (roots, ca, environment_key) = (roots(), authority(), key(ENVIRONMENT).public());
    let pinned =
        Pinned { product: PRODUCT, roots: &roots, ca: &ca, environment_key: &environment_key };
    judge(text, &pinned, held, now)
}

fn judged(stated: &Stated, held: Option<&Accepted>) -> Result<Accepted, Refusal> {
    judged_at(&stated.sign(), held, at("2026-03-02T00:00:00Z"))
}

fn held() -> Accepted {
    judged(&Stated::default(), None).unwrap()
}

#[track_caller]
fn refused(stated: &Stated, held: Option<&Accepted>, code: &str) {
    let refusal = judged(stated, held).unwrap_err();
    assert_eq!(refusal.code(), code, "{refusal}");
}

#[test]
fn what_somebody_else_signed_or_changed_is_forged() {
    let held = held();
    for forger in [
        Stated::with(|s| s.root = 11),
        Stated::with(|s| s.portal = 11),
        Stated::with(|s| s.environment = 11),
        Stated::with(|s| s.license.aud = "other".to_owned()),
        Stated::with(|s| {
            s.revocation = Some(crate::license::RevocationClaims {
                sub: crate::identity::mint_override("another machine of these tests")
                    .unwrap()
                    .serial_number,
                ..revocation()
            });
        }),
    ] {
        refused(&forger, None, "statement-forged");
        refused(&forger, Some(&held), "statement-forged");
    }
    let text = Stated::default().sign();
    for at in [10, text.len() / 2, text.len() - 10] {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let refusal = judged_at(&changed, None, at_noon()).unwrap_err();
        assert_eq!(refusal.code(), "statement-forged");
    }
    for garbage in ["", "garbage", &"a.b.c".repeat(9), &"a".repeat(2 << 20)] {
        assert_eq!(judged_at(garbage, None, at_noon()).unwrap_err().code(), "statement-forged");
    }
}

fn at_noon() -> Timestamp {
    at("2026-03-02T12:00:00Z")
}

#[test]
fn another_environments_statement_is_foreign_whatever_its_sequence() {
    let held = held();
    refused(&Stated::foreign(), None, "statement-foreign");
    refused(&Stated::foreign(), Some(&held), "statement-foreign");
    let other_authority = Stated::with(|s| s.license.ca = Some(key(14).thumbprint()));
    refused(&other_authority, Some(&held), "statement-foreign");
}

#[test]
fn the_environment_is_known_by_its_authority_or_its_key_or_by_the_portal() {
    let held = held();
    let rebound = |s: &mut Stated| {
        s.environment = 13;
        s.license.cnf = Some(Confirmation { jwk: key(13).public() });
        s.license.seq = Sequence(4);
        s.generation = 1;
    };
    // The portal bound it to a new key: who holds a license of it follows.
    assert!(judged(&Stated::with(rebound), Some(&held)).is_ok());
    refused(&Stated::with(rebound), None, "statement-foreign");
    // The license names the authority that the token pinned.
    let named = Stated::with(|s| {
        rebound(s);
        s.license.ca = Some(authority());
    });
    assert!(judged(&named, None).is_ok());
    // Bound to the Serial Number alone: the key of the joining must have signed.
    assert!(judged(&Stated::with(|s| s.license.cnf = None), None).is_ok());
    let unbound = Stated::with(|s| (s.license.cnf, s.environment) = (None, 13));
    refused(&unbound, None, "statement-forged");
}

#[test]
fn a_replay_is_older_and_the_same_again_is_news_of_a_living_controller() {
    let held = held();
    assert!(judged(&Stated::default(), Some(&held)).is_ok());
    assert!(judged(&Stated::with(|s| s.made_at = at("1990-01-01T00:00:00Z")), Some(&held)).is_ok());
    refused(&Stated::with(|s| s.generation = 6), Some(&held), "statement-older");
    let older = Stated::with(|s| (s.license.seq, s.generation) = (Sequence(2), 99));
    refused(&older, Some(&held), "statement-older");
    let newer = Stated::with(|s| (s.license.seq, s.generation) = (Sequence(4), 1));
    assert!(judged(&newer, Some(&held)).is_ok());
    // After a revocation the license alone does not come back.
    let revoked = Stated::with(|s| (s.revocation, s.generation) = (Some(revocation()), 8));
    let revoked = judged(&revoked, Some(&held)).unwrap();
    assert_eq!(revoked.sequence(), Sequence(4));
    refused(&Stated::with(|s| s.generation = 99), Some(&revoked), "statement-older");
}

#[test]
fn released_and_activated_again_the_later_environment_wins() {
    let held = held();
    let again = |issued: &str| {
        Stated::with(|s| {
            s.license.environment.id = Uuid::from_u128(77);
            (s.license.iat, s.license.nbf) = (at(issued), at(issued));
            (s.license.seq, s.generation) = (Sequence(1), 1);
        })
    };
    let later = judged(&again("2026-02-20T00:00:00Z"), Some(&held)).unwrap();
    refused(&again("2026-01-20T00:00:00Z"), Some(&held), "statement-older");
    refused(&Stated::with(|s| s.generation = 99), Some(&later), "statement-older");
}

#[test]
fn a_license_that_is_over_is_no_news() {
    let text = Stated::default().sign();
    let now = at("2027-01-31T00:00:00Z");
    assert_eq!(judged_at(&text, None, now).unwrap_err().code(), "statement-expired");
    // The held one's end is for the calendar; the controller may still say more about it.
    assert!(judged_at(&text, Some(&held()), now).is_ok());
}

#[test]
fn of_two_trust_documents_the_newer_counts() {
    let newer = judged(&Stated::with(|s| s.trust_version = 6), None).unwrap();
    let older = judged(&Stated::default(), Some(&newer)).unwrap();
    assert_eq!(older.statement.trust().version(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes in whatever order, what is held never falls.
    #[test]
    fn what_is_held_never_falls(words in prop::collection::vec((1u64..5, 1u64..5), 1..6)) {
        let mut held: Option<Accepted> = None;
        for (sequence, generation) in words {
            let stated = Stated::with(|s| (s.license.seq, s.generation) = (Sequence(sequence), generation));
            let before = held.as_ref().map(|held| (held.sequence(), held.generation()));
            let comes = Some((Sequence(sequence), generation));
            match judged(&stated, held.as_ref()) {
                Ok(accepted) => {
                    prop_assert!(comes >= before);
                    held = Some(accepted);
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal.code(), "statement-older");
                    prop_assert!(comes < before);
                }
            }
        }
    }
}

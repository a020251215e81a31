//! Requests that two keys sign: neither signature is worth anything without the other, nor with another's.

use super::samples::*;
use crate::license::*;
use proptest::prelude::*;
use std::sync::LazyLock;
use uuid::Uuid;

fn verify(text: &str) -> Result<(RequestClaims, PublicKey), DocumentError> {
    verify_request(text, PRODUCT, |_| Some(environment().public()))
}

/// A rebind with the old key's consent, or a move.
fn with_consent(kind: RequestKind) -> RequestClaims {
    let mut claims = request_claims(kind);
    claims.activation = None;
    claims.consent = None;
    claims.consent = Some(sign_consent(&claims, &newcomer().public(), &environment()).unwrap());
    claims
}

fn send(claims: &RequestClaims) -> Result<(RequestClaims, PublicKey), DocumentError> {
    verify(&sign_request(claims, &newcomer()).unwrap())
}

fn consent(edit: impl FnOnce(&mut ConsentClaims), key: &KeyPair) -> String {
    let claims = with_consent(RequestKind::Move);
    let text = claims.consent.unwrap();
    let mut consent = Unverified::parse(&text).unwrap().peek::<ConsentClaims>().unwrap();
    edit(&mut consent);
    sign(&consent, key).unwrap()
}

/// The reason for which a move with that consent is refused.
fn refused(consent: String) -> String {
    let claims = RequestClaims { consent: Some(consent), ..with_consent(RequestKind::Move) };
    match send(&claims).unwrap_err() {
        DocumentError::Request { member: "consent", reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_keys_have_signed() {
    for kind in [RequestKind::Rebind, RequestKind::Move] {
        let claims = with_consent(kind);
        assert_eq!(send(&claims).unwrap(), (claims, newcomer().public()));
    }
}

#[test]
fn a_consent_is_to_one_request_of_one_environment_by_one_key() {
    let other_id = RequestId(Uuid::from_u128(99));
    let environment = environment();
    for (consent, reason) in [
        (consent(|c| c.aud = "acme-crm".into(), &environment), "another product"),
        (consent(|c| c.request = RequestKind::Rebind, &environment), "another kind"),
        (consent(|c| c.request_id = other_id, &environment), "another request"),
        (consent(|c| c.environment_id = Uuid::from_u128(3), &environment), "another environment"),
        (consent(|c| c.key = stranger().thumbprint(), &environment), "another key"),
    ] {
        let found = refused(consent);
        assert!(found.contains(reason), "{found}");
    }
}

#[test]
fn a_consent_is_the_bound_keys() {
    let text = refused(consent(|_| (), &stranger()));
    assert!(text.contains("another key than the environment's"), "{text}");
    // Signed by the key that it helps.
    let text = refused(consent(|_| (), &newcomer()));
    assert!(text.contains("another key than the environment's"), "{text}");
    // Signed in the bound key's name.
    let header = header(ConsentClaims::TYPE, &environment()).to_string();
    let claims = consent(|_| (), &environment());
    let claims = Unverified::parse(&claims).unwrap().peek::<ConsentClaims>().unwrap();
    let text = refused(signed(header, serde_json::to_string(&claims).unwrap(), &newcomer()));
    assert!(text.contains("signature does not match"), "{text}");
}

#[test]
fn no_key_consents_to_itself() {
    let mut claims = with_consent(RequestKind::Move);
    claims.consent = None;
    claims.consent = sign_consent(&claims, &environment().public(), &environment()).ok();
    let error = verify(&sign_request(&claims, &environment()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("consents to itself"), "{error}");
}

#[test]
fn what_is_no_consent_is_none() {
    let move_request = sign_request(&with_consent(RequestKind::Move), &environment()).unwrap();
    for text in [String::new(), "a.b.c".to_owned(), license(), move_request, "x".repeat(2000)] {
        assert!(!refused(text).is_empty());
    }
}

#[test]
fn a_consent_without_a_bound_key_helps_nobody() {
    let text = sign_request(&with_consent(RequestKind::Move), &newcomer()).unwrap();
    let error = verify_request(&text, PRODUCT, |_| None).unwrap_err();
    assert_eq!(error, DocumentError::UnknownKey { kid: environment().thumbprint() });
}

#[test]
fn a_request_with_a_consent_names_its_environment() {
    let mut claims = with_consent(RequestKind::Move);
    claims.environment.id = None;
    for error in [
        send(&claims).unwrap_err(),
        sign_consent(&claims, &newcomer().public(), &environment()).unwrap_err(),
    ] {
        assert!(matches!(error, DocumentError::Request { member: "environment.id", .. }));
    }
}

#[test]
fn a_consent_is_no_request() {
    let text = with_consent(RequestKind::Move).consent.unwrap();
    assert_eq!(verify(&text).unwrap_err().code(), "document-type");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Two requests, each with two sound signatures: with a part of the other, neither is sound.
    #[test]
    fn parts_of_two_requests_never_fit(
        ids in (any::<u128>(), any::<u128>()),
        environments in (0u128..3, 0u128..3),
        newcomers in (0u8..3, 0u8..3),
        moves in (any::<bool>(), any::<bool>()),
    ) {
        let one = sample(ids.0, environments.0, newcomers.0, moves.0);
        let other = sample(ids.1, environments.1, newcomers.1, moves.1);
        let mixed = RequestClaims { consent: other.1.consent.clone(), ..one.1.clone() };
        let same = ids.0 == ids.1 && environments.0 == environments.1
            && newcomers.0 == newcomers.1 && moves.0 == moves.1;
        let text = sign_request(&mixed, &one.0).unwrap();
        prop_assert_eq!(verify(&text).is_ok(), same);
    }

    /// A consent with one changed symbol is none.
    #[test]
    fn a_damaged_consent_is_none(place in any::<prop::sample::Index>(), symbol in "[A-Za-z0-9_.-]") {
        static SOUND: LazyLock<RequestClaims> = LazyLock::new(|| with_consent(RequestKind::Move));
        let mut claims = SOUND.clone();
        let mut text = claims.consent.clone().unwrap();
        let place = place.index(text.len());
        text.replace_range(place..=place, &symbol);
        let changed = Some(&text) != claims.consent.as_ref();
        claims.consent = Some(text);
        prop_assert_eq!(send(&claims).is_err(), changed);
    }
}

/// A request that two keys have signed, and the newcomer's key.
fn sample(id: u128, environment_id: u128, new: u8, moves: bool) -> (KeyPair, RequestClaims) {
    let key = KeyPair::from_seed(&[new + 100; 32]);
    let kind = if moves { RequestKind::Move } else { RequestKind::Rebind };
    let mut claims = RequestClaims { consent: None, activation: None, ..request_claims(kind) };
    claims.jti = RequestId(Uuid::from_u128(id));
    claims.environment.id = Some(Uuid::from_u128(environment_id));
    claims.consent = Some(sign_consent(&claims, &key.public(), &environment()).unwrap());
    (key, claims)
}

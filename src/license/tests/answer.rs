//! Answers, and the documents in them.

use super::samples::*;
use crate::license::*;

fn answer(outcome: Outcome, trust: Option<String>) -> String {
    sign(&answer_claims(outcome, trust), &portal()).unwrap()
}

fn open(text: &str, held: Option<&VerifiedTrust>) -> Result<OpenedAnswer, DocumentError> {
    open_answer(text, PRODUCT, &roots(), held)
}

fn nothing_new() -> Outcome {
    Outcome::NothingNew { sequence: Sequence(3) }
}

fn trust_of(version: u64, keys: &[(&KeyPair, KeyStatus)]) -> String {
    sign(&trust_claims(version, keys), &root()).unwrap()
}

#[test]
fn a_first_answer_brings_trust_and_license() {
    let text = answer(Outcome::License(license()), Some(trust_text()));
    let opened = open(&text, None).unwrap();
    assert_eq!(opened.portal_time, at("2026-01-02T03:04:06Z"));
    assert_eq!(opened.in_reply_to, request_id());
    assert_eq!(opened.license.unwrap().text(), license());
    assert_eq!(opened.trust.unwrap(), trust());
    assert_eq!(opened.revocation, None);
}

#[test]
fn without_any_trust_nothing_is_believed() {
    let error = open(&answer(nothing_new(), None), None).unwrap_err();
    assert_eq!(error, DocumentError::NoTrust);
}

#[test]
fn the_held_trust_is_enough() {
    let opened = open(&answer(nothing_new(), None), Some(&trust())).unwrap();
    assert_eq!((opened.outcome, opened.trust), (nothing_new(), None));
    // The same one again is nothing new.
    let opened = open(&answer(nothing_new(), Some(trust_text())), Some(&trust())).unwrap();
    assert_eq!(opened.trust, None);
}

#[test]
fn a_newer_trust_decides_over_the_answer_that_carries_it() {
    let newer = trust_of(6, &[(&portal(), KeyStatus::Retired), (&stranger(), KeyStatus::Active)]);
    let text = sign(&answer_claims(nothing_new(), Some(newer.clone())), &stranger()).unwrap();
    assert_eq!(open(&text, Some(&trust())).unwrap().trust.unwrap().text(), newer);

    let revokes = trust_of(6, &[(&portal(), KeyStatus::Revoked)]);
    let error = open(&answer(nothing_new(), Some(revokes)), Some(&trust())).unwrap_err();
    let (kid, status) = (portal().thumbprint(), KeyStatus::Revoked);
    assert_eq!(error, DocumentError::KeyNotBelieved { kid, status });
}

#[test]
fn an_older_trust_is_refused() {
    let older = trust_of(4, &[(&portal(), KeyStatus::Active)]);
    let error = open(&answer(nothing_new(), Some(older)), Some(&trust())).unwrap_err();
    assert_eq!(error, DocumentError::TrustVersion { held: 5, found: 4 });
    let other = trust_of(5, &[(&stranger(), KeyStatus::Active)]);
    let error = open(&answer(nothing_new(), Some(other)), Some(&trust())).unwrap_err();
    assert_eq!(error, DocumentError::TrustVersionReused { version: 5 });
}

#[test]
fn a_forged_trust_is_refused() {
    let claims = trust_claims(9, &[(&stranger(), KeyStatus::Active)]);
    let own = sign(&claims, &stranger()).unwrap();
    let header = header(TrustClaims::TYPE, &root()).to_string();
    let in_the_roots_name = signed(header, serde_json::to_string(&claims).unwrap(), &stranger());
    for (forged, code) in [
        (own, "document-unknown-root"),
        (in_the_roots_name, "document-signature"),
        (String::new(), "document-not-compact"),
        (license(), "document-type"),
    ] {
        let text = sign(&answer_claims(nothing_new(), Some(forged)), &stranger()).unwrap();
        for held in [None, Some(&trust())] {
            assert_eq!(open(&text, held).unwrap_err().code(), code);
        }
    }
}

#[test]
fn a_sound_trust_lends_no_belief_to_a_forged_answer() {
    let newer = trust_of(6, &[(&portal(), KeyStatus::Active)]);
    let claims =
        answer_claims(Outcome::Released { sequence: Sequence(9), slot_free_at: None }, Some(newer));
    let error = open(&sign(&claims, &stranger()).unwrap(), Some(&trust())).unwrap_err();
    assert_eq!(error, DocumentError::UnknownKey { kid: stranger().thumbprint() });
    let claims = serde_json::to_string(&claims).unwrap();
    let text = signed(header(AnswerClaims::TYPE, &portal()).to_string(), claims, &stranger());
    assert_eq!(open(&text, Some(&trust())).unwrap_err(), DocumentError::Signature);
}

#[test]
fn it_is_for_one_product() {
    let claims = AnswerClaims { aud: "acme-crm".to_owned(), ..answer_claims(nothing_new(), None) };
    let error = open(&sign(&claims, &portal()).unwrap(), Some(&trust())).unwrap_err();
    assert_eq!(error.code(), "document-audience");
}

#[test]
fn the_license_in_it_is_verified_too() {
    let by_stranger = sign(&license_claims(), &stranger()).unwrap();
    let mut claims = license_claims();
    claims.aud = "acme-crm".to_owned();
    let other_product = sign(&claims, &portal()).unwrap();
    claims = license_claims();
    claims.exp = at("2026-06-01T00:00:00Z");
    let dates = sign(&claims, &portal()).unwrap();
    for (license, code) in [
        (by_stranger, "document-unknown-key"),
        (other_product, "document-audience"),
        (dates, "document-dates"),
        (sign(&revocation_claims(), &portal()).unwrap(), "document-type"),
        ("a.b".to_owned(), "document-not-compact"),
    ] {
        let text = answer(Outcome::License(license), None);
        assert_eq!(open(&text, Some(&trust())).unwrap_err().code(), code);
    }
}

#[test]
fn the_revocation_in_it_is_verified_too() {
    let sound = sign(&revocation_claims(), &portal()).unwrap();
    let opened = open(&answer(Outcome::Revocation(sound), None), Some(&trust())).unwrap();
    assert_eq!(opened.revocation, Some(revocation_claims()));
    assert_eq!(opened.license, None);

    let by_stranger = sign(&revocation_claims(), &stranger()).unwrap();
    let other = RevocationClaims { aud: "acme-crm".to_owned(), ..revocation_claims() };
    let other_product = sign(&other, &portal()).unwrap();
    for (revocation, code) in [
        (by_stranger, "document-unknown-key"),
        (other_product, "document-audience"),
        (license(), "document-type"),
    ] {
        let text = answer(Outcome::Revocation(revocation), None);
        assert_eq!(open(&text, Some(&trust())).unwrap_err().code(), code);
    }
}

#[test]
fn an_outcome_is_one_of_those_known() {
    let mut claims = serde_json::to_value(answer_claims(nothing_new(), None)).unwrap();
    for outcome in [
        serde_json::json!({ "granted": {} }),
        serde_json::json!({}),
        serde_json::json!({ "license": license(), "revocation": license() }),
        serde_json::json!("license"),
        serde_json::json!({ "nothing_new": {} }),
    ] {
        claims["outcome"] = outcome;
        let header = header(AnswerClaims::TYPE, &portal()).to_string();
        let error =
            open(&signed(header, claims.to_string(), &portal()), Some(&trust())).unwrap_err();
        assert!(!damaged("payload", &error).is_empty());
    }
}

#[test]
fn a_fork_is_told_beside_the_outcome() {
    let since = at("2026-01-02T00:00:00Z");
    for state in [ForkState::Open, ForkState::Survivor, ForkState::Superseded] {
        let fork = Some(Fork { since, state });
        let text = sign(&AnswerClaims { fork, ..answer_claims(nothing_new(), None) }, &portal());
        let opened = open(&text.unwrap(), Some(&trust())).unwrap();
        assert_eq!((opened.fork, opened.outcome), (fork, nothing_new()));
    }
    // Portals that know nothing of it leave it out, and so does everyone who has nothing to say.
    let quiet = serde_json::to_value(answer_claims(nothing_new(), None)).unwrap();
    assert!(quiet.get("fork").is_none());
    assert_eq!(open(&answer(nothing_new(), None), Some(&trust())).unwrap().fork, None);
}

#[test]
fn a_retired_key_is_told_who_has_its_place() {
    let retired = Outcome::Retired {
        sequence: Sequence(4),
        by: Retirement::Move,
        serial_number: serial_number(),
        key: Some(stranger().thumbprint()),
    };
    let opened = open(&answer(retired.clone(), None), Some(&trust())).unwrap();
    assert_eq!(opened.outcome, retired);
    assert_eq!((opened.license, opened.revocation), (None, None));
}

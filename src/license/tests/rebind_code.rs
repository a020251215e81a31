//! The one-time code: typed by people, proved without being told.

use super::samples::*;
use crate::license::*;
use proptest::prelude::*;
use std::sync::LazyLock;
use uuid::Uuid;

static CODE: LazyLock<RebindCode> = LazyLock::new(|| RebindCode::random().unwrap());

fn text() -> String {
    CODE.expose().to_string()
}

fn read(text: &str) -> Option<String> {
    text.parse::<RebindCode>().ok().map(|code| code.expose().to_string())
}

#[test]
fn it_is_read_as_people_write_it() {
    let code = text();
    assert_eq!(code.len(), 19, "{code}");
    let typed = [
        code.clone(),
        code.to_lowercase(),
        code.replace('-', ""),
        code.replace('-', " "),
        format!("  {}\n", code.replace('0', "o").replace('1', "l")),
    ];
    for typed in typed {
        assert_eq!(read(&typed), Some(code.clone()), "{typed}");
    }
}

#[test]
fn no_two_are_alike() {
    let other = RebindCode::random().unwrap();
    assert_ne!(other.expose().to_string(), text());
    assert_ne!(other.verifier(), CODE.verifier());
}

#[test]
fn what_is_no_code_is_named_and_not_repeated() {
    let activation = code().expose();
    for typed in ["", "7KD4", "U234-5678-9ABC-DEFG", &format!("{}0", text()), &activation, "é"] {
        let error = typed.parse::<RebindCode>().map(drop).unwrap_err();
        assert_eq!(error.code(), "rebind-code-mistyped");
        let said = format!("{error} {error:?}");
        assert!(typed.len() < 4 || !said.contains(typed), "{said}");
    }
}

#[test]
fn a_proof_is_of_one_code_one_request_and_one_key() {
    let (jti, key) = (request_id(), newcomer().public());
    let (verifier, proof) = (CODE.verifier(), CODE.proof(jti, &key));
    let proves = |verifier: &PublicKey, proof: &str, jti, key: &PublicKey| {
        RebindCode::proves(verifier, proof, jti, key)
    };
    assert!(proves(&verifier, &proof, jti, &key));
    assert!(!proves(&RebindCode::random().unwrap().verifier(), &proof, jti, &key));
    assert!(!proves(&verifier, &proof, RequestId(Uuid::from_u128(1)), &key));
    assert!(!proves(&verifier, &proof, jti, &stranger().public()));
    for wrong in ["", "AAAA", &format!("{proof}="), &proof[1..], "…"] {
        assert!(!proves(&verifier, wrong, jti, &key), "{wrong}");
    }
}

#[test]
fn what_the_portal_keeps_and_what_is_sent_tell_nothing_of_it() {
    let mut claims = request_claims(RequestKind::Rebind);
    claims.rebind_proof = Some(CODE.proof(claims.jti, &newcomer().public()));
    let kept = serde_json::to_string(&CODE.verifier()).unwrap();
    let sent = serde_json::to_string(&claims).unwrap();
    let code = text();
    for told in [kept, sent] {
        assert!(!told.contains(&code) && !told.contains(&code.replace('-', "")));
    }
}

proptest! {
    /// A wrong symbol is a typing error, not a wrong code.
    #[test]
    fn every_single_wrong_symbol_is_caught(place in 0usize..19, symbol in "[0-9A-HJKMNP-TV-Z]") {
        let code = text();
        let mut typed = code.clone();
        prop_assume!(typed.as_bytes()[place] != b'-');
        typed.replace_range(place..=place, &symbol);
        prop_assert_eq!(read(&typed).is_some(), typed == code);
    }
}

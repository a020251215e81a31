//! The protected header: one algorithm, one type, one key, no extensions.

use super::samples::*;
use crate::license::*;
use serde_json::{Value, json};

/// A license whose header has one member set to another value.
fn license_with_header(name: &str, value: Value) -> String {
    let mut header = header(LICENSE, &portal());
    header[name] = value;
    signed(header.to_string(), serde_json::to_string(&license_claims()).unwrap(), &portal())
}

#[test]
fn every_other_algorithm_is_refused() {
    for alg in ["none", "None", "HS256", "ES256", "RS256", "eddsa", "EDDSA", "Ed448", "ed25519", ""]
    {
        let error = read_license(&license_with_header("alg", alg.into())).unwrap_err();
        assert_eq!(error, DocumentError::Algorithm { found: alg.to_owned() });
    }
    for alg in [Value::Null, json!(["EdDSA"]), json!(1)] {
        let error = read_license(&license_with_header("alg", alg)).unwrap_err();
        assert!(damaged("header", &error).starts_with("invalid type"), "{error}");
    }
}

#[test]
fn an_unsigned_token_is_named_by_its_algorithm() {
    // As attackers send it: no type, no key, no signature.
    let payload = license().split('.').nth(1).unwrap().to_owned();
    let error = read_license(&format!("eyJhbGciOiJub25lIn0.{payload}.")).unwrap_err();
    assert_eq!(error, DocumentError::Algorithm { found: "none".to_owned() });
}

#[test]
fn the_newer_name_of_the_algorithm_is_read() {
    assert!(read_license(&license_with_header("alg", "Ed25519".into())).is_ok());
}

#[test]
fn any_crit_is_refused() {
    let cases = [
        (json!(["exp"]), r#"["exp"]"#),
        (json!(["b64"]), r#"["b64"]"#),
        (json!([]), "[]"),
        (Value::Null, "null"),
        (json!("b64"), r#""b64""#),
    ];
    for (crit, names) in cases {
        let error = read_license(&license_with_header("crit", crit)).unwrap_err();
        assert_eq!(error, DocumentError::Critical { names: names.to_owned() });
    }
}

#[test]
fn crit_is_named_before_what_it_announces() {
    let mut header = header(LICENSE, &portal());
    header["b64"] = false.into();
    header["crit"] = json!(["b64"]);
    let text =
        signed(header.to_string(), serde_json::to_string(&license_claims()).unwrap(), &portal());
    let error = read_license(&text).unwrap_err();
    assert_eq!(error, DocumentError::Critical { names: r#"["b64"]"#.to_owned() });
}

#[test]
fn members_that_no_document_has_are_refused() {
    // `b64` without `crit` (RFC 7797 section 6) changes what is signed; the others fetch keys.
    for name in ["b64", "jku", "x5u", "x5c", "zip", "enc", "cty"] {
        let error = read_license(&license_with_header(name, false.into())).unwrap_err();
        let reason = damaged("header", &error);
        assert!(reason.starts_with(&format!("unknown field `{name}`")), "{reason}");
    }
}

#[test]
fn each_member_is_needed() {
    for name in ["alg", "typ", "kid"] {
        let mut header = header(LICENSE, &portal());
        header.as_object_mut().unwrap().remove(name);
        let text = signed(
            header.to_string(),
            serde_json::to_string(&license_claims()).unwrap(),
            &portal(),
        );
        let error = read_license(&text).unwrap_err();
        assert_eq!(damaged("header", &error), format!("missing field `{name}`"));
    }
}

#[test]
fn the_kid_is_the_thumbprint_of_the_signer() {
    let text = license_with_header("kid", json!(stranger().thumbprint()));
    let error = read_license(&text).unwrap_err();
    assert_eq!(error, DocumentError::UnknownKey { kid: stranger().thumbprint() });

    // A key that the trust document names, but not the one that signed.
    let names_both =
        trust_claims(6, &[(&portal(), KeyStatus::Active), (&stranger(), KeyStatus::Active)]);
    let names_both = sign(&names_both, &root()).unwrap();
    let names_both = roots().verify_trust(&names_both, PRODUCT, None).unwrap();
    let error = verify_license(&text, PRODUCT, &names_both).unwrap_err();
    assert_eq!(error, DocumentError::Signature);
    // The right key asked with another's kid is refused before its signature is looked at.
    let document = Unverified::parse(&text).unwrap();
    let error = document.verify::<LicenseClaims>(&portal().public()).unwrap_err();
    assert_eq!(error, DocumentError::UnknownKey { kid: stranger().thumbprint() });

    for kid in ["key-1", "", &"A".repeat(44)] {
        let error = read_license(&license_with_header("kid", kid.into())).unwrap_err();
        let expected = "expected an RFC 7638 thumbprint, 43 characters of base64url";
        assert_eq!(damaged("header", &error), expected);
    }
}

#[test]
fn a_key_in_the_header_of_a_license_is_the_signers_or_the_license_is_refused() {
    let text = license_with_header("jwk", serde_json::to_value(stranger().public()).unwrap());
    assert_eq!(read_license(&text).unwrap_err().code(), "document-key");
    let error = read_license(&license_with_header("jwk", Value::Null)).unwrap_err();
    assert!(damaged("header", &error).starts_with("invalid type: null"), "{error}");
}

#[test]
fn a_header_is_short() {
    let text = license_with_header("typ", "x".repeat(4096).into());
    let error = read_license(&text).unwrap_err();
    assert_eq!(damaged("header", &error), "longer than 4096 characters");
}

#[test]
fn a_header_is_an_object() {
    for header in [r#"["EdDSA","entitled-license+jwt",""]"#, "null", "1", "\"EdDSA\""] {
        let error = read_license(&signed(header, "{}", &portal())).unwrap_err();
        assert_eq!(damaged("header", &error), "expected an object");
    }
}

type Reader = fn(&Unverified<'_>) -> Option<DocumentError>;

fn reader<D: Document>() -> (&'static str, Reader) {
    (D::TYPE, |document| document.verify::<D>(&portal().public()).err())
}

#[test]
fn no_kind_of_document_is_taken_for_another() {
    let readers = [
        reader::<LicenseClaims>(),
        reader::<RevocationClaims>(),
        reader::<TrustClaims>(),
        reader::<RequestClaims>(),
        reader::<AnswerClaims>(),
    ];
    let documents = [
        license(),
        sign(&revocation_claims(), &portal()).unwrap(),
        sign(&trust_claims(5, &[]), &portal()).unwrap(),
        sign(&request_claims(RequestKind::Refresh), &portal()).unwrap(),
        sign(&answer_claims(Outcome::NothingNew { sequence: Sequence(3) }, None), &portal())
            .unwrap(),
    ];
    for (i, (expected, read)) in readers.iter().enumerate() {
        for (j, text) in documents.iter().enumerate() {
            let document = Unverified::parse(text).unwrap();
            let wanted =
                (i != j).then(|| DocumentError::Type { expected, found: readers[j].0.to_owned() });
            assert_eq!(read(&document), wanted, "{} read as {expected}", document.typ());
        }
    }
}

#[test]
fn each_way_in_refuses_other_types_of_the_same_contents() {
    let payload = serde_json::to_string(&license_claims()).unwrap();
    for typ in
        ["JWT", "entitled-license", "Entitled-License+jwt", "application/entitled-license+jwt", ""]
    {
        let text = signed(header(typ, &portal()).to_string(), &payload, &portal());
        let error = read_license(&text).unwrap_err();
        assert_eq!(error, DocumentError::Type { expected: LICENSE, found: typ.to_owned() });
    }
    let found = LICENSE.to_owned();
    let error = roots().verify_trust(&license(), PRODUCT, None).unwrap_err();
    assert_eq!(error, DocumentError::Type { expected: TrustClaims::TYPE, found: found.clone() });
    let error = open_answer(&license(), PRODUCT, &roots(), Some(&trust())).unwrap_err();
    assert_eq!(error, DocumentError::Type { expected: AnswerClaims::TYPE, found: found.clone() });
    let error = verify_request(&license(), PRODUCT, |_| None).unwrap_err();
    assert_eq!(error, DocumentError::Type { expected: RequestClaims::TYPE, found });
}

//! What errors say: short, on one line, without secrets, and with a stable code.

use super::samples::*;
use crate::license::*;
use serde_json::{Value, json};

/// Every way to be read, on one text.
fn errors(text: &str) -> Vec<DocumentError> {
    [
        read_license(text).err(),
        roots().verify_trust(text, PRODUCT, None).err(),
        open_answer(text, PRODUCT, &roots(), Some(&trust())).err(),
        verify_request(text, PRODUCT, |_| None).err(),
        Roots::none().add_key_set(text).err(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn a_secret_in_the_place_of_a_document_is_not_repeated() {
    let code = code();
    let code = code.expose();
    let pem = environment().to_pem().unwrap();
    let seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let private = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "", "d": seed }] });
    let in_quotes = json!({ "keys": [seed], "kid": seed });
    let secrets = [
        (code.clone(), &code[..7]),
        (code.replacen('.', "", 5), &code[..3]),
        (pem.to_string(), pem.lines().nth(1).unwrap().get(..24).unwrap()),
        (private.to_string(), &seed[..8]),
        (in_quotes.to_string(), &seed[..8]),
        (json!(seed).to_string(), &seed[..8]),
        (signed(json!(seed).to_string(), "{}", &portal()), &seed[..8]),
    ];
    for (text, secret) in secrets {
        let errors = errors(&text);
        assert_eq!(errors.len(), 5, "all refuse it");
        for error in errors {
            let said = format!("{error} {error:?} {}", Faults::from(error.clone()));
            assert!(!said.contains(secret), "{said}");
        }
    }
}

/// A foreign text that would fill a log, write into a terminal and forge a line.
fn foreign() -> String {
    format!("\u{1b}[2J\nok: believed\u{202e}{}", "x".repeat(2000))
}

fn assert_harmless(error: &DocumentError) {
    let text = error.to_string();
    assert!(text.chars().count() < 600, "{} characters", text.chars().count());
    assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
}

#[test]
fn a_foreign_text_in_a_header_is_bounded_and_escaped() {
    for (name, value) in [
        ("alg", json!(foreign())),
        ("typ", json!(foreign())),
        ("kid", json!(foreign())),
        ("crit", json!([foreign()])),
        (foreign().as_str(), json!(1)),
        ("jwk", json!(foreign())),
        ("jwk", json!({ "kty": foreign(), "crv": foreign(), "x": foreign() })),
    ] {
        let mut header = header(LICENSE, &portal());
        header[name] = value;
        let claims = json!(license_claims()).to_string();
        assert_harmless(&read_license(&signed(header.to_string(), claims, &portal())).unwrap_err());
    }
}

#[test]
fn a_foreign_text_in_a_payload_is_bounded_and_escaped() {
    for pointer in [
        "/aud",
        "/sub",
        "/jti",
        "/iat",
        "/seq",
        "/subscription",
        "/subscription/ends_at",
        "/environment/purpose",
        "/limits/users",
        "/limits/users/enforcement",
        "/cnf/jwk/x",
        "/ca",
    ] {
        assert_harmless(&read_license(&license_with(pointer, foreign().into())).unwrap_err());
    }
    let name = serde_json::to_string(&foreign()).unwrap();
    let twice = format!("{{{name}:1,{name}:2}}");
    let header = header(LICENSE, &portal()).to_string();
    let error = read_license(&signed(header, twice, &portal())).unwrap_err();
    assert!(damaged("payload", &error).contains("appears twice"), "{error}");
    assert_harmless(&error);
}

#[test]
fn a_foreign_text_that_is_no_document_is_bounded_and_escaped() {
    for text in [foreign(), format!("{0}.{0}.{0}", foreign()), foreign().repeat(100)] {
        errors(&text).iter().for_each(assert_harmless);
    }
    let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": foreign() }, foreign()] });
    errors(&set.to_string()).iter().for_each(assert_harmless);
    let set = json!({ "keys": [foreign()] });
    errors(&set.to_string()).iter().for_each(assert_harmless);
}

#[test]
fn an_error_is_named_by_what_was_expected_found_and_mends() {
    let error = read_license(&sign(&license_claims(), &stranger()).unwrap()).unwrap_err();
    let kid = stranger().thumbprint();
    let expected = format!(
        "signed by a key that the trust document does not name ({kid}): compare the vendor of the file with the product installed here, then `entitlectl refresh`, which fetches a newer trust document"
    );
    assert_eq!(error.to_string(), expected);
    let error = read_license(&license_with("/cnf/jwk/kty", Value::from("EC"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the payload of the document is damaged (expected a sound Ed25519 public key, found a key of another kind): carry or download it again"
    );
}

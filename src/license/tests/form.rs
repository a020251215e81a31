//! The compact form, base64url and JSON: one spelling for one document, and bounds for hostile ones.

use super::samples::*;
use crate::license::*;
use serde_json::json;

fn not_compact(text: &str) -> String {
    match read_license(text).unwrap_err() {
        DocumentError::NotCompact { found } => found,
        other => panic!("{other:?}"),
    }
}

/// A license of the portal with this text as its payload.
fn license_of(payload: impl AsRef<[u8]>) -> String {
    signed(header(LICENSE, &portal()).to_string(), payload, &portal())
}

/// The reason for which a license with this payload is refused.
fn refused(payload: impl AsRef<[u8]>) -> String {
    damaged("payload", &read_license(&license_of(payload)).unwrap_err())
}

fn payload() -> String {
    serde_json::to_string(&license_claims()).unwrap()
}

#[test]
fn what_is_no_document_is_named_by_its_form() {
    assert_eq!(not_compact(""), "an empty file");
    assert_eq!(not_compact(" \n "), "an empty file");
    assert_eq!(not_compact(&portal().to_pem().unwrap()), "a PEM file");
    assert_eq!(not_compact("<!DOCTYPE html><html>Sign in to the Wi-Fi</html>"), "a web page");
    assert_eq!(not_compact("{\"payload\":\"e30\"}"), "JSON that is not signed in the compact form");
    assert_eq!(not_compact("abc"), "3 bytes in 1 parts");
}

#[test]
fn there_are_three_parts() {
    let text = license();
    let [header, payload, signature] = text.split('.').collect::<Vec<_>>()[..] else { panic!() };
    for wrong in [
        format!("{header}.{payload}"),
        format!("{text}."),
        format!("{text}.{signature}"),
        format!(".{text}"),
        format!("{header}.{payload}..{signature}"),
    ] {
        assert!(not_compact(&wrong).ends_with("parts"), "{wrong}");
    }
    let error = read_license(&format!("{header}.{payload}.")).unwrap_err();
    assert_eq!(error, DocumentError::Signature);
    let error = read_license(&format!("{header}..{signature}")).unwrap_err();
    assert_eq!(error, DocumentError::Signature);
    let error = read_license(&format!(".{payload}.{signature}")).unwrap_err();
    assert!(damaged("header", &error).starts_with("EOF"), "{error}");
    let error = read_license("..").unwrap_err();
    assert_eq!(error.code(), "document-malformed");
}

#[test]
fn every_truncation_is_refused() {
    let text = license();
    for end in 0..text.len() {
        let error = read_license(&text[..end]).unwrap_err();
        let code = error.code();
        assert!(
            ["document-not-compact", "document-malformed", "document-signature"].contains(&code),
            "{code} at {end}"
        );
    }
}

#[test]
fn white_space_around_a_document_is_allowed_and_within_is_not() {
    let text = license();
    assert_eq!(read_license(&format!("\r\n {text}\t\n")).unwrap().text(), text);
    for within in ["\n", " ", "\r\n"] {
        for (i, _) in text.match_indices('.') {
            let mut broken = text.clone();
            broken.insert_str(i, within);
            assert_eq!(read_license(&broken).unwrap_err().code(), "document-malformed");
        }
    }
    let error = read_license(&format!("{text}\n{text}")).unwrap_err();
    assert_eq!(error.code(), "document-not-compact");
}

#[test]
fn each_part_is_spelled_in_one_way() {
    let text = license();
    let parts: Vec<&str> = text.split('.').collect();
    for (i, name) in ["header", "payload", "signature"].into_iter().enumerate() {
        let respelled = |part: &str| {
            let mut parts = parts.clone();
            parts[i] = part;
            parts.join(".")
        };
        // Padding, the alphabet of RFC 4648 section 4, characters of none, a length of no text.
        for wrong in ["=", "==", "+", "/", "~", "é", "\0"] {
            let error = read_license(&respelled(&format!("{}{wrong}", parts[i]))).unwrap_err();
            assert!(damaged(name, &error).starts_with("Invalid"), "{error}");
        }
    }
    // 64 bytes leave four bits of the last character unused: fifteen other spellings of the same signature.
    let (start, last) = text.split_at(text.len() - 1);
    let mut spellings = 0;
    for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        match read_license(&format!("{start}{c}")) {
            Ok(_) => assert_eq!(c.to_string(), last),
            Err(DocumentError::Signature) => {}
            Err(error) => {
                assert!(damaged("signature", &error).starts_with("Invalid last symbol"), "{error}");
                spellings += 1;
            }
        }
    }
    assert_eq!(spellings, 60, "only A, Q, g and w end 64 bytes");
}

#[test]
fn a_document_has_a_largest_size() {
    let found = MAX_DOCUMENT + 1;
    let error = read_license(&"a".repeat(found)).unwrap_err();
    assert_eq!(error, DocumentError::TooLarge { limit: MAX_DOCUMENT, found });
    let error = open_answer(&"a".repeat(found), PRODUCT, &roots(), None).unwrap_err();
    assert_eq!(error, DocumentError::TooLarge { limit: MAX_DOCUMENT, found });
    assert_eq!(not_compact(&"a".repeat(MAX_DOCUMENT)), "1048576 bytes in 1 parts");

    // What no reader takes is not signed.
    let mut claims = license_claims();
    claims.iss = "i".repeat(MAX_DOCUMENT);
    assert_eq!(sign(&claims, &portal()).unwrap_err().code(), "document-too-large");
    claims.iss = "i".repeat(MAX_DOCUMENT / 2);
    assert!(read_license(&sign(&claims, &portal()).unwrap()).is_ok());
}

#[test]
fn nesting_is_bounded() {
    let deep = 300_000;
    for payload in [
        "[".repeat(deep),
        "{\"a\":".repeat(deep / 4),
        format!("{{\"features\":{{\"a\":{}1{}}}}}", "[".repeat(deep), "]".repeat(deep)),
    ] {
        assert!(refused(payload).starts_with("recursion limit exceeded"));
    }
    let error = read_license(&signed("[".repeat(3000), "{}", &portal())).unwrap_err();
    assert!(damaged("header", &error).starts_with("recursion limit exceeded"), "{error}");
}

#[test]
fn no_object_names_a_member_twice() {
    let header_twice = |extra: &str| {
        let header = header(LICENSE, &portal()).to_string();
        header.replacen('{', &format!("{{{extra},"), 1)
    };
    for extra in [r#""alg":"EdDSA""#, r#""alg":"none""#, r#""\u0061lg":"none""#] {
        let error = read_license(&signed(header_twice(extra), payload(), &portal())).unwrap_err();
        let reason = damaged("header", &error);
        assert!(reason.starts_with("the member `alg` appears twice"), "{reason}");
    }
    let cases = [
        ("aud", payload().replacen('{', r#"{"aud":"other","#, 1)),
        ("aud", payload().replacen('{', r#"{"\u0061\u0075d":"other","#, 1)),
        ("purpose", payload().replace("\"purpose\"", r#""purpose":"quality","purpose""#)),
        ("x", payload().replace("\"x\":", r#""x":"","x":"#)),
        ("sso", payload().replace("\"sso\":", r#""sso":false,"sso":"#)),
        // Also where nobody here reads it.
        ("b", payload().replacen('{', r#"{"new":[{"a":[{"b":1,"b":1}]}],"#, 1)),
    ];
    for (name, payload) in cases {
        let reason = refused(payload);
        assert!(reason.starts_with(&format!("the member `{name}` appears twice")), "{reason}");
    }
}

#[test]
fn a_payload_is_one_json_object() {
    for other in ["[]", "null", "1", "\"a\"", "[\"iss\",\"aud\"]"] {
        assert_eq!(refused(other), "expected an object");
    }
    for (broken, expected) in [
        ("", "EOF while parsing"),
        ("{", "EOF while parsing"),
        ("{}{}", "trailing characters"),
        ("{} x", "trailing characters"),
        ("{\"a\":1,}", "trailing comma"),
        ("{'a':1}", "key must be a string"),
        ("\u{feff}{}", "expected value"),
    ] {
        assert!(refused(broken).starts_with(expected), "{broken}");
    }
    let mut not_utf8 = payload().into_bytes();
    let place = not_utf8.iter().position(|b| *b == b'P').unwrap();
    not_utf8[place] = 0xff;
    assert!(refused(not_utf8).starts_with("invalid unicode code point"));
    let half_a_pair = payload().replace("Production", "\\ud800");
    assert!(!refused(half_a_pair).is_empty());
}

#[test]
fn numbers_are_whole_and_in_range() {
    let number = |name: &str, text: &str| {
        let claims = serde_json::to_value(license_claims()).unwrap();
        let old = format!("\"{name}\":{}", claims[name]);
        payload().replace(&old, &format!("\"{name}\":{text}"))
    };
    for not_json in
        ["NaN", "Infinity", "-Infinity", "0x10", "1e999", "-1e999", "01", "+1", ".5", "1."]
    {
        for name in ["iat", "seq", "lease_days"] {
            assert!(!refused(number(name, not_json)).is_empty(), "{name}: {not_json}");
        }
    }
    for (name, wrong) in [
        ("iat", "1767323045.5"),
        ("iat", "1e10"),
        ("iat", "\"1767323045\""),
        ("iat", "\"2026-01-02T03:04:05Z\""),
        ("iat", "[1767323045]"),
        ("iat", "null"),
        ("iat", "true"),
        ("iat", "253402300800"),
        ("iat", "-377705116801"),
        ("iat", "9223372036854775807"),
        ("iat", "-9223372036854775808"),
        ("iat", "18446744073709551615"),
        ("iat", "99999999999999999999999999"),
        ("exp", "9223372036854775807"),
        ("nbf", "-9223372036854775808"),
        ("seq", "-1"),
        ("seq", "3.0"),
        ("seq", "18446744073709551616"),
        ("seq", "\"3\""),
        ("lease_days", "4294967296"),
        ("lease_days", "-1"),
        ("refresh_after", "1.5"),
    ] {
        assert!(!refused(number(name, wrong)).is_empty(), "{name}: {wrong}");
    }
    // Before 1970 is a time like any other; here it comes before `nbf`.
    let error = read_license(&license_of(number("iat", "-1"))).unwrap_err();
    assert_eq!(error.code(), "document-dates");
}

#[test]
fn each_claim_is_needed() {
    let optional = ["features", "limits", "hardware_grace_hours", "cnf"];
    let claims = serde_json::to_value(license_claims()).unwrap();
    for name in claims.as_object().unwrap().keys() {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(name);
        let text = license_of(without.to_string());
        if optional.contains(&name.as_str()) {
            assert!(read_license(&text).is_ok(), "{name}");
        } else {
            let reason = damaged("payload", &read_license(&text).unwrap_err());
            assert_eq!(reason, format!("missing field `{name}`"));
        }
    }
}

#[test]
fn claims_that_are_not_known_are_ignored() {
    let text = license_with("/added_by_a_newer_portal", json!({ "a": [1, null, "x"] }));
    assert_eq!(*read_license(&text).unwrap().claims(), license_claims());
}

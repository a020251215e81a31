//! Keys that are no sound Ed25519 public keys, wherever a key can stand.

use super::samples::*;
use crate::license::*;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The eight points of small order, then the other spellings of them that decompression takes
/// (Chalkias and others, 2020, table 1): first byte, the 30 between, last byte.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let of_order_8 = |middle: &str, last: u8| {
        let mut bytes = [0; 32];
        for (i, byte) in bytes[..31].iter_mut().enumerate() {
            *byte = u8::from_str_radix(&middle[2 * i..2 * i + 2], 16).unwrap();
        }
        bytes[31] = last;
        bytes
    };
    let filled = |first: u8, fill: u8, last: u8| {
        let mut bytes = [fill; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let a = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc";
    let b = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03";
    vec![
        filled(0x01, 0, 0),
        filled(0xec, 0xff, 0x7f),
        filled(0, 0, 0),
        filled(0, 0, 0x80),
        of_order_8(a, 0x05),
        of_order_8(a, 0x85),
        of_order_8(b, 0x7a),
        of_order_8(b, 0xfa),
        // The same points, not canonical: a sign where x is 0, or y + p for y.
        filled(0x01, 0, 0x80),
        filled(0xec, 0xff, 0xff),
        filled(0xee, 0xff, 0x7f),
        filled(0xee, 0xff, 0xff),
        filled(0xed, 0xff, 0x7f),
        filled(0xed, 0xff, 0xff),
    ]
}

fn jwk(bytes: &[u8]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(bytes) })
}

#[test]
fn keys_of_small_order_are_refused_wherever_they_stand() {
    let encodings = small_order_encodings();
    assert_eq!(encodings.len(), 14);
    for bytes in encodings {
        let error = PublicKey::from_bytes(&bytes).unwrap_err();
        assert_eq!(error, DocumentError::Key { found: "a key of small order" }, "{bytes:02x?}");

        let error = roots().add_key_set(&json!({ "keys": [jwk(&bytes)] }).to_string()).unwrap_err();
        let reason = "a key of small order in place 1".to_owned();
        assert_eq!(error, DocumentError::KeySet { reason });

        let mut claims = serde_json::to_value(trust_claims(5, &[])).unwrap();
        claims["keys"] = json!([jwk(&bytes)]);
        claims["keys"][0]["status"] = "active".into();
        let text =
            signed(header(TrustClaims::TYPE, &root()).to_string(), claims.to_string(), &root());
        let error = roots().verify_trust(&text, PRODUCT, None).unwrap_err();
        assert!(damaged("payload", &error).ends_with("found a key of small order"), "{error}");

        let mut header = header(RequestClaims::TYPE, &environment());
        header["jwk"] = jwk(&bytes);
        let claims = serde_json::to_string(&request_claims(RequestKind::Activate)).unwrap();
        let text = signed(header.to_string(), claims, &environment());
        let error = verify_request(&text, PRODUCT, |_| None).unwrap_err();
        assert_eq!(error, DocumentError::Key { found: "a key of small order" });

        let error = read_license(&license_with("/cnf/jwk", jwk(&bytes))).unwrap_err();
        assert!(damaged("payload", &error).ends_with("found a key of small order"), "{error}");
    }
}

#[test]
fn every_y_above_the_prime_is_refused() {
    let mut not_canonical = 0;
    for low in 0xed..=0xff_u8 {
        for high in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, high);
            match PublicKey::from_bytes(&bytes).unwrap_err() {
                DocumentError::Key { found: "a key that is not in canonical form" } => {
                    not_canonical += 1;
                }
                DocumentError::Key { .. } => {}
                other => panic!("{other:?} for {bytes:02x?}"),
            }
        }
    }
    assert!(not_canonical > 0, "none of them was a point");
}

#[test]
fn a_jwk_of_another_kind_or_form_is_refused() {
    let sound = jwk(&[0; 0]);
    let sound = |name: &str, value: Value| {
        let mut jwk = sound.clone();
        jwk["x"] = serde_json::to_value(portal().public()).unwrap()["x"].clone();
        jwk[name] = value;
        jwk
    };
    let x = sound("x2", Value::Null)["x"].as_str().unwrap().to_owned();
    let cases = [
        (sound("kty", "EC".into()), "a key of another kind"),
        (sound("kty", "okp".into()), "a key of another kind"),
        (sound("crv", "X25519".into()), "a key of another kind"),
        (sound("crv", "Ed448".into()), "a key of another kind"),
        (sound("d", "secret".into()), "a private key"),
        (sound("d", Value::Null), "a private key"),
        (sound("d", json!([1, { "a": 2 }])), "a private key"),
        (sound("x", "".into()), "a key that is not 32 bytes in base64url"),
        (sound("x", format!("{x}=").into()), "a key that is not 32 bytes in base64url"),
        (sound("x", x[1..].into()), "a key that is not 32 bytes in base64url"),
        (sound("x", format!("{x}AA").into()), "a key that is not 32 bytes in base64url"),
    ];
    for (jwk, expected) in cases {
        let error = PublicKey::from_jwk(jwk.clone(), "key set").unwrap_err();
        assert_eq!(error, DocumentError::Key { found: expected }, "{jwk}");
    }
    for missing in ["kty", "crv", "x"] {
        let mut jwk = sound("use", "sig".into());
        jwk.as_object_mut().unwrap().remove(missing);
        let error = PublicKey::from_jwk(jwk, "key set").unwrap_err();
        assert_eq!(damaged("key set", &error), format!("missing field `{missing}`"));
    }
    let with_extras = sound("kid", "any".into());
    assert_eq!(PublicKey::from_jwk(with_extras, "key set").unwrap(), portal().public());
}

#[test]
fn a_key_set_is_taken_whole_or_not_at_all() {
    let good = serde_json::to_value(root().public()).unwrap();
    let mut private = good.clone();
    private["d"] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A".into();
    let damaged = json!({ "kty": "OKP", "crv": "Ed25519" });
    let cases = [
        (json!({ "keys": [good, private] }), "a private key in place 2"),
        (json!({ "keys": [good, damaged] }), "a damaged key in place 2 (missing field `x`)"),
        (json!({ "keys": [good, {}] }), "a damaged key in place 2 (missing field `kty`)"),
        (json!({ "keys": [] }), "a set without an Ed25519 key"),
        (json!({ "keys": [{ "kty": "RSA", "n": "1" }] }), "a set without an Ed25519 key"),
        (good.clone(), "missing field `keys`"),
        (json!([good]), "expected an object"),
        (json!({ "keys": "nWGxne_9WmC6" }), "invalid type: string \"…\", expected a sequence"),
    ];
    for (set, expected) in cases {
        let mut roots = Roots::none();
        let error = roots.add_key_set(&set.to_string()).unwrap_err();
        assert_eq!(error, DocumentError::KeySet { reason: expected.to_owned() }, "{set}");
        assert!(roots.is_empty(), "{set}");
    }
}

#[test]
fn a_key_set_may_hold_keys_for_newer_agents() {
    let set = json!({ "keys": [
        { "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" },
        { "kty": "OKP", "crv": "Ed448", "x": "AAAA" },
        root().public(),
        root().public(),
    ] });
    let mut roots = Roots::none();
    roots.add_key_set(&set.to_string()).unwrap();
    assert!(roots.verify_trust(&trust_text(), PRODUCT, None).is_ok());
}

#[test]
fn a_key_set_without_end_is_not_read() {
    let text = " ".repeat(MAX_DOCUMENT + 1);
    let error = Roots::none().add_key_set(&text).unwrap_err();
    assert_eq!(error, DocumentError::TooLarge { limit: MAX_DOCUMENT, found: MAX_DOCUMENT + 1 });
}

#[test]
fn a_private_key_file_is_read_back_and_never_shown() {
    let pem = portal().to_pem().unwrap();
    assert_eq!(KeyPair::from_pem(&pem).unwrap().public(), portal().public());
    // As OpenSSL 3.0 reads it: version 0, and nothing behind the private key.
    let secret = pem.lines().nth(1).unwrap();
    assert!(secret.starts_with("MC4CAQAwBQYDK2VwBCIEI") && secret.len() == 64, "another form");
    for wrong in [&pem[..pem.len() / 2], &pem.replace("PRIVATE", "PUBLIC"), secret, ""] {
        let error = KeyPair::from_pem(wrong).err().unwrap();
        assert_eq!(error.code(), "document-key");
        assert!(!format!("{error} {error:?}").contains(&secret[..16]));
    }
}

#[test]
fn a_thumbprint_that_was_read_has_the_form_of_one() {
    let sound = portal().thumbprint();
    let text = serde_json::to_string(&sound).unwrap();
    assert_eq!(serde_json::from_str::<Thumbprint>(&text).unwrap(), sound);
    let (a, padded) = ("A".repeat(44), format!("{sound}="));
    // The last character of 43 carries two bits that are no part of the 32 bytes.
    let trailing_bits = format!("{}B", &"A".repeat(42));
    for wrong in ["", "key-1", &a, &padded, &trailing_bits, &"A".repeat(1 << 16)] {
        let error = Thumbprint::try_from(wrong.to_owned()).unwrap_err();
        assert_eq!(error, "expected an RFC 7638 thumbprint, 43 characters of base64url");
    }
}

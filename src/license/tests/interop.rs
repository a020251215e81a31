//! An independent JWT library reads what is signed here, and signs what is read here.

use super::samples::*;
use crate::license::*;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind, jwk::Jwk,
};
use serde_json::{Value, json};

/// The portal's key as any JWT library takes it.
fn decoding_key() -> DecodingKey {
    let jwk: Jwk = serde_json::from_value(json!(portal().public())).unwrap();
    DecodingKey::from_jwk(&jwk).unwrap()
}

/// A sample license that ends `days` from the library's own clock, which can't be set.
fn ending_in(days: i64) -> String {
    let mut claims = license_claims();
    claims.exp = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    claims.subscription.ends_at = claims.exp;
    sign(&claims, &portal()).unwrap()
}

fn decode(text: &str, audience: &str) -> Result<Value, ErrorKind> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub", "nbf"]);
    validation.validate_nbf = true;
    jsonwebtoken::decode::<Value>(text, &decoding_key(), &validation)
        .map(|token| token.claims)
        .map_err(jsonwebtoken::errors::Error::into_kind)
}

#[test]
fn jsonwebtoken_reads_a_license_of_ours() {
    let text = ending_in(1);
    let header = jsonwebtoken::decode_header(&text).unwrap();
    assert_eq!(header.typ.as_deref(), Some(LICENSE));
    assert_eq!(header.kid.as_deref(), Some(portal().thumbprint().as_str()));
    let claims = decode(&text, PRODUCT).unwrap();
    assert_eq!(claims["sub"], serial_number().to_string());
    assert_eq!(claims["subscription"]["edition"], "enterprise");
    assert_eq!(claims["limits"]["users"], json!({ "limit": 1000, "enforcement": "soft" }));
}

#[test]
fn jsonwebtoken_refuses_what_is_over_or_for_another_or_changed() {
    assert!(matches!(decode(&ending_in(-1), PRODUCT), Err(ErrorKind::ExpiredSignature)));
    assert!(matches!(decode(&ending_in(1), "acme-crm"), Err(ErrorKind::InvalidAudience)));
    let text = ending_in(1);
    let (signed, _) = text.rsplit_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode([1; 64]);
    assert!(decode(&format!("{signed}.{other}"), PRODUCT).is_err());
}

fn encode(header: &Header) -> String {
    let pem = portal().to_pem().unwrap();
    let pkcs_8: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = EncodingKey::from_ed_der(&STANDARD.decode(pkcs_8).unwrap());
    jsonwebtoken::encode(header, &json!(license_claims()), &key).unwrap()
}

#[test]
fn we_read_a_license_of_jsonwebtoken() {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(LICENSE.to_owned());
    header.kid = Some(portal().thumbprint().as_str().to_owned());
    let license = read_license(&encode(&header)).unwrap();
    assert_eq!(*license.claims(), license_claims());

    header.typ = Some("JWT".to_owned());
    let found = "JWT".to_owned();
    let error = read_license(&encode(&header)).unwrap_err();
    assert_eq!(error, DocumentError::Type { expected: LICENSE, found });

    let error = read_license(&encode(&Header::new(Algorithm::EdDSA))).unwrap_err();
    assert_eq!(damaged("header", &error), "missing field `kid`");
}

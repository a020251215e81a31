//! The license proves itself: another library verifies it with the portal's keys, and believes no agent.

use crate::stage::Dev;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind};
use serde_json::Value;

const PRODUCT: &str = "example-product";

fn key_set(portal: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answer = reqwest::get(format!("{portal}/.well-known/jwks.json")).await.unwrap();
        answer.json().await.unwrap()
    })
}

fn verified(text: &str, keys: &Value, audience: &str) -> Result<Value, ErrorKind> {
    let kid = decode_header(text).unwrap().kid.unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str());
    let key = DecodingKey::from_ed_components(key.unwrap()["x"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
    validation.validate_nbf = true;
    let claims = decode::<Value>(text, &key, &validation);
    claims.map(|token| token.claims).map_err(|error| error.kind().clone())
}

#[test]
fn an_independent_library_verifies_the_license_with_the_keys_of_the_portal() {
    let dev = Dev::start();
    let keys = key_set(&dev.portal());
    let alone = dev.socket.send(&reqwest::Method::GET, "/v1/license", |request| {
        request.header("accept", "application/jose")
    });
    assert_eq!((alone.status, alone.media_type.as_str()), (200, "application/jose"));
    let whole = dev.socket.json("/v1/license");
    assert_eq!(whole["license"], alone.body);
    let members: Vec<_> = whole.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["claims", "license", "trust"]);

    let claims = verified(&alone.body, &keys, PRODUCT).unwrap();
    assert_eq!(claims, whole["claims"]);
    let status = dev.socket.status();
    assert_eq!(claims["sub"], status["serial_number"]);
    assert_eq!(claims["jti"], status["license"]["id"]);
    assert_eq!(verified(&alone.body, &keys, "other").unwrap_err(), ErrorKind::InvalidAudience);
    let (signed, _) = alone.body.rsplit_once('.').unwrap();
    let (_, other) = whole["trust"].as_str().unwrap().rsplit_once('.').unwrap();
    let forged = verified(&format!("{signed}.{other}"), &keys, PRODUCT);
    assert_eq!(forged.unwrap_err(), ErrorKind::InvalidSignature);
}

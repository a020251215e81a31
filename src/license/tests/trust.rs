//! Trust documents: who may sign, and that it is never taken back.

use super::samples::*;
use crate::license::*;
use serde_json::json;

fn trust_of(version: u64, keys: &[(&KeyPair, KeyStatus)]) -> VerifiedTrust {
    let text = sign(&trust_claims(version, keys), &root()).unwrap();
    roots().verify_trust(&text, PRODUCT, None).unwrap()
}

fn replaces(text: &str, held: &VerifiedTrust) -> Result<VerifiedTrust, DocumentError> {
    roots().verify_trust(text, PRODUCT, Some(held))
}

#[test]
fn a_sound_trust_document_is_read() {
    let trust = trust();
    assert_eq!(trust.version(), 5);
    assert_eq!(trust.text(), trust_text());
    assert_eq!(trust.portal_key(&portal().thumbprint()), Ok(&portal().public()));
}

#[test]
fn only_a_root_key_signs_trust() {
    for key in [portal(), stranger()] {
        let text = sign(&trust_claims(6, &[(&stranger(), KeyStatus::Active)]), &key).unwrap();
        let error = roots().verify_trust(&text, PRODUCT, None).unwrap_err();
        let known = root().thumbprint().to_string();
        assert_eq!(error, DocumentError::UnknownRoot { kid: key.thumbprint(), known });
    }
    let error = Roots::none().verify_trust(&trust_text(), PRODUCT, None).unwrap_err();
    let known = "there are none".to_owned();
    assert_eq!(error, DocumentError::UnknownRoot { kid: root().thumbprint(), known });
}

#[test]
fn a_name_of_the_root_key_is_not_its_signature() {
    let claims = serde_json::to_string(&trust_claims(6, &[])).unwrap();
    let text = signed(header(TrustClaims::TYPE, &root()).to_string(), claims, &stranger());
    let error = roots().verify_trust(&text, PRODUCT, None).unwrap_err();
    assert_eq!(error, DocumentError::Signature);
}

#[test]
fn a_root_key_signs_trust_and_no_license() {
    let text = sign(&license_claims(), &root()).unwrap();
    let error = read_license(&text).unwrap_err();
    assert_eq!(error, DocumentError::UnknownKey { kid: root().thumbprint() });
}

#[test]
fn any_root_key_will_do() {
    let mut roots = roots();
    roots.add(stranger().public());
    let text = sign(&trust_claims(1, &[]), &stranger()).unwrap();
    assert!(roots.verify_trust(&text, PRODUCT, None).is_ok());
}

#[test]
fn it_is_for_one_product() {
    let error = roots().verify_trust(&trust_text(), "acme-crm", None).unwrap_err();
    let (expected, found) = ("acme-crm".to_owned(), PRODUCT.to_owned());
    assert_eq!(error, DocumentError::Audience { expected, found });
}

#[test]
fn its_version_never_falls() {
    let held = trust_of(5, &[(&portal(), KeyStatus::Active)]);
    let version = |version| {
        sign(&trust_claims(version, &[(&portal(), KeyStatus::Revoked)]), &root()).unwrap()
    };
    assert_eq!(replaces(&version(6), &held).unwrap().version(), 6);
    assert_eq!(replaces(&version(u64::MAX), &held).unwrap().version(), u64::MAX);
    for found in [0, 4] {
        let error = replaces(&version(found), &held).unwrap_err();
        assert_eq!(error, DocumentError::TrustVersion { held: 5, found });
    }
}

#[test]
fn one_version_has_one_content() {
    // Else the one in which a key is not revoked yet could come back after the one in which it is.
    let held = trust_of(5, &[(&portal(), KeyStatus::Revoked)]);
    let error = replaces(&trust_text(), &held).unwrap_err();
    assert_eq!(error, DocumentError::TrustVersionReused { version: 5 });
    assert_eq!(replaces(held.text(), &held).unwrap(), held);
}

#[test]
fn a_key_is_listed_once() {
    let both = [(&portal(), KeyStatus::Active), (&portal(), KeyStatus::Revoked)];
    let text = sign(&trust_claims(6, &both), &root()).unwrap();
    let error = roots().verify_trust(&text, PRODUCT, None).unwrap_err();
    let reason = damaged("payload", &error);
    assert_eq!(reason, format!("the key {} is listed twice", portal().thumbprint()));
}

#[test]
fn a_key_that_is_not_listed_signs_nothing() {
    let text = sign(&license_claims(), &stranger()).unwrap();
    let error = read_license(&text).unwrap_err();
    assert_eq!(error, DocumentError::UnknownKey { kid: stranger().thumbprint() });
    let error = verify_license(&license(), PRODUCT, &trust_of(1, &[])).unwrap_err();
    assert_eq!(error, DocumentError::UnknownKey { kid: portal().thumbprint() });
}

#[test]
fn what_a_retired_key_signed_stays_believed_and_what_a_revoked_one_signed_does_not() {
    let retired = trust_of(6, &[(&portal(), KeyStatus::Retired)]);
    assert!(verify_license(&license(), PRODUCT, &retired).is_ok());
    let revoked = trust_of(7, &[(&portal(), KeyStatus::Revoked)]);
    let error = verify_license(&license(), PRODUCT, &revoked).unwrap_err();
    let status = KeyStatus::Revoked;
    assert_eq!(error, DocumentError::KeyNotBelieved { kid: portal().thumbprint(), status });
}

#[test]
fn a_status_that_is_not_known_is_refused() {
    let mut claims = serde_json::to_value(trust_claims(6, &[])).unwrap();
    claims["keys"] = json!([portal().public()]);
    for (status, expected) in [
        (None, "missing field `status`"),
        (
            Some("trusted"),
            "unknown variant `trusted`, expected one of `active`, `retired`, `revoked`",
        ),
    ] {
        if let Some(status) = status {
            claims["keys"][0]["status"] = status.into();
        }
        let text =
            signed(header(TrustClaims::TYPE, &root()).to_string(), claims.to_string(), &root());
        let error = roots().verify_trust(&text, PRODUCT, None).unwrap_err();
        assert_eq!(damaged("payload", &error), expected);
    }
}

#[test]
fn a_private_portal_key_is_refused() {
    let mut claims =
        serde_json::to_value(trust_claims(6, &[(&portal(), KeyStatus::Active)])).unwrap();
    claims["keys"][0]["d"] = "nWGxne_9WmC6".into();
    let text = signed(header(TrustClaims::TYPE, &root()).to_string(), claims.to_string(), &root());
    let error = roots().verify_trust(&text, PRODUCT, None).unwrap_err();
    assert!(damaged("payload", &error).ends_with("found a private key"), "{error}");
    assert!(!error.to_string().contains("nWGxne"));
}

//! Documents that are not the right ones, by file through the real admin socket: one clear error with its mend each, and
//! state and chain stay as they are stored; the audit tells of the refusal, and of nothing else.

use super::activated::Activated;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entitled::{
    codes::SerialNumber,
    license::{Confirmation, KeyPair, LicenseClaims, MAX_DOCUMENT, Sequence},
};
use serde_json::Value;
use uuid::Uuid;

/// A license of a term that is long over.
pub(super) fn expired(claims: &mut LicenseClaims) {
    let at = |text: &str| text.parse().unwrap();
    claims.iat = at("2020-01-01T00:00:00Z");
    claims.nbf = claims.iat;
    claims.subscription.starts_at = claims.iat;
    claims.subscription.ends_at = at("2020-06-01T00:00:00Z");
    claims.exp = at("2020-07-01T00:00:00Z");
}

/// Installs what must be refused: its code, the words that name expected and found, and the mend.
#[track_caller]
fn refused(agent: &Activated, text: &str, code: &str, told: &[&str]) {
    let (before, status) = (agent.stored(), agent.controller.socket.status());
    let file = agent.controller.write("carried.jwt", text);
    let done = agent.controller.ctl.run(&["license", "install", file.to_str().unwrap(), "--json"]);
    assert_eq!(done.code, 1, "{code}: {done:?}");
    let error: Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(error["code"], code, "{error}");
    for part in told {
        assert!(done.err.contains(part), "no {part:?} in {error}");
    }
    // By hand, without `entitlectl` between.
    let admin = agent.controller.socket.beside("admin.sock");
    let answer = admin.send(&reqwest::Method::POST, "/v1/install", |request| {
        request.header("content-type", "application/jose").body(text.to_owned())
    });
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(answer.media_type, "application/problem+json", "{answer:?}");
    let after = agent.stored();
    assert_eq!((&after.state, &after.chain), (&before.state, &before.chain), "{code}");
    let new = &after.actions[before.actions.len()..];
    assert!(new.iter().all(|action| action == "document-refused"), "{code}: {new:?}");
    // Of one that is too large nothing is kept, and nothing told: the road is closed before it is a document.
    let expected = if text.len() > MAX_DOCUMENT { 0..=2 } else { 2..=2 };
    assert!(expected.contains(&new.len()), "{code}: {new:?}");
    assert_eq!(agent.controller.socket.status(), status, "{code}");
}

#[test]
fn every_wrong_document_is_refused_with_its_mend() {
    let agent = Activated::new();
    let (trust, license) = agent.held();
    let request = agent.controller.ctl.out(&["request", "refresh"]);
    // The request that was made is part of what must stay.
    refused(&agent, request.trim(), "document-type", &["entitled-request+jwt", "inspect"]);
    let (signed, signature) = license.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let better = URL_SAFE_NO_PAD.encode(claims.replacen("standard", "ultimate", 1));
    let tampered = format!("{head}.{better}.{signature}");
    refused(&agent, &tampered, "document-signature", &["carry or download it again"]);
    let cut = &license[..license.len() / 2];
    refused(&agent, cut, "document-not-compact", &["three parts", "choose the file"]);
    let large = license.clone() + &"A".repeat(MAX_DOCUMENT);
    refused(&agent, &large, "document-too-large", &["larger than"]);
    refused(&agent, &format!("{trust} {trust}x"), "document-malformed", &["again"]);
    refused(&agent, "", "document-not-compact", &["choose the file"]);

    let stranger = KeyPair::from_seed(&[9; 32]);
    let by_stranger = agent.license_by(&stranger, |_| {});
    refused(&agent, &by_stranger, "document-unknown-key", &["entitlectl refresh"]);
    let refuse = |code, told: &[&str], change: &dyn Fn(&mut LicenseClaims)| {
        refused(&agent, &agent.license(change), code, told);
    };
    refuse("document-expired", &["2020-07-01", "renew the subscription"], &expired);
    let other = SerialNumber::mint("smbios-uuid", "other");
    refuse("document-serial", &[&other.to_string(), "expected", "entitlectl activate"], &|c| {
        c.sub = other;
    });
    let jwk = stranger.public();
    let kid = stranger.thumbprint().to_string();
    refuse("document-binding", &[&kid, "expected", "entitlectl activate"], &|c| {
        c.cnf = Some(Confirmation { jwk });
    });
    refuse("document-audience", &["example-product", "another-product", "choose"], &|c| {
        c.aud = "another-product".to_owned();
    });
    refuse("document-environment", &["expected", "choose"], &|c| {
        c.environment.id = Uuid::from_u128(5);
    });
    refuse("document-sequence", &["expected", "entitlectl license show"], &|c| c.seq = Sequence(0));

    // After all of it the right one is taken.
    let file = agent.controller.write("carried.jwt", &agent.license(|_| {}));
    agent.controller.ctl.out(&["license", "install", file.to_str().unwrap()]);
    assert_eq!(agent.controller.socket.status()["license"]["sequence"], 2);
    agent.assert_well();
}

//! A bundle that is carried, and one that is not what it was.

use super::*;
use crate::{
    license::{Environment, Purpose, RequestId},
    store::MemberRecord,
};
use uuid::Uuid;
use zeroize::Zeroizing;

fn contents() -> Contents {
    let at = "2026-03-01T00:00:00Z".parse().unwrap();
    Contents {
        version: Contents::VERSION,
        product: "acme-erp".to_owned(),
        made_at: at,
        environment: Environment {
            id: Uuid::from_u128(2),
            name: "Production".to_owned(),
            purpose: Purpose::Production,
        },
        request: RequestId(Uuid::from_u128(3)),
        key: Zeroizing::new("a key that nobody may read".to_owned()),
        consent: "consent".to_owned(),
        license: "license".to_owned(),
        trust: "trust".to_owned(),
        generation: 7,
        authority_key: None,
        activation_code: None,
        usage_key: None,
        members: vec![MemberRecord {
            id: Uuid::from_u128(5),
            name: "db1".to_owned(),
            address: "192.0.2.5".parse().unwrap(),
            joined_at: at,
            certificate_expires_at: at,
            token: None,
            removed_at: None,
        }],
        tokens: Vec::new(),
        controllers: vec!["new.example:7443".to_owned()],
    }
}

fn passphrase() -> Passphrase {
    Passphrase::chosen("correct horse battery staple\n").unwrap()
}

#[test]
fn a_sealed_bundle_shows_nothing_and_opens_with_its_passphrase_alone() {
    let sealed = seal(&contents(), &passphrase()).unwrap();
    for secret in ["nobody may read", "acme-erp", "Production", "new.example"] {
        assert!(!sealed.contains(secret), "{sealed}");
    }
    assert!(open(&sealed, &passphrase()).unwrap() == contents());
    let wrong = Passphrase::chosen("correct horse battery stable").unwrap();
    assert_eq!(open(&sealed, &wrong).unwrap_err(), BundleError::Passphrase);
    // The same contents are never sealed in the same way.
    assert_ne!(seal(&contents(), &passphrase()).unwrap(), sealed);
    assert!(!format!("{:?}", contents()).contains("nobody"));
}

#[test]
fn an_altered_bundle_is_known_for_one_wherever_it_was_altered() {
    let sealed = seal(&contents(), &passphrase()).unwrap();
    let at = sealed.find("\"aes_256_gcm\"").unwrap() + 30;
    for wrong in [
        sealed[..sealed.len() / 2].to_owned(),
        sealed.replace("\"passes\": 3", "\"passes\": 2"),
        format!(
            "{}{}{}",
            &sealed[..at],
            if &sealed[at..=at] == "A" { "B" } else { "A" },
            &sealed[at + 1..]
        ),
    ] {
        assert_ne!(wrong, sealed);
        assert_eq!(open(&wrong, &passphrase()).unwrap_err().code(), "bundle-altered", "{wrong}");
    }
    for other in ["", "[]", "eyJhbGciOiJFZERTQSJ9.e30.AA", "{\"kind\": \"another\"}"] {
        assert_eq!(open(other, &passphrase()).unwrap_err().code(), "bundle-form", "{other}");
    }
    let newer = sealed.replace("\"version\": 1", "\"version\": 2");
    assert_eq!(open(&newer, &passphrase()).unwrap_err(), BundleError::Newer { found: 2, known: 1 });
}

/// Who alters the file can make its digest right again; the seal he can't.
#[test]
fn the_seal_binds_what_is_not_hidden() {
    let sealed = seal(&contents(), &passphrase()).unwrap();
    let altered = envelope::tests::with_digest(&sealed, |value| {
        value["argon2id"]["lanes"] = 2.into();
    });
    assert_eq!(open(&altered, &passphrase()).unwrap_err(), BundleError::Passphrase);
    let greedy = envelope::tests::with_digest(&sealed, |value| {
        value["argon2id"]["memory_kib"] = (2_u32 << 20).into();
    });
    assert_eq!(open(&greedy, &passphrase()).unwrap_err(), BundleError::Altered);
}

#[test]
fn a_passphrase_is_long_or_made() {
    assert_eq!(
        Passphrase::chosen("hunter2").err(),
        Some(BundleError::Short { least: 12, found: 7 })
    );
    let made = Passphrase::generate().unwrap();
    assert_eq!(made.expose().len(), 29);
    assert!(Passphrase::chosen(made.expose()).unwrap() == made);
    assert!(Passphrase::generate().unwrap() != made);
}

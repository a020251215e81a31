//! Licenses: what is signed is what is read, and nothing else is.

use super::samples::*;
use crate::{codes::SerialNumber, license::*};
use jiff::{SignedDuration, Timestamp};
use proptest::{collection::btree_map, option, prelude::*};
use serde_json::{Value, json};
use uuid::Uuid;

#[test]
fn a_sound_license_is_read() {
    let license = read_license(&license()).unwrap();
    assert_eq!(*license.claims(), license_claims());
    assert_eq!(license.text(), self::license());
}

#[test]
fn every_flipped_byte_is_refused() {
    let text = license().into_bytes();
    let trust = trust();
    for place in 0..text.len() {
        // The eighth bit would make it no text, so that it never came so far.
        let bit = place % 7;
        let mut flipped = text.clone();
        flipped[place] ^= 1 << bit;
        let flipped = String::from_utf8(flipped).unwrap();
        let error = verify_license(&flipped, PRODUCT, &trust).unwrap_err();
        assert!(
            [
                "document-malformed",
                "document-not-compact",
                "document-signature",
                "document-algorithm",
                "document-type",
                "document-unknown-key",
            ]
            .contains(&error.code()),
            "bit {bit} of byte {place}: {error:?}"
        );
    }
}

#[test]
fn parts_of_two_sound_licenses_are_no_license() {
    let mut claims = license_claims();
    claims.seq = Sequence(4);
    let (a, b) = (license(), sign(&claims, &portal()).unwrap());
    let [a, b] = [&a, &b].map(|text| text.split('.').collect::<Vec<_>>());
    for mixed in [[a[0], a[1], b[2]], [a[0], b[1], a[2]]] {
        assert_eq!(read_license(&mixed.join(".")).unwrap_err(), DocumentError::Signature);
    }
}

#[test]
fn it_is_for_one_product() {
    let mut claims = license_claims();
    claims.aud = "acme-crm".to_owned();
    let error = read_license(&sign(&claims, &portal()).unwrap()).unwrap_err();
    let (expected, found) = (PRODUCT.to_owned(), "acme-crm".to_owned());
    assert_eq!(error, DocumentError::Audience { expected, found });
    // RFC 7519 section 4.1.3 also allows a list; a license is for one product, so it is not read.
    let error = read_license(&license_with("/aud", json!([PRODUCT, "acme-crm"]))).unwrap_err();
    assert!(damaged("payload", &error).starts_with("invalid type: sequence"), "{error}");
}

#[test]
fn dates_that_contradict_each_other_are_refused() {
    let second = SignedDuration::from_secs(1);
    let (mut early, mut short, mut empty) = (license_claims(), license_claims(), license_claims());
    early.nbf = early.iat + second;
    short.exp = short.subscription.ends_at - second;
    empty.subscription.starts_at = empty.subscription.ends_at;
    for (claims, reason) in [
        (early, "valid from 2026-01-02T03:04:06Z but issued at 2026-01-02T03:04:05Z"),
        (short, "grace ends at 2026-12-31T23:59:59Z before the term at 2027-01-01T00:00:00Z"),
        (empty, "the term ends at 2027-01-01T00:00:00Z and starts at 2027-01-01T00:00:00Z"),
    ] {
        let error = read_license(&sign(&claims, &portal()).unwrap()).unwrap_err();
        assert_eq!(error, DocumentError::Dates { reason: reason.to_owned() });
    }
}

#[test]
fn dates_at_the_boundary_are_sound() {
    let mut claims = license_claims();
    claims.nbf = claims.iat;
    // No grace, and a term with a fraction of a second, which `exp` can't say.
    claims.subscription.ends_at = at("2027-01-31T00:00:00.9Z");
    claims.subscription.grace_days = 0;
    assert!(read_license(&sign(&claims, &portal()).unwrap()).is_ok());
}

#[test]
fn a_license_past_its_end_is_still_read() {
    // Whether it is in term is asked of the status, so that an old one is shown as such and not lost.
    let mut claims = license_claims();
    claims.iat = at("2027-06-01T00:00:00Z");
    assert!(read_license(&sign(&claims, &portal()).unwrap()).is_ok());
}

#[test]
fn times_outside_the_calendar_are_refused() {
    for text in
        ["10000-01-01T00:00:00Z", "2027-13-01T00:00:00Z", "2027-02-30T00:00:00Z", "soon", ""]
    {
        let error = read_license(&license_with("/subscription/ends_at", text.into())).unwrap_err();
        assert!(!damaged("payload", &error).is_empty());
    }
    let number = json!(1_798_761_600);
    let error = read_license(&license_with("/subscription/ends_at", number)).unwrap_err();
    assert!(damaged("payload", &error).starts_with("invalid type: integer"), "{error}");
}

#[test]
fn a_serial_number_with_a_typing_error_is_refused() {
    let number = serial_number().to_string().replacen("MJA", "MJC", 1);
    let error = read_license(&license_with("/sub", number.into())).unwrap_err();
    assert!(damaged("payload", &error).contains("check symbol does not match"), "{error}");
}

#[test]
fn the_refresh_interval_is_bounded() {
    for (said, meant) in [(0, 3_600), (7_200, 7_200), (u32::MAX, 30 * 86_400)] {
        let claims = LicenseClaims { refresh_after: said, ..license_claims() };
        assert_eq!(claims.refresh_interval(), SignedDuration::from_secs(meant));
    }
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    // Leaves room for the differences between the times of one license.
    (-300_000_000_000..250_000_000_000_i64).prop_map(|s| Timestamp::from_second(s).unwrap())
}

fn any_feature() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn any_subscription() -> impl Strategy<Value = Subscription> {
    let texts = (any::<u128>(), any::<String>(), any::<String>());
    let term = (any_time(), 1..1_000_000_000_i64, any::<u32>(), any::<bool>());
    (texts, term).prop_map(
        |((id, edition, support_level), (starts_at, term, grace_days, trial))| Subscription {
            id: Uuid::from_u128(id),
            edition,
            support_level,
            starts_at,
            ends_at: starts_at + SignedDuration::from_secs(term),
            grace_days,
            trial,
        },
    )
}

fn any_environment() -> impl Strategy<Value = Environment> {
    (any::<u128>(), any::<String>(), prop::sample::select(&Purpose::ALL[..]))
        .prop_map(|(id, name, purpose)| Environment { id: Uuid::from_u128(id), name, purpose })
}

fn any_limit() -> impl Strategy<Value = Limit> {
    let enforcement = prop::sample::select(vec![Enforcement::Soft, Enforcement::Hard]);
    (option::of(any::<u64>()), enforcement)
        .prop_map(|(limit, enforcement)| Limit { limit, enforcement })
}

prop_compose! {
    fn any_license()(
        (iss, sub, jti, seq) in (any::<String>(), any::<String>(), any::<u128>(), any::<u64>()),
        (iat, early, grace) in (any_time(), 0..1_000_000_i64, 0..1_000_000_i64),
        (subscription, environment) in (any_subscription(), any_environment()),
        features in btree_map(any::<String>(), any_feature(), 0..8),
        limits in btree_map(any::<String>(), any_limit(), 0..8),
        (lease_days, refresh_after, hardware_grace_hours) in any::<(u32, u32, u32)>(),
        check_in_days in option::of(any::<u32>()),
        (cnf, ca) in any::<(Option<[u8; 32]>, Option<[u8; 32]>)>(),
    ) -> LicenseClaims {
        let key = |seed: [u8; 32]| KeyPair::from_seed(&seed).public();
        LicenseClaims {
            iss,
            aud: PRODUCT.to_owned(),
            sub: SerialNumber::mint("any", &sub),
            jti: Uuid::from_u128(jti),
            iat,
            nbf: iat - SignedDuration::from_secs(early),
            exp: subscription.ends_at + SignedDuration::from_secs(grace),
            seq: Sequence(seq),
            subscription,
            environment,
            features,
            limits,
            lease_days,
            refresh_after,
            check_in_days,
            hardware_grace_hours,
            cnf: cnf.map(|seed| Confirmation { jwk: key(seed) }),
            ca: ca.map(|seed| key(seed).thumbprint()),
            former_ca: ca.map(|seed| key(seed).thumbprint()).into_iter().collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_signed_is_what_is_read(claims in any_license(), seed: [u8; 32]) {
        let key = KeyPair::from_seed(&seed);
        let text = sign(&claims, &key).unwrap();
        let keys = sign(&trust_claims(1, &[(&key, KeyStatus::Active)]), &root()).unwrap();
        let trust = roots().verify_trust(&keys, PRODUCT, None).unwrap();
        let read = verify_license(&text, PRODUCT, &trust).unwrap();
        prop_assert_eq!(read.claims(), &claims);
        prop_assert_eq!(read.text(), text);
    }
}

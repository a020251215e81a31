//! Requests: who may sign what, and the proof of the Activation Code.

use super::samples::*;
use crate::{codes::ActivationCode, license::*};
use uuid::Uuid;

fn verify(text: &str) -> Result<(RequestClaims, PublicKey), DocumentError> {
    verify_request(text, PRODUCT, |_| Some(environment().public()))
}

const ALL: [RequestKind; 5] = [
    RequestKind::Activate,
    RequestKind::Refresh,
    RequestKind::Release,
    RequestKind::Rebind,
    RequestKind::Move,
];

/// Whoever signs a request of that kind: the newcomer where it takes the environment's place.
fn signer(kind: RequestKind) -> KeyPair {
    match kind {
        RequestKind::Rebind | RequestKind::Move => newcomer(),
        _ => environment(),
    }
}

fn request(claims: &RequestClaims) -> String {
    sign_request(claims, &signer(claims.request)).unwrap()
}

/// A request whose header carries `jwk` or none, whatever its kind.
fn with_jwk(claims: &RequestClaims, jwk: Option<&KeyPair>) -> String {
    let key = signer(claims.request);
    let mut header = header(RequestClaims::TYPE, &key);
    if let Some(key) = jwk {
        header["jwk"] = serde_json::to_value(key.public()).unwrap();
    }
    signed(header.to_string(), serde_json::to_string(claims).unwrap(), &key)
}

fn member(error: &DocumentError) -> &'static str {
    match error {
        DocumentError::Request { member, .. } => member,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_activation_is_verified_by_the_key_that_it_carries() {
    let claims = request_claims(RequestKind::Activate);
    let (read, key) =
        verify_request(&request(&claims), PRODUCT, |_| panic!("no bound key is asked for"))
            .unwrap();
    assert_eq!((read, key), (claims, environment().public()));
}

#[test]
fn any_other_is_verified_by_the_bound_key() {
    for kind in [RequestKind::Refresh, RequestKind::Release] {
        let claims = request_claims(kind);
        let (read, key) = verify(&request(&claims)).unwrap();
        assert_eq!((&read, key), (&claims, environment().public()));

        let by_stranger = sign_request(&claims, &stranger()).unwrap();
        let unknown = DocumentError::UnknownKey { kid: stranger().thumbprint() };
        assert_eq!(verify(&by_stranger).unwrap_err(), unknown);
        let error = verify_request(&by_stranger, PRODUCT, |_| None).unwrap_err();
        assert_eq!(error, unknown);

        let header = header(RequestClaims::TYPE, &environment()).to_string();
        let in_its_name = signed(header, serde_json::to_string(&claims).unwrap(), &stranger());
        assert_eq!(verify(&in_its_name).unwrap_err(), DocumentError::Signature);
    }
}

#[test]
fn who_brings_a_key_carries_it_and_nobody_else_does() {
    for kind in ALL {
        let claims = request_claims(kind);
        let (without, with) = (with_jwk(&claims, None), with_jwk(&claims, Some(&signer(kind))));
        let (sound, refused) = if kind.brings_key() { (with, without) } else { (without, with) };
        assert_eq!(verify(&sound).unwrap(), (claims, signer(kind).public()), "{kind:?}");
        assert_eq!(member(&verify(&refused).unwrap_err()), "jwk", "{kind:?}");
    }
}

#[test]
fn the_key_that_is_carried_is_the_signers() {
    for kind in ALL.into_iter().filter(|kind| kind.brings_key()) {
        let error = verify(&with_jwk(&request_claims(kind), Some(&stranger()))).unwrap_err();
        assert_eq!(error, DocumentError::UnknownKey { kid: signer(kind).thumbprint() });
    }
}

/// Every kind with every set of the three parts that not all have: sound are those of the table, and no others.
#[test]
fn a_request_has_the_parts_of_its_kind_and_no_others() {
    for kind in ALL {
        for set in 0..8 {
            let has = |bit: u8| set & (1 << bit) != 0;
            let mut claims = request_claims(kind);
            let key = signer(kind).public();
            claims.environment.id = Some(Uuid::from_u128(2));
            claims.activation = has(0).then(|| Activation::new(&code(), request_id(), &key));
            claims.rebind_proof =
                has(1).then(|| RebindCode::random().unwrap().proof(request_id(), &key));
            claims.consent = None;
            if has(2) {
                claims.consent = Some(sign_consent(&claims, &key, &environment()).unwrap());
            }
            let sound = match kind {
                RequestKind::Activate => [has(0), has(1), has(2)] == [true, false, false],
                RequestKind::Refresh | RequestKind::Release => set == 0,
                RequestKind::Rebind => has(0) != has(2) && (has(0) || !has(1)),
                RequestKind::Move => [has(0), has(1), has(2)] == [false, false, true],
            };
            let found = verify(&request(&claims));
            assert_eq!(found.is_ok(), sound, "{kind:?} {set:03b} {found:?}");
            if let Err(error) = found {
                assert_eq!(error.code(), "document-request");
            }
        }
    }
}

#[test]
fn it_is_for_one_product() {
    let mut claims = request_claims(RequestKind::Activate);
    claims.aud = "acme-crm".to_owned();
    let error = verify(&request(&claims)).unwrap_err();
    let (expected, found) = (PRODUCT.to_owned(), "acme-crm".to_owned());
    assert_eq!(error, DocumentError::Audience { expected, found });
}

#[test]
fn a_kind_that_is_not_known_is_refused() {
    let claims = serde_json::to_string(&request_claims(RequestKind::Refresh)).unwrap();
    let claims = claims.replace("\"refresh\"", "\"steal\"");
    let text =
        signed(header(RequestClaims::TYPE, &environment()).to_string(), claims, &environment());
    let reason = damaged("payload", &verify(&text).unwrap_err());
    assert!(reason.starts_with("unknown variant `steal`"), "{reason}");
}

#[test]
fn a_proof_is_of_one_code_one_request_and_one_key() {
    let (code, jti, key) = (code(), request_id(), environment().public());
    let activation = Activation::new(&code, jti, &key);
    assert!(activation.proves(&code, jti, &key));
    assert!(!activation.proves(&ActivationCode::from_content(&[0xA4; 16]), jti, &key));
    assert!(!activation.proves(&code, RequestId(Uuid::from_u128(1)), &key));
    assert!(!activation.proves(&code, jti, &stranger().public()));
    for proof in ["", "AAAA", &format!("{}=", activation.proof), &activation.proof[1..], "…"] {
        let wrong = Activation { proof: proof.to_owned(), ..activation.clone() };
        assert!(!wrong.proves(&code, jti, &key), "{proof}");
    }
}

#[test]
fn a_request_tells_no_part_of_the_activation_code() {
    let text = request(&request_claims(RequestKind::Activate));
    let claims = Unverified::parse(&text).unwrap().peek::<RequestClaims>().unwrap();
    let json = serde_json::to_string(&claims).unwrap();
    let code = code();
    let code = code.expose();
    assert!(!json.contains(&code) && !json.contains(&code.replace('.', "")));
    assert!(code.split('.').all(|triplet| !format!("{claims:?}").contains(triplet)));
}

#[test]
fn a_request_names_the_environment_of_a_license() {
    let environment = license_claims().environment;
    let requested = RequestedEnvironment::from(environment.clone());
    assert_eq!(requested.id, Some(environment.id));
    assert_eq!((requested.name, requested.purpose), (environment.name, environment.purpose));
}

/// A request as it is kept here: `refresh` as agents signed it before there was a claim of usage, `refresh-usage` with one.
fn golden(name: &str) -> String {
    let path = format!("{}/src/license/tests/golden/{name}.jws", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

fn usage() -> ToldUsage {
    let peak = Some(ToldPeak { used: 900, at: at("2026-01-01T14:00:00Z") });
    let limits = [
        ("projects".to_owned(), ToldLimit { used: None, peak }),
        ("users".to_owned(), ToldLimit { used: Some(812), peak: None }),
    ];
    ToldUsage { measured_at: at("2026-01-02T03:04:00Z"), limits: limits.into() }
}

#[test]
fn requests_from_before_usage_are_read_and_signed_as_ever() {
    let claims = request_claims(RequestKind::Refresh);
    assert_eq!(request(&claims), golden("refresh"));
    let (read, _) = verify(&golden("refresh")).unwrap();
    assert_eq!((read.usage.as_ref(), &read), (None, &claims));
}

#[test]
fn what_is_used_travels_in_the_request() {
    let claims = RequestClaims { usage: Some(usage()), ..request_claims(RequestKind::Refresh) };
    assert_eq!(request(&claims), golden("refresh-usage"));
    assert_eq!(verify(&golden("refresh-usage")).unwrap().0, claims);
    let mut json = serde_json::to_value(&claims).unwrap();
    let told = serde_json::json!({ "measured_at": 1_767_323_040, "limits": {
        "projects": { "used": null, "peak": { "used": 900, "at": 1_767_276_000 } },
        "users": { "used": 812, "peak": null },
    } });
    assert_eq!(json["usage"], told);
    // A portal that knows no such claim reads the rest, as this one reads what it does not know.
    let told = json.as_object_mut().unwrap().remove("usage").unwrap();
    json["usage_of_tomorrow"] = told;
    let header = header(RequestClaims::TYPE, &environment()).to_string();
    let (read, _) = verify(&signed(header, json.to_string(), &environment())).unwrap();
    assert_eq!(read, request_claims(RequestKind::Refresh));
}

#[test]
fn figures_that_can_not_be_read_keep_no_request_from_its_answer() {
    let mut json = serde_json::to_value(request_claims(RequestKind::Refresh)).unwrap();
    let figures = |used: serde_json::Value| serde_json::json!({ "measured_at": 1, "limits": { "users": { "used": used } } });
    for strange in [
        serde_json::json!(null),
        serde_json::json!("a lot"),
        serde_json::json!([1, 2]),
        serde_json::json!({ "limits": {} }),
        serde_json::json!({ "measured_at": "yesterday", "limits": {} }),
        figures(serde_json::json!(-1)),
        figures(serde_json::json!(1.5)),
        figures(serde_json::json!("9")),
    ] {
        json["usage"] = strange;
        let header = header(RequestClaims::TYPE, &environment()).to_string();
        let (read, _) = verify(&signed(header, json.to_string(), &environment())).unwrap();
        assert_eq!(read, request_claims(RequestKind::Refresh), "{json}");
    }
    json["usage"] = figures(serde_json::json!(u64::MAX));
    let header = header(RequestClaims::TYPE, &environment()).to_string();
    let (read, _) = verify(&signed(header, json.to_string(), &environment())).unwrap();
    assert_eq!(read.usage.unwrap().limits["users"].used, Some(u64::MAX));
}

//! A vendor, its portal, an environment, and one sound document of each kind.

use crate::{
    codes::{ActivationCode, SerialNumber},
    license::*,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock};
use uuid::Uuid;

pub(super) const PRODUCT: &str = "acme-erp";
pub(super) const LICENSE: &str = LicenseClaims::TYPE;

static KEYS: LazyLock<[KeyPair; 5]> =
    LazyLock::new(|| [1, 2, 3, 4, 5].map(|seed| KeyPair::from_seed(&[seed; 32])));

pub(super) fn root() -> KeyPair {
    KEYS[0].clone()
}

pub(super) fn portal() -> KeyPair {
    KEYS[1].clone()
}

pub(super) fn environment() -> KeyPair {
    KEYS[2].clone()
}

/// A key that nobody here knows.
pub(super) fn stranger() -> KeyPair {
    KEYS[3].clone()
}

/// The key that takes the environment's place.
pub(super) fn newcomer() -> KeyPair {
    KEYS[4].clone()
}

pub(super) fn serial_number() -> SerialNumber {
    SerialNumber::mint("smbios-uuid", "4c4c4544-0042-3510-8054-b4c04f4a4e32")
}

pub(super) fn code() -> ActivationCode {
    ActivationCode::from_content(&[0xA5; 16])
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn license_claims() -> LicenseClaims {
    LicenseClaims {
        iss: "https://portal.example".to_owned(),
        aud: PRODUCT.to_owned(),
        sub: serial_number(),
        jti: Uuid::from_u128(7),
        iat: at("2026-01-02T03:04:05Z"),
        nbf: at("2026-01-02T03:04:05Z"),
        exp: at("2027-01-31T00:00:00Z"),
        seq: Sequence(3),
        subscription: Subscription {
            id: Uuid::from_u128(1),
            edition: "enterprise".to_owned(),
            support_level: "gold".to_owned(),
            starts_at: at("2026-01-01T00:00:00Z"),
            ends_at: at("2027-01-01T00:00:00Z"),
            grace_days: 30,
            trial: false,
        },
        environment: Environment {
            id: Uuid::from_u128(2),
            name: "Production".to_owned(),
            purpose: Purpose::Production,
        },
        features: BTreeMap::from([("sso".to_owned(), json!(true))]),
        limits: BTreeMap::from([(
            "users".to_owned(),
            Limit { limit: Some(1000), enforcement: Enforcement::Soft },
        )]),
        lease_days: 14,
        refresh_after: 86_400,
        check_in_days: None,
        hardware_grace_hours: 72,
        cnf: Some(Confirmation { jwk: environment().public() }),
        ca: None,
        former_ca: Vec::new(),
    }
}

pub(super) fn license() -> String {
    sign(&license_claims(), &portal()).unwrap()
}

pub(super) fn trust_claims(version: u64, keys: &[(&KeyPair, KeyStatus)]) -> TrustClaims {
    TrustClaims {
        iss: "Acme".to_owned(),
        aud: PRODUCT.to_owned(),
        iat: at("2026-01-01T00:00:00Z"),
        version,
        keys: keys
            .iter()
            .map(|(key, status)| PortalKey { key: key.public(), status: *status })
            .collect(),
    }
}

/// Trust document 5, which names the portal's key.
pub(super) fn trust_text() -> String {
    sign(&trust_claims(5, &[(&portal(), KeyStatus::Active)]), &root()).unwrap()
}

pub(super) fn roots() -> Roots {
    let mut roots = Roots::none();
    roots.add(root().public());
    roots
}

pub(super) fn trust() -> VerifiedTrust {
    // Made once: a signature takes long in a build without optimisation, and some tests ask thousands of times.
    static TRUST: LazyLock<VerifiedTrust> =
        LazyLock::new(|| roots().verify_trust(&trust_text(), PRODUCT, None).unwrap());
    TRUST.clone()
}

pub(super) fn read_license(text: &str) -> Result<VerifiedLicense, DocumentError> {
    verify_license(text, PRODUCT, &trust())
}

pub(super) fn request_id() -> RequestId {
    RequestId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001))
}

pub(super) fn answer_claims(outcome: Outcome, trust: Option<String>) -> AnswerClaims {
    AnswerClaims {
        iss: "https://portal.example".to_owned(),
        aud: PRODUCT.to_owned(),
        iat: at("2026-01-02T03:04:06Z"),
        in_reply_to: request_id(),
        outcome,
        trust,
        fork: None,
        environment_id: None,
        issued: None,
    }
}

pub(super) fn revocation_claims() -> RevocationClaims {
    RevocationClaims {
        iss: "https://portal.example".to_owned(),
        aud: PRODUCT.to_owned(),
        sub: serial_number(),
        iat: at("2026-03-01T00:00:00Z"),
        seq: Sequence(4),
        environment_id: Uuid::from_u128(2),
        revoked_at: at("2026-03-01T00:00:00Z"),
        reason: "charged back".to_owned(),
    }
}

/// A sound request of each kind; a rebind is that of a lost key. The key that `rebind` and `move` bring is `newcomer`.
pub(super) fn request_claims(request: RequestKind) -> RequestClaims {
    let activate = request == RequestKind::Activate;
    let by_code = activate || request == RequestKind::Rebind;
    let key = if activate { environment() } else { newcomer() };
    let environment_of = RequestedEnvironment {
        id: (!activate).then(|| Uuid::from_u128(2)),
        name: "Production".to_owned(),
        purpose: Purpose::Production,
    };
    let made = (request_id(), at("2026-01-02T03:04:00Z"));
    let mut claims = RequestClaims {
        activation: by_code.then(|| Activation::new(&code(), request_id(), &key.public())),
        candidates: vec![Candidate {
            serial_number: serial_number(),
            source: "smbios-uuid".to_owned(),
        }],
        machine: MachineFacts { agent: "0.1.0".to_owned(), ..MachineFacts::new("bare-metal") },
        ..RequestClaims::new(request, serial_number(), environment_of, PRODUCT, made)
    };
    if request == RequestKind::Move {
        claims.consent = sign_consent(&claims, &key.public(), &environment()).ok();
    }
    claims
}

/// The header that a document of type `typ` signed by `key` has.
pub(super) fn usage_claims() -> UsageClaims {
    let day = "2026-06-01".parse().unwrap();
    UsageClaims {
        iss: serial_number(),
        aud: PRODUCT.to_owned(),
        iat: at("2026-06-02T00:00:00Z"),
        environment: license_claims().environment,
        from: day,
        to: day,
        peaks: vec![UsagePeak {
            day,
            name: "users".to_owned(),
            peak: 812,
            limit: Some(1_000),
            enforcement: Enforcement::Soft,
            at: at("2026-06-01T14:00:00Z"),
        }],
        license: license(),
        trust: trust_text(),
    }
}

pub(super) fn header(typ: &str, key: &KeyPair) -> Value {
    json!({ "alg": "EdDSA", "typ": typ, "kid": key.thumbprint() })
}

/// Any header and any payload, soundly signed: what only the holder of `key` can send.
pub(super) fn signed(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, key: &KeyPair) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// A license of the portal with one member of its payload, named by a JSON pointer, set to another value.
pub(super) fn license_with(pointer: &str, value: Value) -> String {
    let mut claims = serde_json::to_value(license_claims()).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    claims.pointer_mut(parent).unwrap()[name] = value;
    signed(header(LICENSE, &portal()).to_string(), claims.to_string(), &portal())
}

/// The reason of a damaged part, which `error` must be.
pub(super) fn damaged(part: &str, error: &DocumentError) -> String {
    match error {
        DocumentError::Malformed { part: found, reason } if *found == part => reason.clone(),
        other => panic!("expected a damaged {part}, found {other:?}"),
    }
}

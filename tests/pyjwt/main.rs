//! `PyJWT` as an independent reader and signer of documents. Run by `tests/pyjwt/run`, which has it; elsewhere these
//! tests are listed as ignored, and they fail rather than pass where it is missing.
#![allow(clippy::unwrap_used, reason = "tests")]

use entitled::license::*;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{env, fs, path::PathBuf, process::Command};

const PRODUCT: &str = "acme-erp";
const SERIAL_NUMBER: &str = "0CD-MJA-298-PZ0-P7X-638-7DG-JFT";

/// A file of the folder that the script and `PyJWT` share.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env::var_os("PYJWT_EXCHANGE").unwrap()).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

fn key(name: &str) -> KeyPair {
    KeyPair::from_pem(&read(name)).unwrap()
}

/// The license that `PyJWT` made, read through the trust document that it made.
fn license_of_pyjwt() -> VerifiedLicense {
    let mut roots = Roots::none();
    roots.add_key_set(&read("roots.jwks")).unwrap();
    let trust = roots.verify_trust(&read("trust.jwt"), PRODUCT, None).unwrap();
    verify_license(&read("license.jwt"), PRODUCT, &trust).unwrap()
}

/// What `PyJWT` says to a license: its claims, or the name of its exception.
fn pyjwt_verifies(license: &str, audience: &str) -> Result<Value, String> {
    let path = file("ours.jwt");
    fs::write(&path, license).unwrap();
    let output = Command::new(env::var_os("PYJWT_PYTHON").unwrap())
        .args(["tests/pyjwt/exchange.py", "verify"])
        .args([file("portal.pem"), path])
        .arg(audience)
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8(output.stderr).unwrap().trim().to_owned())
}

#[test]
#[ignore = "needs PyJWT: run tests/pyjwt/run"]
fn we_read_what_pyjwt_signed() {
    let license = license_of_pyjwt();
    let claims = license.claims();
    assert_eq!(claims.sub.to_string(), SERIAL_NUMBER);
    assert_eq!(claims.environment.name, "Größe 生产");
    let grace = claims.exp.duration_since(claims.subscription.ends_at);
    assert_eq!(grace, SignedDuration::from_hours(30 * 24));
    let unlimited = Limit { limit: None, enforcement: Enforcement::Hard };
    assert_eq!(claims.limits["users"], unlimited);
    let environment = key("environment.pem").thumbprint();
    assert_eq!(license.check_binding(claims.sub, &environment), Ok(()));
    let other = key("portal.pem").thumbprint();
    assert_eq!(license.check_binding(claims.sub, &other).unwrap_err().code(), "document-binding");
}

#[test]
#[ignore = "needs PyJWT: run tests/pyjwt/run"]
fn pyjwt_reads_what_we_signed() {
    let portal = key("portal.pem");
    let mut claims = license_of_pyjwt().claims().clone();
    claims.seq = Sequence(2);
    let text = sign(&claims, &portal).unwrap();
    let read = pyjwt_verifies(&text, PRODUCT).unwrap();
    assert_eq!(read, serde_json::to_value(&claims).unwrap());

    let refused = |text: &str, audience| pyjwt_verifies(text, audience).unwrap_err();
    assert_eq!(refused(&text, "acme-crm"), "InvalidAudienceError");
    let mut changed = text.clone();
    let place = text.rfind('.').unwrap() + 1;
    let other = if changed.as_bytes()[place] == b'A' { "B" } else { "A" };
    changed.replace_range(place..=place, other);
    assert_eq!(refused(&changed, PRODUCT), "InvalidSignatureError");
    let by_other = sign(&claims, &key("root.pem")).unwrap();
    assert_eq!(refused(&by_other, PRODUCT), "InvalidKeyError");
    claims.exp = Timestamp::now() - SignedDuration::from_secs(5);
    assert_eq!(refused(&sign(&claims, &portal).unwrap(), PRODUCT), "ExpiredSignatureError");
}

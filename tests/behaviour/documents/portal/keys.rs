//! Another signing key in the place of the present one.

use super::Reader;
use crate::stage::{Server, Vendor};
use std::{fs, thread};

pub(super) const LINES: &[&str] = &[
    "entitle-portal key create > new.jwks",
    "entitle-portal key list",
    "entitle-portal trust sign --root-key root-key.pem --trust trust.jwt --add new.jwks --retire THUMBPRINT --out next.jwt",
    "entitle-portal trust install next.jwt",
    "shred -u keys/THUMBPRINT.pem",
    "entitle-portal key list --json",
    "entitle-portal trust sign --root-key root-key.pem --trust trust.jwt --add new.jwks --revoke THUMBPRINT --out next.jwt",
];

async fn trust_of(server: &Server) -> String {
    let (status, text) = server.get("/v1/trust").await;
    assert_eq!(status, 200, "{text}");
    text
}

#[tokio::test]
async fn a_signing_key_is_replaced_as_the_page_says_and_each_step_is_in_the_audit() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let mut reader = Reader::new(&vendor, LINES);
    let old = vendor.json(&["key", "list"])[0]["thumbprint"].as_str().unwrap().to_owned();
    reader.run(LINES[0], &[]);
    assert!(reader.run(LINES[1], &[]).contains("not in the trust document"));
    for name in ["root-key.pem", "trust.jwt"] {
        fs::copy(vendor.path(name), reader.path(name)).unwrap();
    }
    let listed: serde_json::Value = serde_json::from_str(&reader.run(LINES[5], &[])).unwrap();
    let made: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(reader.path("new.jwks")).unwrap()).unwrap();
    assert_eq!(
        (&listed[1]["status"], &listed[1]["key"]),
        (&serde_json::Value::Null, &made["keys"][0])
    );
    reader.run(LINES[6], &[("THUMBPRINT", &old)]);
    reader.run(LINES[2], &[("THUMBPRINT", &old)]);
    reader.run(LINES[3], &[]);
    let listed = vendor.json(&["key", "list"]);
    let new = listed.as_array().unwrap().iter().find(|key| key["signs"] == true).unwrap();
    assert_ne!(new["thumbprint"], old.as_str(), "{listed}");

    // What systemd does at a reload.
    server.signal("-HUP");
    let next = fs::read_to_string(reader.path("next.jwt")).unwrap();
    while trust_of(&server).await.trim() != next.trim() {
        thread::yield_now();
    }
    let keys = vendor.path("keys").display().to_string();
    reader.run(LINES[4], &[("keys/", &format!("{keys}/")), ("THUMBPRINT", &old)]);

    let audit = vendor.json(&["audit"]);
    let [made, installed] = audit.as_array().unwrap().as_slice() else { panic!("{audit:#}") };
    assert_eq!(
        (&made["event"], &made["detail"]["key"]),
        (&"signing-key-made".into(), &new["thumbprint"])
    );
    assert_eq!(installed["event"], "trust-installed");
    let detail = &installed["detail"];
    assert_eq!(detail["version"], 2, "{audit:#}");
    assert_eq!(detail["active"], serde_json::json!([new["thumbprint"]]), "{audit:#}");
    assert_eq!(detail["retired"], serde_json::json!([old]), "{audit:#}");
    for entry in [made, installed] {
        assert!(entry["actor"].as_str().unwrap().starts_with("operator uid "), "{audit:#}");
    }
}

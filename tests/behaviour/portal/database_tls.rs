//! A PostgreSQL server that is spoken to by TLS: what is believed, and what mends what is not. Asked for by `tests/postgres/run`.

use crate::stage::Vendor;
use std::{env, process::Command};
use tempfile::TempDir;

fn from_the_script(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("tests/postgres/run sets {name}"))
}

/// The database of the server with TLS, by one of the names of this machine, with these options.
fn url(host: &str, options: &str) -> String {
    let port = from_the_script("ENTITLED_TEST_POSTGRES_TLS_PORT");
    let certificates = from_the_script("ENTITLED_TEST_POSTGRES_CERTIFICATES");
    let options = options.replace("FOLDER", &certificates);
    format!("postgresql://admin@{host}:{port}/postgres?{options}")
}

/// `entitle-portal init` on that database, which must be refused: what it says.
#[track_caller]
fn refused(url: &str, code: &str) -> String {
    let folder = TempDir::new().unwrap();
    let mut init = Command::new(env!("CARGO_BIN_EXE_entitle-portal"));
    init.args(["--json", "init", "--product", "P", "--issuer", "I", "--database", url]);
    let done = init.env("ENTITLE_PORTAL_DIR", folder.path()).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{url}: {said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["error"]["code"], code, "{url}: {said}");
    said["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_is_believed_by_authority_and_by_name_alone() {
    for verified in
        ["sslrootcert=FOLDER/authority.pem", "sslmode=verify-full&sslrootcert=FOLDER/authority.pem"]
    {
        // The server takes none but TLS.
        let vendor = Vendor::on(&url("localhost", verified));
        vendor.sell();
        assert_eq!(vendor.json(&["audit", "verify"])["fault"], serde_json::Value::Null);
    }

    let stranger = url("localhost", "sslrootcert=FOLDER/stranger.pem");
    let said = refused(&stranger, "store-untrusted");
    assert!(said.contains("UnknownIssuer") && said.contains("?sslrootcert="), "{said}");

    let other_name = url("127.0.0.1", "sslrootcert=FOLDER/authority.pem");
    let said = refused(&other_name, "store-untrusted");
    assert!(said.contains("localhost") && said.contains("name the server in the URL"), "{said}");

    let no_certificates = url("localhost", "sslrootcert=FOLDER/server.key");
    assert!(refused(&no_certificates, "store-open").contains("server.key"));

    // Not by accident, and not halfway.
    let said = refused(&url("localhost", "sslmode=disable"), "store-failed");
    assert!(said.contains("no encryption"), "{said}");
    let said = refused(&url("localhost", "sslmode=verify-ca"), "store-url");
    assert!(said.contains("verify-full"), "{said}");
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_without_tls_is_refused_where_tls_is_demanded() {
    let plain = from_the_script("ENTITLED_TEST_POSTGRES").replace("127.0.0.1", "localhost");
    let certificates = from_the_script("ENTITLED_TEST_POSTGRES_CERTIFICATES");
    for demanded in ["sslmode=require&", ""] {
        let url = format!("{plain}?{demanded}sslrootcert={certificates}/authority.pem");
        let said = refused(&url, "store-untrusted");
        assert!(said.contains("`ssl = on`") && said.contains("sslmode=disable"), "{said}");
    }
}

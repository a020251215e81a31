//! Which addresses and settings are taken.

use crate::upstream::*;
use std::path::PathBuf;

fn code(settings: &PortalSettings) -> String {
    HttpPortal::new(settings).map_or_else(|error| error.code().to_owned(), |_| "taken".to_owned())
}

fn at(url: &str) -> PortalSettings {
    PortalSettings { url: url.to_owned(), ..PortalSettings::default() }
}

#[test]
fn https_anywhere_and_http_to_this_machine_alone() {
    for url in [
        "https://portal.example",
        "https://portal.example/some/path/",
        "https://10.0.0.1:8443",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "http://localhost:8080",
    ] {
        assert_eq!(code(&at(url)), "taken", "{url}");
    }
    for url in [
        "http://portal.example",
        "http://10.0.0.1",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.0.0.1@portal.example",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "portal.example",
        "",
    ] {
        assert_eq!(code(&at(url)), "portal-address", "{url}");
    }
}

#[test]
fn the_address_is_shown_without_the_route() {
    let portal = HttpPortal::new(&at("https://portal.example/some/path/")).unwrap();
    assert_eq!(portal.url(), "https://portal.example/some/path");
}

#[test]
fn what_can_not_be_used_is_named() {
    let missing = PathBuf::from("/no/such/authority.pem");
    let settings = PortalSettings { ca_file: Some(missing), ..at("https://portal.example") };
    let error = HttpPortal::new(&settings).err().unwrap();
    assert_eq!(error.code(), "portal-settings");
    assert!(error.to_string().contains("/no/such/authority.pem"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.pem");
    let text = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    std::fs::write(&garbage, text).unwrap();
    let settings = PortalSettings { ca_file: Some(garbage), ..at("https://portal.example") };
    assert_eq!(code(&settings), "portal-settings");

    let proxy = Some("::not an address::".to_owned());
    let settings = PortalSettings { proxy, ..at("https://portal.example") };
    assert_eq!(code(&settings), "portal-settings");
}

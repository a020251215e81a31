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
        "https://portal.example/?tenant=1",
        "https://portal.example/#top",
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
fn no_password_of_an_address_or_a_proxy_is_shown() {
    let url = |text: &str| HttpPortal::new(&at(text)).unwrap().url().to_owned();
    assert_eq!(url("https://user:secret@portal.example/a@b/"), "https://portal.example/a@b");
    assert_eq!(url("https://secret@portal.example"), "https://portal.example");
    assert_eq!(url("https://portal.example/a@b"), "https://portal.example/a@b");
    for wrong in
        ["http://user:secret@portal.example", "ftp://user:secret@p", "https://user:secret@p:99999"]
    {
        let told = HttpPortal::new(&at(wrong)).err().unwrap().to_string();
        assert!(!told.contains("secret"), "{told}");
    }
    let proxy = Some("http://user:secret@proxy:99999".to_owned());
    let settings = PortalSettings { proxy, ..at("https://portal.example") };
    let told = HttpPortal::new(&settings).err().unwrap().to_string();
    assert!(told.contains("port") && !told.contains("secret"), "{told}");
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

#[test]
fn a_proxy_is_one_that_can_be_used() {
    let by = |proxy: &str| {
        let proxy = Some(proxy.to_owned());
        code(&PortalSettings { proxy, ..at("https://portal.example") })
    };
    for proxy in ["http://proxy.example:3128", "https://u:p@proxy.example", "proxy.example:3128"] {
        assert_eq!(by(proxy), "taken", "{proxy}");
    }
    for proxy in ["ftp://proxy.example", "socks5://proxy.example:1080", "http://", "file:///etc"] {
        assert_eq!(by(proxy), "portal-settings", "{proxy}");
    }
}

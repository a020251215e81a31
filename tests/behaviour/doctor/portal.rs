//! The way to the portal, broken at each of its steps.

use super::{Found, activated, doctor};
use crate::stage::Ctl;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types::PrivateKeyDer,
};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// Settings of a controller without an agent.
struct Asking {
    folder: TempDir,
}

impl Asking {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// What is found with this in `[portal]`.
    fn found(&self, portal: &str) -> Found {
        self.found_with(portal, &[])
    }

    /// The same with variables of the environment.
    fn found_with(&self, portal: &str, variables: &[(&str, &str)]) -> Found {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let text = format!(
            "product = 'example-product'\nstate_directory = '{}'\nruntime_directory = '{}'\n[portal]\n{portal}",
            at("state"),
            at("run")
        );
        let path: PathBuf = self.folder.path().join("entitled.toml");
        fs::write(&path, text).unwrap();
        let mut command = Ctl::new(&self.folder.path().join("run/entitled.sock")).command();
        command.args(["doctor", "--json", "--config"]).arg(&path);
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        Found::of(command)
    }
}

/// An address that refuses connections.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Reads a request, and answers it.
fn answer(stream: impl Read + Write, date: &str) {
    answer_with(stream, "200 OK", date);
}

fn answer_with(mut stream: impl Read + Write, status: &str, date: &str) {
    let mut lines = BufReader::new(&mut stream);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let answer =
        format!("HTTP/1.1 {status}\r\n{date}content-length: 3\r\nconnection: close\r\n\r\nok\n");
    // The other end may have gone.
    let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
}

/// A web server that is no portal, with a date of its own.
fn other_server(date: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(stream, date)));
    address
}

/// A server that is not well.
fn ailing_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer_with(stream, "503 Service Unavailable", "");
        }
    });
    address
}

/// The same over TLS, with a certificate of nobody's that is good up to that year; its PEM.
fn tls_server(year: i32) -> (SocketAddr, String) {
    tls_server_with(|params| params.not_after = date_time_ymd(year, 1, 1))
}

fn tls_server_with(change: impl FnOnce(&mut CertificateParams)) -> (SocketAddr, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            answer(StreamOwned::new(connection, stream), "");
        }
    });
    (address, certificate.pem())
}

#[test]
fn each_step_of_the_way_that_fails_is_named() {
    let asking = Asking::new();
    let found = asking.found("url = 'http://portal.example'\n");
    found.is("portal-address", "failed", "expected an https address");
    let closed = closed();
    let found = asking.found(&format!("url = 'http://{closed}'\n"));
    found.is("portal-connection", "failed", "refused");
    assert!(
        found.one("portal-connection")["mend"].as_str().unwrap().contains("entitlectl request")
    );
    let found =
        asking.found(&format!("url = 'https://portal.invalid'\nproxy = 'http://{closed}'\n"));
    found.is("portal-proxy", "failed", "refused");
    assert_eq!(found.all("portal-name").count(), 0);
    let found = asking.found("url = 'https://portal.invalid'\n");
    found.is("portal-name", "failed", "portal.invalid");
    let proxy = format!("http://operator:hunter2-variable@{closed}");
    let url = "url = 'https://portal.invalid'\n";
    let found = asking.found_with(url, &[("HTTPS_PROXY", &proxy)]);
    found.is("portal-proxy", "failed", "refused");
    let found = asking.found_with(url, &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "x, .invalid")]);
    found.is("portal-name", "failed", "portal.invalid");
    let found = asking.found("");
    found.is("portal", "skipped", "carried by hand");
}

#[test]
fn another_server_and_another_clock_are_told_apart_from_the_portal() {
    let asking = Asking::new();
    let address = other_server("date: Tue, 15 Nov 1994 08:12:31 GMT\r\n");
    let found = asking.found(&format!("url = 'http://{address}'\n"));
    found.is("portal", "ok", "is alive");
    found.is("portal-product", "failed", "another server");
    found.is("clock", "failed", "seconds ahead of it");
    assert!(found.one("clock")["mend"].as_str().unwrap().contains("timedatectl set-ntp true"));
    let found = asking.found(&format!("url = 'http://{}'\n", other_server("")));
    found.is("clock", "skipped", "no date");

    let (_vendor, server, controller, _daemon) = activated("");
    let found = asking.found(&format!("url = '{}'\n", server.url));
    found.is("portal-product", "ok", "for example-product");
    let settings = fs::read_to_string(controller.settings()).unwrap();
    fs::write(controller.settings(), settings.replace("example-product", "another")).unwrap();
    doctor(&controller).is("portal-product", "failed", "expected a portal for \"another\"");
}

#[test]
fn a_certificate_that_nobody_knows_or_that_has_ended_is_named() {
    let asking = Asking::new();
    let (address, pem) = tls_server(2100);
    let url = format!("url = 'https://localhost:{}'\n", address.port());
    let found = asking.found(&url);
    found.is("portal-tls", "failed", "certificate");
    // The mend: the authority is named.
    let ca = asking.folder.path().join("ca.pem");
    fs::write(&ca, pem).unwrap();
    let with_ca = format!("{url}ca_file = '{}'\n", ca.display());
    let found = asking.found(&with_ca);
    found.is("portal-ca-file", "ok", "2100-01-01");
    found.is("portal-tls", "ok", "known authority");
    found.is("portal-certificate", "ok", "2100-01-01");

    let (address, pem) = tls_server(2021);
    fs::write(&ca, pem).unwrap();
    let url = format!("url = 'https://localhost:{}'\n", address.port());
    let found = asking.found(&format!("{url}ca_file = '{}'\n", ca.display()));
    found.is("portal-ca-file", "warning", "ended on 2021-01-01");
    found.is("portal-tls", "failed", "expired");
    fs::write(&ca, "no certificate").unwrap();
    let found = asking.found(&format!("{url}ca_file = '{}'\n", ca.display()));
    found.is("portal-ca-file", "failed", "found none");
    // What speaks no TLS at all.
    let plain = other_server("");
    let found = asking.found(&format!("url = 'https://localhost:{}'\n", plain.port()));
    assert_eq!(found.one("portal-tls")["result"], "failed", "{:#}", found.one("portal-tls"));
}

#[test]
fn a_portal_that_is_not_well_and_a_certificate_that_ends_soon_are_named() {
    let asking = Asking::new();
    let found = asking.found(&format!("url = 'http://{}'\n", ailing_server()));
    found.is("portal", "failed", "503");
    assert!(found.one("portal")["mend"].as_str().unwrap().contains("/livez`"), "{found:?}");

    let soon = SystemTime::now() + Duration::from_hours(10 * 24);
    let (address, pem) = tls_server_with(|params| params.not_after = soon.into());
    let ca = asking.folder.path().join("ca.pem");
    fs::write(&ca, pem).unwrap();
    let url = format!("url = 'https://localhost:{}'\n", address.port());
    let found = asking.found(&format!("{url}ca_file = '{}'\n", ca.display()));
    found.is("portal-tls", "ok", "known authority");
    found.is("portal-certificate", "warning", "ends on");
}

#[test]
fn a_clock_that_nothing_keeps_is_found() {
    let asking = Asking::new();
    let programs = asking.folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // What the system's program says, in its place.
    let found_where = |said: &str| {
        let program = programs.join("timedatectl");
        fs::write(&program, format!("#!/bin/sh\necho '{said}'\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        asking.found_with("", &[("PATH", &path)])
    };
    found_where("no").is("clock-synchronised", "warning", "nothing synchronises");
    found_where("yes").is("clock-synchronised", "ok", "is synchronised");
    found_where("Failed to connect to bus").is("clock-synchronised", "skipped", "does not say");
}

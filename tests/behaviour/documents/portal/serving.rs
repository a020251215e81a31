//! What serves until it is told to stop.

use super::Reader;
use crate::stage::{Running, Vendor};
use rcgen::{CertificateParams, KeyPair};
use std::{fs, path::Path};

pub(super) const LINES: &[&str] = &[
    "entitle-portal serve",
    "entitle-portal serve --listen 0.0.0.0:8443 --tls-certificate tls.crt --tls-key tls.key",
    "entitle-portal dev",
];

fn serves(reader: &mut Reader, line: &'static str, meant: (&str, &str), told: &str) {
    let typed = reader.line(line, &[meant]);
    let command = reader.desk.command(&format!("exec {typed}"), Path::new("/nonexistent"));
    let mut running = Running::start(command);
    running.await_line(told);
    running.stop();
}

#[test]
fn the_portal_serves_as_the_page_says() {
    let vendor = Vendor::new();
    let mut reader = Reader::new(&vendor, LINES);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    fs::write(reader.path("tls.crt"), certificate.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(reader.path("tls.key"), key.serialize_pem()).unwrap();
    // Ports of their own, so that many tests can run at once.
    let free = ("entitle-portal serve", "entitle-portal serve --listen 127.0.0.1:0");
    serves(&mut reader, LINES[0], free, "listening on http://");
    serves(&mut reader, LINES[1], ("0.0.0.0:8443", "0.0.0.0:0"), "listening on https://");
    let free = ("entitle-portal dev", "entitle-portal dev --listen 127.0.0.1:0");
    serves(&mut reader, LINES[2], free, "http://127.0.0.1:");
}

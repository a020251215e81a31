//! TLS by the portal itself, before the real agent.

use crate::stage::{Controller, Running, Vendor};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::Signal;
use std::fs;

/// An authority of the vendor's, whose certificate the agents have in a file.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(vendor: &Vendor) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let made = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(vendor.path("ca.pem"), made.pem()).unwrap();
        Self(made)
    }

    /// Puts a new certificate of the portal's into its place.
    fn certify(&self, vendor: &Vendor) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        fs::write(vendor.path("tls.crt"), made.pem()).unwrap();
        fs::write(vendor.path("tls.key"), key.serialize_pem()).unwrap();
    }
}

fn serve(vendor: &Vendor, listen: &str) -> (Running, String) {
    let mut command = vendor.command();
    command.args(["serve", "--listen", listen]);
    command.arg("--tls-certificate").arg(vendor.path("tls.crt"));
    command.arg("--tls-key").arg(vendor.path("tls.key"));
    let mut running = Running::start(command);
    let line = running.await_line("listening on ");
    (running, line.trim().strip_prefix("listening on ").unwrap().to_owned())
}

#[test]
fn an_agent_comes_by_tls_and_goes_on_after_the_certificate_was_replaced() {
    let vendor = Vendor::new();
    let authority = Authority::new(&vendor);
    authority.certify(&vendor);
    // On an address that others reach, which is refused without TLS.
    let (mut portal, url) = serve(&vendor, "0.0.0.0:0");
    let url = url.replace("0.0.0.0", "localhost");
    assert!(url.starts_with("https://"), "{url}");
    let ca = vendor.path("ca.pem").display().to_string();
    let controller = Controller::at(
        &vendor,
        &url,
        &format!("ca_file = '{ca}'\n[identity]\noverride = 'asset 4711'\n"),
    );
    let _daemon = controller.start();
    let (id, code) = vendor.sell();
    controller.ctl.out(&["activate", &code.expose()]);
    assert_eq!(controller.socket.status()["state"], "active");

    authority.certify(&vendor);
    portal.signal(Signal::HUP);
    portal.await_line("the certificate was read again");
    vendor.json(&["subscription", "set", &id, "--feature", "sso"]);
    controller.ctl.out(&["refresh"]);
    assert_eq!(controller.socket.status()["features"]["sso"], true);

    // A pair that does not fit is told, and nobody notices.
    fs::write(vendor.path("tls.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    portal.signal(Signal::HUP);
    portal.await_line("the old certificate stays in use");
    vendor.json(&["subscription", "set", &id, "--feature", "sso=false"]);
    controller.ctl.out(&["refresh"]);
    assert_eq!(controller.socket.status()["features"]["sso"], false);
    portal.stop();
}

#[test]
fn what_can_not_be_shown_is_told_at_the_start() {
    let vendor = Vendor::new();
    Authority::new(&vendor).certify(&vendor);
    let certificate = vendor.path("tls.crt").display().to_string();
    let serve = ["--json", "serve", "--listen", "127.0.0.1:0", "--tls-certificate", &certificate];
    let alone = vendor.run(&serve);
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8(alone.stderr).unwrap().contains("--tls-key"));
    let roots = vendor.path("roots.jwks").display().to_string();
    let refused = vendor.run(&[&serve[..], &["--tls-key", &roots]].concat());
    let error: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error["error"]["code"], "tls-key", "{error}");
}

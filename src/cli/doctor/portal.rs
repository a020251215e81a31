//! The way to the portal, a step at a time: address, proxy or name, connection, TLS, certificates, and whether a Licensing
//! Portal of this product is at its end.

use super::{Code, Finding, Patient, clock, reach};
use crate::{
    config::Settings,
    license::{TrustClaims, Unverified},
    upstream::{HttpPortal, PortalSettings, Way, certificate_ends},
};
use jiff::{SignedDuration, Timestamp};
use std::fs;

/// A certificate that ends so soon is worth a word.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
const BY_HAND: &str = "until then carry requests by hand: `entitlectl request`";

pub(super) async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let settings = patient.settings.as_ref();
    let told = patient.status.as_ref().and_then(|status| status.upstream.url.clone());
    let Some(url) = settings.and_then(|settings| settings.portal_url.clone()).or(told) else {
        let message = "no portal is set: licenses are carried by hand";
        return findings.push(Finding::skipped(Code::Portal, message));
    };
    check_ca_file(settings, findings);
    let way = PortalSettings {
        url,
        ca_file: settings.and_then(|settings| settings.portal_ca_file.clone()),
        proxy: settings.and_then(|settings| settings.portal_proxy.clone()),
    };
    let portal = match HttpPortal::new(&way) {
        Ok(portal) => portal,
        Err(error) => {
            let mend = "mend [portal] url, ca_file and proxy, then `systemctl reload entitled`";
            return findings.push(Finding::failed(Code::PortalAddress, error.to_string(), mend));
        }
    };
    let shown = portal.shown().to_owned();
    findings.push(Finding::ok(Code::PortalAddress, format!("{shown} can be asked")));
    if reach_it(&portal.way(), findings).await {
        ask(&portal, &shown, settings, findings).await;
    }
}

/// Name and connection, or those of the proxy, which looks names up itself.
async fn reach_it(way: &Way, findings: &mut Vec<Finding>) -> bool {
    let (host, port) = (&way.host, way.port);
    let (name, connection) = if way.is_proxy {
        (Code::PortalProxy, Code::PortalProxy)
    } else {
        (Code::PortalName, Code::PortalConnection)
    };
    let addresses = match reach::resolve(host, port).await {
        Ok(addresses) => addresses,
        Err(error) => {
            let message = format!("expected an address of {host}, found none: {error}");
            let mend = format!("check the name and the resolver: `getent hosts {host}`; {BY_HAND}");
            findings.push(Finding::failed(name, message, mend));
            return false;
        }
    };
    if !way.is_proxy {
        let message =
            format!("{host} has {} addresses, {} first", addresses.len(), addresses[0].ip());
        findings.push(Finding::ok(name, message));
    }
    match reach::connect(&addresses).await {
        Ok(address) => {
            findings.push(Finding::ok(connection, format!("{address} takes connections")));
            true
        }
        Err(error) => {
            let message = format!("expected a connection to {host} port {port}, found: {error}");
            let mend = if way.is_proxy {
                format!(
                    "check the proxy and [portal] proxy, then `systemctl reload entitled`; {BY_HAND}"
                )
            } else {
                format!(
                    "check route and firewall: `ip route get {}`; a network without a way out needs [portal] proxy; {BY_HAND}",
                    addresses[0].ip()
                )
            };
            findings.push(Finding::failed(connection, message, mend));
            false
        }
    }
}

async fn ask(
    portal: &HttpPortal,
    shown: &str,
    settings: Option<&Settings>,
    findings: &mut Vec<Finding>,
) {
    let probed = match portal.probe().await {
        Ok(probed) => probed,
        Err(error) => {
            let told = error.to_string();
            let of_tls = ["certificate", "tls", "TLS", "handshake", "corrupt message"];
            return findings.push(if of_tls.iter().any(|word| told.contains(word)) {
                let mend = "name the authority of its certificate in [portal] ca_file, or have the certificate renewed, then `systemctl reload entitled`; a wrong clock refuses it as well: `timedatectl`";
                Finding::failed(Code::PortalTls, told, mend)
            } else {
                let mend = format!("check [portal] url and proxy: `curl -v {shown}/livez`; {BY_HAND}");
                Finding::failed(Code::Portal, told, mend)
            });
        }
    };
    if let Some(ends) = probed.certificate_ends {
        findings.push(Finding::ok(Code::PortalTls, "its certificate is of a known authority"));
        let left = ends.duration_since(probed.asked_at);
        let message = format!("the portal's certificate ends on {}", ends.strftime("%Y-%m-%d"));
        findings.push(if left < SOON {
            let mend = "the vendor renews it; tell them, and look at it by `openssl s_client -connect HOST:443`";
            Finding::warning(Code::PortalCertificate, message, mend)
        } else {
            Finding::ok(Code::PortalCertificate, message)
        });
    }
    findings.push(Finding::ok(Code::Portal, format!("{shown} is alive")));
    findings.push(clock::compare(probed.date, probed.asked_at));
    findings.push(check_product(probed.trust.as_deref(), shown, settings));
}

/// The portal's trust document says for which product it speaks.
fn check_product(trust: Option<&str>, shown: &str, settings: Option<&Settings>) -> Finding {
    let code = Code::PortalProduct;
    let mend = "set [portal] url to the Licensing Portal that the vendor named and `product` to its product, then `systemctl restart entitled`";
    let document = trust.map(|text| Unverified::parse(text).and_then(|d| d.peek::<TrustClaims>()));
    let Some(Ok(claims)) = document else {
        let message = format!(
            "expected a Licensing Portal's trust document from {shown}, found none: another server is there"
        );
        return Finding::failed(code, message, mend);
    };
    match settings.map(|settings| &settings.product) {
        Some(product) if *product != claims.aud => {
            let message =
                format!("expected a portal for {product:?}, found one for {:?}", claims.aud);
            Finding::failed(code, message, mend)
        }
        _ => Finding::ok(
            code,
            format!("it is the Licensing Portal of {}, for {}", claims.iss, claims.aud),
        ),
    }
}

/// Certificates of authorities end as well.
fn check_ca_file(settings: Option<&Settings>, findings: &mut Vec<Finding>) {
    let code = Code::PortalCaFile;
    let Some(path) = settings.and_then(|settings| settings.portal_ca_file.as_deref()) else {
        return;
    };
    let shown = path.display();
    let mend = format!(
        "put the authority's certificate, PEM, into {shown}, then `systemctl reload entitled`; `openssl x509 -in {shown} -noout -dates` shows what is there"
    );
    let ends = match fs::read(path) {
        Ok(pem) => certificate_ends(&pem),
        Err(error) => {
            return findings.push(Finding::failed(code, format!("{shown}: {error}"), mend));
        }
    };
    let now = Timestamp::now();
    findings.push(match ends.iter().min() {
        None => {
            Finding::failed(code, format!("expected certificates in {shown}, found none"), mend)
        }
        Some(end) if *end < now => {
            let message = format!("a certificate in {shown} ended on {}", end.strftime("%Y-%m-%d"));
            Finding::warning(code, message, mend)
        }
        Some(end) => {
            let message =
                format!("the certificates in {shown} are good until {}", end.strftime("%Y-%m-%d"));
            Finding::ok(code, message)
        }
    });
}

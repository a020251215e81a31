//! The way to the portal: name, connection, TLS, and whether a portal is at its end.

use super::Finding;
use crate::{
    config::Settings,
    upstream::{HttpPortal, PortalSettings},
};

pub(super) async fn check(
    url: Option<String>,
    settings: Option<&Settings>,
    findings: &mut Vec<Finding>,
) {
    const CODE: &str = "portal";
    let Some(url) = url else {
        findings.push(Finding::skipped(CODE, "no portal is set: licenses are carried by hand"));
        return;
    };
    let way = PortalSettings {
        url: url.clone(),
        ca_file: settings.and_then(|settings| settings.portal_ca_file.clone()),
        proxy: settings.and_then(|settings| settings.portal_proxy.clone()),
    };
    let tried = match HttpPortal::new(&way) {
        Ok(portal) => portal.probe().await,
        Err(error) => Err(error),
    };
    findings.push(match tried {
        Ok(()) => Finding::ok(CODE, format!("{url} answers as a Licensing Portal")),
        Err(error) => {
            let mend = "check name, route, firewall, [portal] proxy and ca_file; until then carry requests by hand: `entitlectl request`";
            Finding::failed(CODE, error.to_string(), mend)
        }
    });
}

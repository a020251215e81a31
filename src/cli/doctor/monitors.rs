//! The port for monitors, and the way to the webhook's receiver, which is told nothing by it.

use super::{Code, Finding, Patient, members::local, reach};
use reqwest::{Client, Url};
use std::{net::SocketAddr, time::Duration};

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let Some(settings) = &patient.settings else { return };
    findings.push(match settings.health_listen {
        Some(listen) => check_port(listen).await,
        None => Finding::skipped(
            Code::HealthPort,
            "[health] listen is not set: monitors ask the sockets",
        ),
    });
    findings.push(match &settings.webhook_url {
        Some(url) => check_receiver(url).await,
        None => {
            Finding::skipped(Code::Webhook, "[webhook] url is not set: nobody is told of changes")
        }
    });
}

async fn check_port(listen: SocketAddr) -> Finding {
    let code = Code::HealthPort;
    if listen.port() == 0 {
        return Finding::skipped(
            code,
            format!("{listen} leaves the port to the system: it is not known here"),
        );
    }
    let url = format!("http://{}/livez", local(listen));
    let client = Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build();
    let asked = match client {
        Ok(client) => client.get(&url).send().await.map(|answer| answer.status()),
        Err(error) => Err(error),
    };
    let found = match asked {
        Ok(status) if status.is_success() => {
            return Finding::ok(code, format!("monitors are answered on {listen}"));
        }
        Ok(status) => format!("status {}", status.as_u16()),
        Err(error) => crate::problem::causes(&error.without_url()),
    };
    let mend = format!(
        "`ss -ltnp 'sport = :{}'` shows who has the port; free it or change [health] listen, then `systemctl restart entitled`",
        listen.port()
    );
    Finding::failed(code, format!("expected the agent on {url}, found: {found}"), mend)
}

/// The receiver's name and port. The rest of its address may be a secret.
async fn check_receiver(url: &str) -> Finding {
    let code = Code::Webhook;
    let mend = "check the receiver and [webhook] url, then `systemctl restart entitled`; changes of a day are told later";
    let address = Url::parse(url).ok();
    let address =
        address.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let Some((host, port)) = address else {
        return Finding::failed(
            code,
            "expected an https or http address in [webhook] url, found another text",
            mend,
        );
    };
    let reached = match reach::resolve(host, port).await {
        Ok(found) => reach::connect(&found).await,
        Err(error) => Err(error),
    };
    match reached {
        Ok(_) => Finding::ok(
            code,
            format!("the receiver takes connections on {host} port {port}; nothing was sent"),
        ),
        Err(error) => {
            let message =
                format!("expected the webhook's receiver on {host} port {port}, found: {error}");
            Finding::warning(code, message, mend)
        }
    }
}

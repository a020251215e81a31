//! A portal as its operator runs it: log, metrics, and a key that the service manager hands over.

use super::agent::Agent;
use crate::stage::{Running, Server, Vendor};
use serde_json::Value;
use std::fs;

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// A line of its output or its log, which come in any order.
fn line(portal: &mut Running, part: &str) -> String {
    let said = portal.said().lines().find(|line| line.contains(part)).map(str::to_owned);
    said.unwrap_or_else(|| portal.await_line(part))
}

#[tokio::test]
async fn a_request_is_logged_by_its_route_and_its_client_and_by_nothing_secret() {
    let vendor = Vendor::new();
    let mut command = vendor.command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    command.args(["--log-format", "json", "--behind-proxy"]);
    let mut portal = Running::start(command);
    let url = line(&mut portal, "listening on http").trim().replace("listening on ", "");
    let metrics = json(&line(&mut portal, "metrics are served"));
    let metrics = format!("http://{}", metrics["fields"]["address"].as_str().unwrap());

    let request = reqwest::Client::new()
        .get(format!("{url}/v1/trust?code=hunter2"))
        .header("cookie", "session=hunter2")
        .header("x-forwarded-for", "198.51.100.1, 203.0.113.9");
    let odd = reqwest::Client::new().request("HUNTER2".parse().unwrap(), format!("{url}/v1/trust"));
    assert_eq!(odd.send().await.unwrap().status(), 405);
    let logged = json(&portal.await_line("\"answered\""));
    assert_eq!(logged["fields"]["method"], "other", "{logged}");
    let answer = request.send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let logged = json(&portal.await_line("\"answered\""));
    let fields = &logged["fields"];
    assert_eq!(logged["target"], "access");
    assert_eq!(fields["id"], id);
    assert_eq!(fields["client"], "203.0.113.9");
    assert_eq!(fields["method"], "GET");
    assert_eq!(fields["route"], "/v1/trust");
    assert_eq!(fields["status"], 200);
    assert!(fields["milliseconds"].is_u64(), "{logged}");

    let text = reqwest::get(format!("{metrics}/metrics")).await.unwrap().text().await.unwrap();
    let counted =
        "entitle_portal_http_requests_total{method=\"GET\",route=\"/v1/trust\",status=\"200\"} 1\n";
    assert!(text.contains(counted), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(reqwest::get(format!("{url}/metrics")).await.unwrap().status(), 404);
    let said = portal.stop();
    assert!(!said.to_lowercase().contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_told_of_once() {
    let vendor = Vendor::new();
    let mut command = vendor.command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    command.args(["--log-format", "json", "--behind-proxy", "--trusted-proxy", "192.0.2.1"]);
    let mut portal = Running::start(command);
    let url = line(&mut portal, "listening on http").trim().replace("listening on ", "");
    let metrics = json(&line(&mut portal, "metrics are served"));
    let metrics = format!("http://{}", metrics["fields"]["address"].as_str().unwrap());
    for path in ["/livez", "/v1/trust", "/v1/trust"] {
        assert_eq!(reqwest::get(format!("{url}{path}")).await.unwrap().status(), 200);
    }
    let text = reqwest::get(format!("{metrics}/metrics")).await.unwrap().text().await.unwrap();
    assert!(text.contains("entitle_portal_past_proxies_total 2\n"), "{text}");
    let said = portal.stop();
    let told: Vec<&str> = said.lines().filter(|line| line.contains("--trusted-proxy")).collect();
    assert_eq!(told.len(), 1, "{said}");
    assert_eq!(json(told[0])["fields"]["address"], "127.0.0.1");
}

#[tokio::test]
async fn a_key_may_come_from_the_service_manager() {
    let vendor = Vendor::new();
    let (_, code) = vendor.sell();
    let credentials = vendor.path("credentials");
    fs::create_dir(&credentials).unwrap();
    let key = fs::read_dir(vendor.path("keys")).unwrap().next().unwrap().unwrap().path();
    fs::rename(key, credentials.join("signing.key")).unwrap();
    let refused = vendor.run(&["--json", "subscription", "list"]);
    assert_eq!(
        json(&String::from_utf8(refused.stderr).unwrap())["error"]["code"],
        "no-signing-key"
    );

    let mut command = vendor.command();
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("CREDENTIALS_DIRECTORY", credentials);
    let server = Server::of(command);
    Agent::new("a").activate(&server, &vendor, &code).await;
}

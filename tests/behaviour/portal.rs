//! `entitle-portal` as its operator and the agents see it.

mod agent;
mod database_tls;
mod databases;
mod pages;
mod running;
mod succession;
mod tls;
mod usage;
mod vendor;

use crate::stage::{PRODUCT, Vendor};
pub(crate) use agent::Agent;
pub(crate) use databases::Database;
use entitled::{
    codes::ActivationCode,
    license::{OpenedAnswer, Outcome, RequestKind, Sequence},
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use serde_json::Value;
use std::path::Path;
use uuid::Uuid;
pub(crate) use vendor::receiver;

fn sequence(answer: &OpenedAnswer) -> Sequence {
    answer.license.as_ref().unwrap().claims().seq
}

#[tokio::test]
async fn a_license_lives_from_its_activation_to_its_revocation() {
    let vendor = Vendor::new();
    // The root key may leave at once.
    std::fs::remove_file(vendor.path("root-key.pem")).unwrap();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    let mut agent = Agent::new("a");
    assert_eq!(sequence(&agent.activate(&server, &vendor, &code).await), Sequence(1));
    let nothing = agent.refresh(&server, &vendor).await;
    assert_eq!(nothing.outcome, Outcome::NothingNew { sequence: Sequence(1) });

    let set =
        vendor.json(&["subscription", "set", &id, "--ends-at", "2199-01-01", "--feature", "sso"]);
    assert_eq!(set["activation_code"], code.masked());
    let renewed = agent.refresh(&server, &vendor).await;
    assert_eq!(sequence(&renewed), Sequence(2));
    let license = renewed.license.unwrap();
    assert_eq!(license.claims().subscription.ends_at.to_string(), "2199-01-01T00:00:00Z");
    assert_eq!(license.claims().features["sso"], true);

    vendor.json(&["subscription", "revoke", &id, "--reason", "chargeback"]);
    let revocation = agent.refresh(&server, &vendor).await.revocation.unwrap();
    assert_eq!((revocation.seq, revocation.reason.as_str()), (Sequence(3), "chargeback"));
    vendor.json(&["subscription", "resume", &id]);
    assert_eq!(sequence(&agent.refresh(&server, &vendor).await), Sequence(4));

    let environments = vendor.json(&["environment", "list"]);
    let environment = environments[0]["id"].as_str().unwrap();
    vendor.json(&["environment", "release", environment]);
    let told = agent.refresh(&server, &vendor).await;
    assert_eq!(told.outcome, Outcome::Released { sequence: Sequence(5), slot_free_at: None });
    let audit = vendor.json(&["audit", "--subscription", &id]);
    assert_eq!(audit.as_array().unwrap().len(), 10, "{audit:#}");
    assert_says_no_secret(&vendor, &code);
}

/// Neither the log nor the audit tells the Activation Code.
fn assert_says_no_secret(vendor: &Vendor, code: &ActivationCode) {
    let log = std::fs::read_to_string(vendor.path("serve.log")).unwrap();
    assert!(log.contains("the portal is listening"), "{log}");
    let audit = vendor.json(&["audit"]).to_string();
    let listed = vendor.json(&["subscription", "list"]).to_string();
    for text in [&log, &audit, &listed] {
        assert!(!text.contains(&code.expose()), "{text}");
    }
    let id = vendor.json(&["subscription", "list"])[0]["id"].as_str().unwrap().to_owned();
    let revealed = vendor.json(&["subscription", "show", &id, "--reveal"]);
    assert_eq!(revealed["activation_code"], code.expose());
    let told = vendor.json(&["audit", "--last", "1"]);
    assert_eq!(told[0]["event"], "activation-code-shown");
    assert_eq!(told[0]["subscription_id"], id.as_str());
}

#[tokio::test]
async fn kill_9_loses_nothing_that_was_answered() {
    let vendor = Vendor::new();
    let (id, code) = vendor.sell();
    let mut agent = Agent::new("a");
    let request = agent.request(RequestKind::Activate, Some(&code));
    let mut server = vendor.serve();
    let (_, first) = server.post(request.clone()).await;
    agent.settle(&first, &vendor);
    server.kill();

    let server = vendor.serve();
    assert_eq!(server.post(request).await, (200, first), "the same bytes");
    let nothing = agent.refresh(&server, &vendor).await;
    assert_eq!(nothing.outcome, Outcome::NothingNew { sequence: Sequence(1) });
    assert_eq!(vendor.json(&["environment", "list", "--subscription", &id])[0]["sequence"], 1);
}

#[tokio::test]
async fn kill_9_amid_load_loses_nothing_that_was_answered() {
    const AGENTS: usize = 40;
    let vendor = Vendor::new();
    let (id, code) = vendor.sell();
    vendor.json(&["subscription", "set", &id, "--slots", &format!("production={AGENTS}")]);
    let mut server = vendor.serve();
    let agents: Vec<_> = (0..AGENTS).map(|n| Agent::new(&n.to_string())).collect();
    let ask = |agent: &Agent| agent.request(RequestKind::Activate, Some(&code));
    let requests: Vec<String> = agents.iter().map(ask).collect();
    let post = |request: &String| {
        let request = request.clone();
        server.try_post(request.clone()).map(|answer| (request, answer))
    };
    let mut asked: FuturesUnordered<_> = requests.iter().map(post).collect();
    let mut answered = Vec::new();
    while let Some((request, answer)) = asked.next().await {
        answered.extend(answer.ok().map(|answer| (request, answer)));
        if answered.len() == AGENTS / 4 {
            server.kill();
        }
    }

    let server = vendor.serve();
    for (request, first) in answered {
        assert_eq!((first.0, server.post(request).await), (200, first), "the same bytes");
    }
    for request in requests {
        assert_eq!(server.post(request).await.0, 200);
    }
    assert_eq!(vendor.json(&["environment", "list"]).as_array().unwrap().len(), AGENTS);
}

#[tokio::test]
async fn what_is_refused_is_a_problem_document() {
    let vendor = Vendor::new();
    let (_, code) = vendor.sell();
    let server = vendor.serve();
    let agent = Agent::new("a");
    let unknown = ActivationCode::random().unwrap();
    let mut other = Agent::new("b");
    other.activate(&server, &vendor, &code).await;
    for (body, status, code) in [
        ("garbage".to_owned(), 400, "document-not-compact"),
        ("a".repeat((1 << 20) + 1), 413, "document-too-large"),
        ("a".repeat(6 << 20), 413, "document-too-large"),
        (agent.request(RequestKind::Activate, Some(&unknown)), 403, "activation-code-unknown"),
        (agent.request(RequestKind::Activate, Some(&code)), 409, "no-free-slot"),
        (agent.request(RequestKind::Refresh, None), 403, "environment-unknown"),
    ] {
        let (found, text) = server.post(body).await;
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found, status, "{text}");
        assert_eq!(problem["type"], format!("urn:entitled:problem:{code}"));
    }
    assert_eq!(server.get("/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(server.get("/nothing").await.0, 404);
}

#[tokio::test]
async fn many_machines_that_ask_at_once_share_the_slots() {
    let vendor = Vendor::new();
    let (id, code) = vendor.sell();
    vendor.json(&["subscription", "set", &id, "--slots", "production=4"]);
    let server = vendor.serve();
    let asked = (0..24).map(|n| {
        let request = Agent::new(&n.to_string()).request(RequestKind::Activate, Some(&code));
        server.post(request)
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 4);
    assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 409)));
    assert_eq!(vendor.json(&["environment", "list"]).as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_request_may_come_as_a_file() {
    let vendor = Vendor::new();
    let (_, code) = vendor.sell();
    let mut agent = Agent::new("a");
    let file = vendor.path("request.jwt");
    std::fs::write(&file, agent.request(RequestKind::Activate, Some(&code))).unwrap();
    let answered = |file: &Path| vendor.run(&["answer", file.to_str().unwrap()]);
    let answer = answered(&file);
    assert!(answer.status.success(), "{answer:?}");
    let text = String::from_utf8(answer.stdout.clone()).unwrap();
    assert_eq!(sequence(&agent.settle(&text, &vendor)), Sequence(1));
    assert_eq!(answered(&file).stdout, answer.stdout);
    // The same history, whichever road the next request takes.
    let server = vendor.serve();
    agent.refresh(&server, &vendor).await;

    std::fs::write(&file, "garbage").unwrap();
    let refused = answered(&file);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("document-not-compact"));
}

#[tokio::test]
async fn a_signing_key_is_replaced_while_it_serves() {
    let vendor = Vendor::new();
    let (_, code) = vendor.sell();
    let server = vendor.serve();
    let mut agent = Agent::new("a");
    agent.activate(&server, &vendor, &code).await;
    let old = vendor.json(&["key", "list"])[0]["thumbprint"].as_str().unwrap().to_owned();
    let new = vendor.path("new.jwks");
    let created = vendor.run(&["key", "create"]).stdout;
    let set: Value = serde_json::from_slice(&created).unwrap();
    let listed = vendor.json(&["key", "list"]);
    assert_eq!((&listed[1]["status"], &listed[1]["key"]), (&Value::Null, &set["keys"][0]));
    std::fs::write(&new, created).unwrap();
    let (root, trust, next) =
        (vendor.path("root-key.pem"), vendor.path("trust.jwt"), vendor.path("next.jwt"));
    let signed = vendor
        .command()
        .args(["trust", "sign", "--retire", &old])
        .args([Path::new("--root-key"), &root, Path::new("--trust"), &trust])
        .args([Path::new("--add"), &new, Path::new("--out"), &next])
        .status();
    assert!(signed.unwrap().success());
    vendor.json(&["trust", "install", next.to_str().unwrap()]);
    server.signal("-HUP");
    // The signal is taken up when the process runs next; the answer shows when.
    loop {
        let (_, document) = server.get("/v1/trust").await;
        if vendor.roots().verify_trust(&document, PRODUCT, None).unwrap().claims().version == 2 {
            break;
        }
    }
    let answer = agent.refresh(&server, &vendor).await;
    assert_eq!(answer.trust.unwrap().claims().keys.len(), 2);
}

#[tokio::test]
async fn it_stops_when_it_is_told() {
    let vendor = Vendor::new();
    for name in ["-TERM", "-INT"] {
        let mut server = vendor.serve();
        assert_eq!(server.get("/livez").await.0, 200);
        server.signal(name);
        assert!(server.process.wait().unwrap().success(), "{name}");
    }
}

#[test]
fn exit_codes_tell_refused_from_misused() {
    let vendor = Vendor::new();
    let exit = |arguments: &[&str]| vendor.run(arguments).status.code();
    assert_eq!(exit(&["subscription", "list"]), Some(0));
    assert_eq!(exit(&["init", "--product", PRODUCT, "--issuer", "again"]), Some(1));
    assert_eq!(exit(&["serve", "--listen", "0.0.0.0:0"]), Some(1));
    assert_eq!(exit(&["subscription", "show", &Uuid::nil().to_string()]), Some(1));
    assert_eq!(exit(&["subscription", "create", "--customer", "ACME"]), Some(2));
    assert_eq!(exit(&["subscription", "create", "--customer", "A", "--ends-at", "soon"]), Some(2));
    let refused = vendor.run(&["--json", "environment", "release", &Uuid::nil().to_string()]);
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(error["error"]["code"], "no-environment");
}

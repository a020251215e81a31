//! Webhooks: told once what happened, again where nobody took it, and never what did not happen.

use super::stage::{Agent, Stage};
use crate::license::Purpose;
use axum::{Router, http::HeaderMap, routing::post};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use serde_json::Value;
use sha2::Sha256;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, AtomicUsize, Ordering},
};
use tokio::sync::Notify;

/// A receiver that answers with a status that the test sets, or not at all, and keeps what it was told.
struct Receiver {
    url: String,
    status: Arc<AtomicU16>,
    told: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    /// Those that waited in vain for an answer.
    left: Arc<AtomicUsize>,
    /// That it was told something.
    heard: Arc<Notify>,
}

/// In place of a status: it says nothing.
const SILENT: u16 = 0;

/// Counts a question whose asker has gone.
struct Left(Arc<AtomicUsize>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Receiver {
    async fn new() -> Self {
        let (status, told) = (Arc::new(AtomicU16::new(204)), Arc::<Mutex<Vec<_>>>::default());
        let (left, heard) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (answers, kept, gone, hears) =
            (status.clone(), told.clone(), left.clone(), heard.clone());
        let take = move |headers: HeaderMap, body: String| async move {
            kept.lock().unwrap().push((headers, body));
            hears.notify_one();
            let status = answers.load(Ordering::SeqCst);
            if status == SILENT {
                let _left = Left(gone);
                return std::future::pending().await;
            }
            axum::http::StatusCode::from_u16(status).unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?key=secret", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(take));
        tokio::spawn(async move {
            let service = hyper_util::service::TowerToHyperService::new(router);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let io = hyper_util::rt::TokioIo::new(stream);
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service.clone());
                tokio::spawn(connection);
            }
        });
        Self { url, status, told, left, heard }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn told(&self) -> Vec<(HeaderMap, String)> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    fn events(&self) -> Vec<String> {
        let event = |(_, body): (HeaderMap, String)| {
            serde_json::from_str::<Value>(&body).unwrap()["type"].as_str().unwrap().to_owned()
        };
        self.told().into_iter().map(event).collect()
    }
}

async fn deliver(stage: &Stage, by: &str) -> usize {
    stage.portal.deliver_due(by).await.unwrap()
}

fn names(events: &[&str]) -> Vec<String> {
    events.iter().map(|event| (*event).to_owned()).collect()
}

#[tokio::test]
async fn what_happened_is_told_signed_and_once() {
    let stage = Stage::new();
    let receiver = Receiver::new().await;
    let wanted = names(&["subscription-*", "license-issued"]);
    let (added, secret) = stage.portal.add_webhook(&receiver.url, &wanted).unwrap();
    assert!(!added.receiver.contains("secret"), "{}", added.receiver);
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    stage.portal.suspend_subscription(sold.id).unwrap();
    assert_eq!(deliver(&stage, "one").await, 3, "environment-activated is not wanted");
    let told = receiver.told();
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    for (headers, body) in &told {
        let header = |name: &str| headers[name].to_str().unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        mac.update(format!("{id}.{at}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), signature);
        assert!(!body.contains(&sold.activation_code.expose()));
    }
    let bodies: Vec<Value> = told.iter().map(|(_, b)| serde_json::from_str(b).unwrap()).collect();
    let of = |name: &str| bodies.iter().find(|body| body["type"] == name).unwrap();
    let suspended = of("subscription-suspended");
    assert_eq!(suspended["data"]["subscription_id"], sold.id.to_string());
    assert_eq!(suspended["data"]["actor"], "operator");
    assert_eq!(suspended["timestamp"], "2026-03-01T00:00:00Z");
    assert!(of("license-issued")["data"]["environment_id"].is_string());
    assert_eq!(deliver(&stage, "one").await, 0);
    assert!(receiver.told().is_empty());
}

#[tokio::test]
async fn what_is_refused_is_told_to_nobody() {
    let stage = Stage::new();
    let receiver = Receiver::new().await;
    stage.portal.add_webhook(&receiver.url, &[]).unwrap();
    let sold = stage.sell();
    assert!(stage.portal.resume_subscription(sold.id).is_err());
    deliver(&stage, "one").await;
    assert_eq!(receiver.events(), ["subscription-created"]);
}

#[tokio::test]
async fn what_nobody_took_is_told_again_and_given_up_after_three_days() {
    let stage = Stage::new();
    let receiver = Receiver::new().await;
    let (added, _) = stage.portal.add_webhook(&receiver.url, &[]).unwrap();
    receiver.answers(500);
    stage.sell();
    let standing = || stage.portal.webhooks().unwrap().remove(0).messages;
    assert_eq!(deliver(&stage, "one").await, 1);
    let ids = |told: Vec<(HeaderMap, String)>| -> Vec<String> {
        told.iter().map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned()).collect()
    };
    let first = ids(receiver.told());
    assert_eq!(deliver(&stage, "one").await, 0, "not at once");
    assert_eq!((standing().waiting, standing().dead), (1, 0));
    assert_eq!(standing().last_error.as_deref(), Some("status 500"));
    stage.later(SignedDuration::from_secs(11));
    assert_eq!(deliver(&stage, "one").await, 1);
    assert_eq!(ids(receiver.told()), first, "the same message");
    stage.days_later(3);
    assert_eq!(deliver(&stage, "one").await, 1);
    assert_eq!((standing().waiting, standing().dead), (0, 1));
    stage.days_later(3);
    assert_eq!(deliver(&stage, "one").await, 0);
    assert_eq!(standing().dead, 1);
    receiver.told();

    // Later ones are delivered all the same.
    receiver.answers(200);
    stage.portal.test_webhook(added.id).unwrap();
    assert_eq!(deliver(&stage, "one").await, 1);
    assert_eq!(receiver.events(), ["webhook-test"]);
    assert_eq!((standing().waiting, standing().dead), (0, 1));
    stage.days_later(28);
    assert_eq!(deliver(&stage, "one").await, 0);
    assert_eq!(standing().dead, 0, "nobody looks why after a month");
    stage.portal.remove_webhook(added.id).unwrap();
    assert!(stage.portal.webhooks().unwrap().is_empty());
    assert_eq!(stage.portal.remove_webhook(added.id).unwrap_err().code(), "no-webhook");
}

#[tokio::test]
async fn a_receiver_that_says_nothing_keeps_no_other_waiting() {
    let stage = Stage::new();
    let (silent, other) = (Receiver::new().await, Receiver::new().await);
    silent.answers(SILENT);
    let (added, _) = stage.portal.add_webhook(&silent.url, &[]).unwrap();
    for _ in 0..40 {
        stage.portal.test_webhook(added.id).unwrap();
    }
    stage.later(SignedDuration::from_secs(1));
    stage.portal.add_webhook(&other.url, &names(&["subscription-*"])).unwrap();
    stage.sell();
    let portal = stage.portal.clone();
    let telling = tokio::spawn(async move { portal.deliver_webhooks().await });
    other.heard.notified().await;
    assert_eq!(other.events(), ["subscription-created"]);
    // However slow this machine is: most of what is older has not been tried.
    let tried = silent.left.load(Ordering::SeqCst);
    assert!(tried <= 8, "{tried} messages came before");
    telling.abort();
}

/// The time of what is waited for passes as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_nothing_is_left_alone_ever_longer() {
    let stage = Stage::new();
    let receiver = Receiver::new().await;
    receiver.answers(SILENT);
    let (added, _) = stage.portal.add_webhook(&receiver.url, &names(&["no-such-event"])).unwrap();
    let queue = |number| (0..number).for_each(|_| stage.portal.test_webhook(added.id).unwrap());
    let standing = || stage.portal.webhooks().unwrap().remove(0).messages;
    queue(9);
    assert_eq!(deliver(&stage, "one").await, 4, "those that were on their way together");
    assert_eq!(standing().waiting, 9);
    assert_eq!(standing().last_error.as_deref(), Some("no answer in time"));
    assert_eq!(deliver(&stage, "one").await, 0);
    stage.later(SignedDuration::from_secs(11));
    assert_eq!(deliver(&stage, "one").await, 1, "one is enough to find out");
    stage.later(SignedDuration::from_secs(9));
    assert_eq!(deliver(&stage, "one").await, 0, "longer than before");
    // It answers again.
    receiver.answers(200);
    tokio::time::resume();
    stage.later(SignedDuration::from_secs(12));
    assert_eq!(deliver(&stage, "one").await, 1);
    assert_eq!(deliver(&stage, "one").await, 8, "all at once, as before");
    assert_eq!(standing().waiting, 0);
    // What grows too old meanwhile is given up, tried or not.
    receiver.answers(SILENT);
    tokio::time::pause();
    queue(5);
    stage.days_later(3);
    assert_eq!(deliver(&stage, "one").await, 4);
    assert_eq!((standing().waiting, standing().dead), (0, 5));
}

#[tokio::test]
async fn what_one_process_has_claimed_is_anybodys_when_the_claim_has_ended() {
    let stage = Stage::new();
    let receiver = Receiver::new().await;
    stage.portal.add_webhook(&receiver.url, &[]).unwrap();
    stage.sell();
    let now = stage.portal.now();
    let until = now + SignedDuration::from_mins(2);
    let id = stage.portal.webhooks().unwrap()[0].id;
    let claimed =
        stage.portal.store().write(move |change| change.claim_messages(id, "gone", now, until, 9));
    let claimed: Vec<_> = claimed.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(deliver(&stage, "other").await, 0, "it is claimed");
    stage.later(SignedDuration::from_mins(2));
    assert_eq!(deliver(&stage, "other").await, 1);
    assert_eq!(receiver.events(), ["subscription-created"]);
}

#[test]
fn an_address_is_https_or_here_and_an_event_is_one() {
    let stage = Stage::new();
    let add = |url: &str, events: &[&str]| {
        stage.portal.add_webhook(url, &names(events)).map(drop).map_err(|e| e.code().to_owned())
    };
    for url in [
        "https://crm.example/hook",
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://localhost:1/",
    ] {
        assert_eq!(add(url, &[]), Ok(()), "{url}");
    }
    for url in [
        "http://crm.example/hook",
        "http://127.0.0.1.example/",
        "ftp://127.0.0.1/",
        "https://user:password@crm.example/",
        "file:///etc/passwd",
        "not an address",
        "https://crm.example/\0",
        "https://crm.example/\n",
    ] {
        assert_eq!(add(url, &[]), Err("webhook-address".to_owned()), "{url}");
    }
    for event in ["", "Upper", "a b", "a*b", "<script>"] {
        assert_eq!(
            add("https://crm.example", &[event]),
            Err("webhook-event".to_owned()),
            "{event}"
        );
    }
    let many = vec!["a"; 51];
    assert_eq!(add("https://crm.example", &many), Err("webhook-events".to_owned()));
    let audit = format!("{:?}", stage.portal.audit(None, 100).unwrap());
    assert!(audit.contains("webhook-added") && !audit.contains("whsec_"));
}

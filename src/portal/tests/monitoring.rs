//! What monitors and the log see of requests.

use super::stage::{Agent, Stage};
use crate::{
    license::{MEDIA_TYPE, Purpose, sign_request},
    portal::{http::documents::ready_at, store::StoreError},
};
use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use jiff::SignedDuration;
use std::time::{Duration, Instant};
use tower::ServiceExt;

async fn ask(router: &Router, request: Request<Body>) -> (u16, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn post(body: &str) -> Request<Body> {
    let request = Request::post("/v1/requests").header(header::CONTENT_TYPE, MEDIA_TYPE);
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_kind_and_result_and_answers_by_route() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let request = sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap();
    let router = stage.portal.router();
    for body in [request.as_str(), &request, "garbage"] {
        ask(&router, post(body)).await;
    }
    ask(&router, get("/v1/trust?code=hunter2")).await;
    ask(&router, get("/hunter2")).await;
    let odd = Request::builder().method("HUNTER2").uri("/v1/trust").body(Body::empty()).unwrap();
    ask(&router, odd).await;

    let (status, text) = ask(&stage.portal.monitoring_router(), get("/metrics")).await;
    assert_eq!(status, 200);
    for line in [
        "requests_total{kind=\"activate\",result=\"answered\"} 2",
        "requests_total{kind=\"none\",result=\"document-not-compact\"} 1",
        "http_requests_total{method=\"POST\",route=\"/v1/requests\",status=\"200\"} 2",
        "http_requests_total{method=\"GET\",route=\"/v1/trust\",status=\"200\"} 1",
        "http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "http_requests_total{method=\"other\",route=\"/v1/trust\",status=\"405\"} 1",
        "http_request_duration_seconds_count{route=\"/v1/requests\"} 3",
        "trust_version 1",
    ] {
        assert!(text.contains(&format!("entitle_portal_{line}\n")), "no {line} in {text}");
    }
    assert!(!text.to_lowercase().contains("hunter2"), "{text}");
    assert!(text.contains("entitle_portal_signing_key_written_timestamp_seconds "), "{text}");
    assert!(!text.contains("certificate_end_timestamp_seconds "), "there is none: {text}");
    assert_eq!(ask(&stage.portal.monitoring_router(), get("/readyz")).await.0, 200);
    // Not where everyone comes.
    assert_eq!(ask(&router, get("/metrics")).await.0, 404);
}

#[tokio::test]
async fn what_is_stored_is_counted_every_fifteen_seconds_at_most() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let router = stage.portal.monitoring_router();
    let shows = async |line: &str| {
        let (_, text) = ask(&router, get("/metrics")).await;
        assert!(text.contains(&format!("entitle_portal_{line}\n")), "no {line} in {text}");
    };
    shows("subscriptions{standing=\"active\"} 1").await;
    shows("subscriptions{standing=\"revoked\"} 0").await;
    shows("environments{purpose=\"production\"} 1").await;
    shows("environments{purpose=\"quality\"} 0").await;
    shows("webhook_messages{state=\"waiting\"} 0").await;
    shows("store_failures_total 0").await;
    // The sale and the activation.
    shows("store_commit_changes_count 2").await;

    stage.portal.revoke_subscription(sold.id, "unpaid").unwrap();
    stage.later(SignedDuration::from_secs(14));
    shows("subscriptions{standing=\"active\"} 1").await;
    stage.later(SignedDuration::from_secs(1));
    shows("subscriptions{standing=\"active\"} 0").await;
    shows("subscriptions{standing=\"revoked\"} 1").await;
}

/// The writer is held within a change, as it is by a database that takes a commit and does not answer.
#[tokio::test]
async fn a_portal_whose_changes_stand_still_is_not_ready() {
    let stage = Stage::new();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (begun, held) = tokio::sync::oneshot::channel();
    let portal = stage.portal.clone();
    let change = tokio::spawn(async move {
        let held = portal.store().write_later(move |_| {
            let _ = begun.send(());
            let _ = gate.recv();
            Ok::<_, StoreError>(())
        });
        held.await
    });
    held.await.unwrap();
    let begun = stage.portal.store().figures().begun_at().unwrap();
    let ready = async |seconds| {
        let told = ready_at(stage.portal.clone(), begun + Duration::from_secs(seconds)).await;
        told.map_err(|problem| (problem.status, problem.retry_after))
    };
    assert_eq!(ready(30).await, Ok("ok\n"));
    assert_eq!(ready(31).await, Err((503, Some(5))));
    drop(open);
    change.await.unwrap().unwrap();
}

/// Each thread that may wait does so, as by a database that takes a question and does not answer.
#[test]
fn whether_it_is_ready_is_told_by_a_portal_whose_threads_all_wait() {
    let stage = Stage::new();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).max_blocking_threads(1).build().unwrap();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let waiting = runtime.spawn_blocking(move || gate.recv());
    let told = runtime.block_on(async {
        let mut ready = Box::pin(ready_at(stage.portal.clone(), Instant::now()));
        assert!((&mut ready).now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(6)).await;
        ready.await
    });
    assert_eq!(told.unwrap_err().status, 503);
    drop(open);
    assert!(runtime.block_on(waiting).unwrap().is_err());
}

//! What monitors and the log see of requests.

use super::stage::{Agent, Stage};
use crate::license::{MEDIA_TYPE, Purpose, sign_request};
use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use http_body_util::BodyExt;
use jiff::SignedDuration;
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

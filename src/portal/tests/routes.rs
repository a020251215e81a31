//! The routes, without a network.

use super::stage::{Agent, PRODUCT, Stage};
use crate::license::{MAX_DOCUMENT, MEDIA_TYPE, Purpose, open_answer, sign_request};
use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn call(stage: &Stage, request: Request<Body>) -> (Response<()>, Vec<u8>) {
    let response = stage.portal.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes().to_vec();
    (Response::from_parts(parts, ()), bytes)
}

fn post(media_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/v1/requests").header(header::CONTENT_TYPE, media_type);
    request.body(body.into()).unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn media_type(response: &Response<()>) -> &str {
    response.headers()[header::CONTENT_TYPE].to_str().unwrap()
}

#[tokio::test]
async fn a_request_is_answered_as_jose() {
    let stage = Stage::new();
    let sold = stage.sell();
    let agent = Agent::new("a", Purpose::Production);
    let request = sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap();
    let (response, body) = call(&stage, post("Application/JOSE; charset=utf-8", request)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(media_type(&response), MEDIA_TYPE);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let answer = String::from_utf8(body).unwrap();
    open_answer(&answer, PRODUCT, &stage.roots(), None).unwrap();
}

#[tokio::test]
async fn each_refusal_is_a_problem_document() {
    let stage = Stage::new();
    let large = vec![b'a'; MAX_DOCUMENT + 1];
    let huge = vec![b'a'; 20 * MAX_DOCUMENT];
    for (request, status, code) in [
        (post(MEDIA_TYPE, "garbage"), 400, "document-not-compact"),
        (post(MEDIA_TYPE, ""), 400, "document-not-compact"),
        (post("application/json", "{}"), 415, "media-type"),
        (Request::post("/v1/requests").body(Body::empty()).unwrap(), 415, "media-type"),
        (post(MEDIA_TYPE, large), 413, "document-too-large"),
        (post(MEDIA_TYPE, huge), 413, "document-too-large"),
        (get("/v1/requests"), 405, "method-not-allowed"),
        (get("/nothing/here"), 404, "no-such-route"),
    ] {
        let (response, body) = call(&stage, request).await;
        assert_eq!(response.status().as_u16(), status, "{code}");
        assert_eq!(media_type(&response), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["type"], format!("urn:entitled:problem:{code}"));
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
    }
}

#[tokio::test]
async fn the_documents_are_there_for_everyone() {
    let stage = Stage::new();
    let (response, body) = call(&stage, get("/v1/trust")).await;
    assert_eq!(media_type(&response), MEDIA_TYPE);
    let text = String::from_utf8(body).unwrap();
    stage.roots().verify_trust(&text, PRODUCT, None).unwrap();

    let (response, body) = call(&stage, get("/.well-known/jwks.json")).await;
    assert_eq!(media_type(&response), "application/jwk-set+json");
    assert!(String::from_utf8(body).unwrap().contains("\"kid\""));

    for path in ["/livez", "/readyz"] {
        let (response, body) = call(&stage, get(path)).await;
        assert_eq!((response.status(), body.as_slice()), (StatusCode::OK, b"ok\n".as_slice()));
    }
}

#[tokio::test]
async fn the_description_names_every_route() {
    let stage = Stage::new();
    let (_, body) = call(&stage, get("/v1/openapi.json")).await;
    let description: serde_json::Value = serde_json::from_slice(&body).unwrap();
    // The vendor's are compared with what is tried of them, where that is.
    let paths = description["paths"].as_object().unwrap().keys();
    let paths: Vec<&String> = paths.filter(|path| !path.starts_with("/v1/vendor/")).collect();
    let wanted = ["/.well-known/jwks.json", "/livez", "/readyz", "/v1/requests", "/v1/trust"];
    assert_eq!(paths.len(), wanted.len());
    assert!(wanted.iter().all(|path| paths.iter().any(|p| p == path)));
    assert_eq!(description, serde_json::to_value(crate::portal::openapi()).unwrap());
}

#[tokio::test]
async fn a_portal_without_its_database_is_alive_and_not_ready() {
    let stage = Stage::new();
    let connection = rusqlite::Connection::open(stage.path("portal.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let (response, _) = call(&stage, get("/livez")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let (response, _) = call(&stage, get("/readyz")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "5");
}

#[tokio::test]
async fn who_has_to_wait_is_told_how_long_in_the_header() {
    let stage = Stage::new();
    let agent = Agent::new("a", Purpose::Production);
    let unknown = crate::codes::ActivationCode::random().unwrap();
    let mut last = None;
    for _ in 0..11 {
        let request = sign_request(&agent.activation(&unknown), &agent.key).unwrap();
        last = Some(call(&stage, post(MEDIA_TYPE, request)).await.0);
    }
    let response = last.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "900");
}

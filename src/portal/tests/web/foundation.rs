//! What all pages have: headers, forms that are the portal's own, sessions that end.

use super::{super::stage::Stage, Browser};
use crate::portal::Transport;
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use jiff::SignedDuration;

fn by_tls() -> Transport {
    Transport { tls: true, ..Transport::default() }
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let stage = Stage::new();
    for (path, method) in [
        ("/", Method::GET),
        ("/subscription", Method::GET),
        ("/sign-in", Method::POST),
        ("/sign-in", Method::GET),
        ("/nothing/here", Method::GET),
        ("/v1/trust", Method::GET),
        ("/v1/openapi.json", Method::GET),
        ("/v1/requests", Method::POST),
        ("/livez", Method::GET),
    ] {
        let mut browser = Browser::new(&stage);
        let page = browser.send(method, path, "", Body::empty()).await;
        let header = |name| page.headers.get(name).map(|value| value.to_str().unwrap());
        let policy = header(header::CONTENT_SECURITY_POLICY).unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), Some("nosniff"), "{path}");
        assert_eq!(header(header::REFERRER_POLICY), Some("same-origin"), "{path}");
        assert_eq!(header(header::STRICT_TRANSPORT_SECURITY), None, "{path}");
        let mut browser = Browser::over(&stage, by_tls());
        let page = browser.send(Method::GET, path, "", Body::empty()).await;
        // Not of the names below it, which may be plain HTTP.
        assert_eq!(page.headers[header::STRICT_TRANSPORT_SECURITY], "max-age=63072000", "{path}");
    }
}

#[tokio::test]
async fn no_cache_keeps_a_page_and_every_cache_the_style_sheet() {
    let stage = Stage::new();
    let mut browser = Browser::new(&stage);
    let page = browser.get("/").await;
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    let (_, rest) = page.text.split_once("href=\"/assets/").unwrap();
    let path = format!("/assets/{}", rest.split_once('"').unwrap().0);
    let style = browser.get(&path).await;
    assert_eq!(style.headers[header::CONTENT_TYPE], "text/css; charset=utf-8");
    assert!(style.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    assert_eq!(browser.get("/assets/style-0.css").await.status, StatusCode::NOT_FOUND);
    page.lacks(&["<script", "style=\"", "onclick"]);
}

#[tokio::test]
async fn cookies_are_kept_from_scripts_and_other_sites() {
    let stage = Stage::new();
    let sold = stage.sell();
    for (transport, prefix) in [(Transport::default(), ""), (by_tls(), "__Host-")] {
        let is_secure = transport.is_secure();
        let mut browser = Browser::over(&stage, transport);
        let page = browser.sign_in(&sold.activation_code.expose()).await;
        let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.starts_with(&format!("{prefix}entitled-customer=")), "{cookie}");
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert_eq!(cookie.contains("Secure"), is_secure, "{cookie}");
        assert!(!cookie.contains("Domain") && !cookie.contains("Max-Age"), "{cookie}");
    }
}

#[tokio::test]
async fn a_form_of_another_page_does_nothing() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let token = browser.get("/subscription").await.token();
    for (headers, token, wanted) in [
        (vec![], "", StatusCode::FORBIDDEN),
        (vec![], "guess", StatusCode::FORBIDDEN),
        (vec![("sec-fetch-site", "cross-site")], &*token, StatusCode::FORBIDDEN),
        (vec![("sec-fetch-site", "same-site")], &token, StatusCode::FORBIDDEN),
        (vec![("origin", "https://evil.example")], &token, StatusCode::FORBIDDEN),
        (vec![("origin", "null")], &token, StatusCode::FORBIDDEN),
        (
            vec![("origin", "https://portal.example"), ("host", "portal.example")],
            &token,
            StatusCode::SEE_OTHER,
        ),
    ] {
        browser.headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        let page = browser.post_with(token, "/sign-out", &[]).await;
        assert_eq!(page.status, wanted, "{headers:?}");
    }
    browser.headers.clear();
    assert_eq!(browser.get("/subscription").await.location(), "/", "the last one signed out");
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_after_a_working_day() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut idle = Browser::signed_in(&stage, &sold).await;
    stage.later(SignedDuration::from_mins(29));
    assert_eq!(idle.get("/subscription").await.status, StatusCode::OK);
    stage.later(SignedDuration::from_mins(29));
    assert_eq!(idle.get("/subscription").await.status, StatusCode::OK, "it was used since");
    stage.later(SignedDuration::from_mins(31));
    let page = idle.get("/subscription").await;
    assert_eq!(page.location(), "/?done=ended");
    idle.get(page.location()).await.has(&["Your session has ended", "role=\"status\""]);
    Browser::new(&stage).get("/").await.lacks(&["has ended"]);

    let mut busy = Browser::signed_in(&stage, &sold).await;
    let mut minutes = 0;
    while busy.get("/subscription").await.status == StatusCode::OK {
        stage.later(SignedDuration::from_mins(20));
        minutes += 20;
    }
    assert_eq!(minutes, 8 * 60);
}

#[tokio::test]
async fn a_stolen_cookie_is_worthless_once_its_owner_signs_out_everywhere() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut owner = Browser::signed_in(&stage, &sold).await;
    let mut thief = owner.clone();
    let mut second = Browser::signed_in(&stage, &sold).await;
    assert_ne!(owner.cookies["entitled-customer"], second.cookies["entitled-customer"]);
    assert_eq!(thief.get("/subscription").await.status, StatusCode::OK);
    let page = owner.post_from("/subscription", "/sign-out-everywhere", &[]).await;
    assert_eq!(page.location(), "/");
    assert_eq!(owner.get("/subscription").await.location(), "/");
    for browser in [&mut thief, &mut second] {
        assert_eq!(browser.get("/subscription").await.location(), "/?done=ended");
    }
    assert!(stage.events().contains(&"signed-out-everywhere".to_owned()));
}

#[tokio::test]
async fn the_store_has_nothing_that_signs_anybody_in() {
    let stage = Stage::new();
    let sold = stage.sell();
    let browser = Browser::signed_in(&stage, &sold).await;
    let token = &browser.cookies["entitled-customer"];
    let mut bytes = std::fs::read(stage.path("portal.db")).unwrap();
    bytes.extend(std::fs::read(stage.path("portal.db-wal")).unwrap_or_default());
    let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
    assert!(!found);
}

#[tokio::test]
async fn a_form_that_is_too_large_or_no_form_is_refused() {
    let stage = Stage::new();
    let mut browser = Browser::new(&stage);
    let token = browser.get("/").await.token();
    let large = "a".repeat(65 << 10);
    let page = browser.post_with(&token, "/sign-in", &[("code", &large)]).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    let page = browser.send(Method::POST, "/sign-in", "text/plain", "x".into()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.has(&["The form could not be read", "<h1>"]);
}

#[tokio::test]
async fn a_browser_gets_a_page_where_there_is_nothing_and_a_program_a_problem() {
    let stage = Stage::new();
    let mut browser = Browser::new(&stage);
    let problem = browser.get("/nothing").await;
    assert_eq!(problem.headers[header::CONTENT_TYPE], "application/problem+json");
    browser.headers.push(("accept", "text/html,*/*;q=0.8".to_owned()));
    let page = browser.get("/nothing").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.has(&["<h1>There is nothing here</h1>", "<html lang=\"en\">", "href=\"#main\""]);
}

#[tokio::test]
async fn a_page_is_read_where_nothing_can_be_written() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    stage.refuse_changes_of("sessions");
    for _ in 0..2 {
        stage.later(SignedDuration::from_mins(2));
        assert_eq!(browser.get("/subscription").await.status, StatusCode::OK);
    }
    stage.later(SignedDuration::from_mins(26));
    assert_eq!(browser.get("/subscription").await.status, StatusCode::SEE_OTHER, "not noted");
}

//! Who may call, and what.

use super::{Vendor, token};
use crate::portal::access::Right;
use axum::body::Body;
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

/// Each route with the scope that it needs, and a body that fits.
fn routes() -> Vec<(&'static str, String, Right)> {
    use Right::{
        ActivationCodesRead, AuditRead, EnvironmentsAssist, EnvironmentsRead, EnvironmentsWrite,
        SubscriptionsRead, SubscriptionsWrite,
    };
    let id = Uuid::nil();
    [
        ("GET", "/subscriptions".to_owned(), SubscriptionsRead),
        ("POST", "/subscriptions".to_owned(), SubscriptionsWrite),
        ("GET", format!("/subscriptions/{id}"), SubscriptionsRead),
        ("PATCH", format!("/subscriptions/{id}"), SubscriptionsWrite),
        ("POST", format!("/subscriptions/{id}/renew"), SubscriptionsWrite),
        ("POST", format!("/subscriptions/{id}/suspend"), SubscriptionsWrite),
        ("POST", format!("/subscriptions/{id}/resume"), SubscriptionsWrite),
        ("POST", format!("/subscriptions/{id}/revoke"), SubscriptionsWrite),
        ("GET", format!("/subscriptions/{id}/activation-code"), ActivationCodesRead),
        ("GET", format!("/subscriptions/{id}/environments"), EnvironmentsRead),
        ("GET", format!("/subscriptions/{id}/usage"), EnvironmentsRead),
        ("GET", "/environments".to_owned(), EnvironmentsRead),
        ("GET", format!("/environments/{id}"), EnvironmentsRead),
        ("GET", format!("/environments/{id}/usage"), EnvironmentsRead),
        ("POST", format!("/environments/{id}/release"), EnvironmentsWrite),
        ("POST", format!("/environments/{id}/rebind-code"), EnvironmentsAssist),
        ("GET", "/rebinds".to_owned(), EnvironmentsRead),
        ("POST", format!("/environments/{id}/approve-rebind"), EnvironmentsAssist),
        ("GET", format!("/environments/{id}/forks"), EnvironmentsRead),
        ("POST", format!("/environments/{id}/survivor"), EnvironmentsAssist),
        ("GET", "/releases".to_owned(), EnvironmentsRead),
        ("POST", format!("/releases/{id}/approve"), EnvironmentsAssist),
        ("POST", format!("/releases/{id}/refuse"), EnvironmentsAssist),
        ("GET", "/audit".to_owned(), AuditRead),
        ("GET", "/export/subscriptions.csv".to_owned(), SubscriptionsRead),
        ("GET", "/export/environments.csv".to_owned(), EnvironmentsRead),
        ("GET", "/export/usage.csv".to_owned(), EnvironmentsRead),
    ]
    .into()
}

fn body(path: &str) -> String {
    let end = "2028-01-01T00:00:00Z";
    let body = match path.rsplit('/').next().unwrap() {
        "subscriptions" => json!({ "customer": "ACME", "terms": { "ends_at": end } }),
        "renew" => json!({ "ends_at": end }),
        "revoke" | "refuse" => json!({ "reason": "why" }),
        "survivor" => json!({ "last_request": Uuid::nil() }),
        _ => json!({}),
    };
    body.to_string()
}

#[tokio::test]
async fn each_route_needs_its_scope_and_no_other() {
    let mut vendor = Vendor::new();
    for right in Right::ALL.into_iter().filter(|right| *right != Right::Administer) {
        vendor.token = token(&vendor.stage, &right.as_str().replace(':', "-"), &[right]);
        for (method, path, needed) in routes() {
            let request = vendor.request(method, &path).body(body(&path).into()).unwrap();
            let answer = vendor.send(request).await;
            if right == needed {
                assert_ne!(answer.status, 403, "{method} {path} by {right}: {}", answer.text);
                continue;
            }
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "scope-missing"),
                "{method} {path}"
            );
            let challenge = answer.header("www-authenticate");
            assert!(challenge.contains(&format!("scope=\"{needed}\"")), "{challenge}");
        }
    }
}

#[tokio::test]
async fn the_routes_of_the_description_are_those_that_are_tried() {
    let document = serde_json::to_value(crate::portal::openapi()).unwrap();
    let mut found = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/v1/vendor") else { continue };
        for (method, operation) in item.as_object().unwrap() {
            let path = path.replace("{id}", &Uuid::nil().to_string());
            let known =
                routes().into_iter().find(|(m, p, _)| m.eq_ignore_ascii_case(method) && *p == path);
            let (_, _, right) = known.unwrap_or_else(|| panic!("{method} {path} is not tried"));
            assert_eq!(operation["security"][0]["token"], json!([right]), "{method} {path}");
            found += 1;
        }
    }
    assert_eq!(found, routes().len());
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let mut vendor = Vendor::new();
    let good = vendor.token.clone();
    assert_eq!(vendor.get("/subscriptions").await.status, 200);
    let wrong = [
        String::new(),
        "entp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        good.to_uppercase(),
        "' OR '1'='1".to_owned(),
    ];
    for token in wrong {
        vendor.token = token;
        for (method, path, _) in routes() {
            let request = vendor.request(method, &path).body(body(&path).into()).unwrap();
            let answer = vendor.send(request).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "token-required"),
                "{method} {path}"
            );
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    let basic = axum::http::Request::get("/v1/vendor/subscriptions");
    let basic = basic.header("authorization", format!("Basic {good}")).body(Body::empty()).unwrap();
    assert_eq!(vendor.send(basic).await.status, 401);
}

#[tokio::test]
async fn a_token_ends_by_its_time_or_by_a_word() {
    let mut vendor = Vendor::new();
    vendor.stage.days_later(305);
    assert_eq!(vendor.get("/subscriptions").await.status, 200);
    vendor.stage.days_later(1);
    assert_eq!(vendor.get("/subscriptions").await.status, 401);
    let (_, secret) =
        vendor.stage.portal.create_token("other", &[Right::SubscriptionsRead], None).unwrap();
    vendor.token = secret.expose().to_owned();
    assert_eq!(vendor.get("/subscriptions").await.status, 200);
    vendor.stage.portal.revoke_token("other").unwrap();
    assert_eq!(vendor.get("/subscriptions").await.status, 401);
    let refused = |error: crate::portal::PortalError| error.code().to_owned();
    let portal = &vendor.stage.portal;
    assert_eq!(refused(portal.revoke_token("other").unwrap_err()), "token-revoked");
    assert_eq!(refused(portal.revoke_token("nobody").unwrap_err()), "no-token");
    let scopes = [Right::SubscriptionsRead];
    assert_eq!(refused(portal.create_token("other", &scopes, None).err().unwrap()), "token-exists");
    for scopes in [&[][..], &[Right::Administer]] {
        assert_eq!(refused(portal.create_token("new", scopes, None).err().unwrap()), "token-scope");
    }
}

#[tokio::test]
async fn a_token_is_kept_as_a_digest_and_its_use_is_noted() {
    let vendor = Vendor::new();
    let token = || vendor.stage.portal.tokens().unwrap().remove(0);
    assert_eq!(token().last_used_at, None);
    vendor.get("/subscriptions").await;
    let first = token().last_used_at.unwrap();
    vendor.stage.later(SignedDuration::from_secs(30));
    vendor.get("/subscriptions").await;
    assert_eq!(token().last_used_at, Some(first), "to the minute");
    vendor.stage.later(SignedDuration::from_secs(30));
    vendor.get("/subscriptions").await;
    assert!(token().last_used_at.unwrap() > first);
    assert!(vendor.token.starts_with("entp_") && vendor.token.len() == 48);
    let database = std::fs::read(vendor.stage.path("portal.db")).unwrap();
    let log = std::fs::read(vendor.stage.path("portal.db-wal")).unwrap_or_default();
    for bytes in [database, log] {
        let secret = vendor.token.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    let audit = format!("{:?}", vendor.stage.portal.audit(None, 100).unwrap());
    assert!(!audit.contains("entp_") && audit.contains("token-created"));
}

#[tokio::test]
async fn a_token_reads_where_nothing_can_be_written() {
    let vendor = Vendor::new();
    vendor.stage.refuse_changes_of("api_tokens");
    assert_eq!(vendor.get("/subscriptions").await.status, 200);
    vendor.stage.later(SignedDuration::from_mins(1));
    assert_eq!(vendor.get("/subscriptions").await.status, 200);
}

//! Changes: done once, by the revision that was seen, and told with who did them.

use super::Vendor;
use axum::body::Body;
use serde_json::{Value, json};
use uuid::Uuid;

fn sale() -> Value {
    json!({ "customer": "ACME", "terms": {
        "edition": "standard", "ends_at": "2027-03-01T00:00:00Z",
        "features": { "sso": true }, "limits": { "users": { "limit": 10, "enforcement": "hard" } },
        "slots": { "production": 3 },
    } })
}

#[tokio::test]
async fn a_subscription_is_sold_changed_renewed_and_ended() {
    let vendor = Vendor::new();
    let sold = vendor.post("/subscriptions", &sale()).await;
    assert_eq!(sold.status, 201, "{}", sold.text);
    assert_eq!((sold.header("etag"), sold.header("cache-control")), ("\"1\"", "no-store"));
    let made = sold.json();
    let code = made["activation_code"].as_str().unwrap().to_owned();
    assert!(code.parse::<crate::codes::ActivationCode>().is_ok());
    assert_eq!(made["terms"]["slots"]["production"], 3);
    assert_eq!(made["terms"]["slots"]["quality"], 1, "as usual");
    let path = format!("/subscriptions/{}", made["id"].as_str().unwrap());
    let seen = vendor.get(&path).await.json();
    assert!(seen["activation_code"].as_str().unwrap().starts_with("***"));
    let shown = vendor.get(&format!("{path}/activation-code")).await.json();
    assert_eq!(shown["activation_code"], code.as_str());

    let patch = |tag: &str, body: Value| {
        let request = vendor.request("PATCH", &path).header("if-match", tag);
        vendor.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let change = json!({ "customer": "ACME Ltd", "terms": {
        "features": { "sso": null, "reports": 5 }, "check_in_days": 30 } });
    let changed = patch("\"1\"", change).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.text);
    let changed = changed.json();
    assert_eq!(changed["terms"]["features"], json!({ "reports": 5 }));
    assert_eq!(
        (&changed["customer"], &changed["terms"]["check_in_days"]),
        (&json!("ACME Ltd"), &json!(30))
    );
    let late = patch("\"1\"", json!({ "customer": "Other" })).await;
    assert_eq!((late.status, late.code().as_str()), (412, "other-revision"));
    assert_eq!(patch("1", json!({})).await.code(), "bad-parameter");
    let never = patch("*", json!({ "terms": { "check_in_days": null } })).await.json();
    assert_eq!(never["terms"]["check_in_days"], Value::Null);

    let end = |end: &str| json!({ "ends_at": end });
    let sooner = vendor.post(&format!("{path}/renew"), &end("2027-03-01T00:00:00Z")).await;
    assert_eq!((sooner.status, sooner.code().as_str()), (409, "renewal-no-longer"));
    let renewed = vendor.post(&format!("{path}/renew"), &end("2028-03-01T00:00:00Z")).await;
    assert_eq!(renewed.json()["terms"]["ends_at"], "2028-03-01T00:00:00Z");
    let nothing = json!({});
    let standing = |answer: &super::Answered| answer.json()["standing"]["status"].clone();
    assert_eq!(standing(&vendor.post(&format!("{path}/suspend"), &nothing).await), "suspended");
    let again = vendor.post(&format!("{path}/suspend"), &nothing).await;
    assert_eq!((again.status, again.code().as_str()), (409, "already-standing"));
    assert_eq!(standing(&vendor.post(&format!("{path}/resume"), &nothing).await), "active");
    let reason = json!({ "reason": "unpaid" });
    assert_eq!(standing(&vendor.post(&format!("{path}/revoke"), &reason).await), "revoked");
    let revoked = vendor.post(&format!("{path}/renew"), &end("2029-03-01T00:00:00Z")).await;
    assert_eq!((revoked.status, revoked.code().as_str()), (409, "already-revoked"));
    let audit = vendor.stage.portal.audit(None, 100).unwrap();
    let by_token: Vec<&str> =
        audit.iter().filter(|e| e.actor == "token crm").map(|e| e.event.as_str()).collect();
    let expected = [
        "subscription-created",
        "activation-code-shown",
        "subscription-changed",
        "subscription-changed",
        "subscription-renewed",
        "subscription-suspended",
        "subscription-resumed",
        "subscription-revoked",
    ];
    assert_eq!(by_token, expected);
    assert!(!format!("{audit:?}").contains(&code));
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let vendor = Vendor::new();
    let first = vendor.keyed("/subscriptions", "order-1", &sale()).await;
    let again = vendor.keyed("/subscriptions", "order-1", &sale()).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!((&first.text, first.header("etag")), (&again.text, again.header("etag")));
    assert_eq!(vendor.stage.portal.subscriptions().unwrap().len(), 1);
    // The code was shown once more, and that is told.
    let last = vendor.stage.portal.audit(None, 1).unwrap().remove(0);
    let shown = (last.event.as_str(), last.actor.as_str(), last.subscription_id.unwrap());
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(shown, ("activation-code-shown", "token crm", id));
    assert_eq!(last.detail, json!({ "repeated": true }));
    let mut other = sale();
    other["customer"] = json!("Other");
    let reused = vendor.keyed("/subscriptions", "order-1", &other).await;
    assert_eq!((reused.status, reused.code().as_str()), (422, "idempotency-key-reused"));
    // The same body to another route is another request.
    let path = format!("/subscriptions/{}/suspend", first.json()["id"].as_str().unwrap());
    assert_eq!(vendor.keyed(&path, "order-1", &sale()).await.status, 422);
    vendor.stage.days_later(1);
    let later = vendor.keyed("/subscriptions", "order-1", &other).await;
    assert_eq!(later.status, 201, "forgotten after a day: {}", later.text);
    assert_eq!(vendor.stage.portal.subscriptions().unwrap().len(), 2);
    for key in ["", &"k".repeat(256)] {
        let refused = vendor.keyed("/subscriptions", key, &sale()).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad-parameter"));
    }
}

#[tokio::test]
async fn two_at_once_with_one_key_are_one_change() {
    let vendor = Vendor::new();
    let sale = sale();
    let both = tokio::join!(
        vendor.keyed("/subscriptions", "order-1", &sale),
        vendor.keyed("/subscriptions", "order-1", &sale)
    );
    assert_eq!(both.0.text, both.1.text);
    assert_eq!(vendor.stage.portal.subscriptions().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let vendor = Vendor::new();
    let (_, _, subscription) = vendor.activated();
    let path = format!("/subscriptions/{subscription}/resume");
    assert_eq!(vendor.keyed(&path, "k", &json!({})).await.code(), "already-standing");
    vendor.stage.portal.suspend_subscription(subscription.parse().unwrap()).unwrap();
    assert_eq!(vendor.keyed(&path, "k", &json!({})).await.status, 200);
}

#[tokio::test]
async fn a_one_time_code_is_in_one_answer_only() {
    let vendor = Vendor::new();
    let (agent, id, _) = vendor.activated();
    let path = format!("/environments/{id}/rebind-code");
    let made = vendor.keyed(&path, "k", &json!({ "hours": 2 })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(made["expires_at"], "2026-03-01T02:00:00Z");
    let again = vendor.keyed(&path, "k", &json!({ "hours": 2 })).await;
    assert_eq!((again.status, again.code().as_str()), (409, "idempotency-answer-not-kept"));
    assert_eq!(vendor.post(&path, &json!({ "hours": 0 })).await.code(), "bad-body");
    // It works.
    let one_time = made["code"].as_str().unwrap().parse().unwrap();
    let code = vendor.stage.portal.subscriptions().unwrap().remove(0).activation_code;
    let mut anew = agent.installed_anew();
    let claims = anew.rebind(&code, Some(&one_time));
    anew.send(&vendor.stage, &claims).unwrap();
    let released = vendor.post(&format!("/environments/{id}/release"), &json!({})).await;
    assert_eq!(released.json()["status"], "released");
}

#[tokio::test]
async fn releases_are_approved_and_refused() {
    let vendor = Vendor::new();
    let (_, id, subscription) = vendor.activated();
    let none = |terms: &mut crate::portal::domain::Terms| terms.releases_a_year = Some(0);
    vendor.stage.portal.update_subscription(subscription.parse().unwrap(), none).unwrap();
    let environment: Uuid = id.parse().unwrap();
    for (decide, body, state) in
        [("refuse", json!({ "reason": "why" }), "refused"), ("approve", json!({}), "done")]
    {
        vendor.stage.portal.ask_release(environment, "moved").unwrap();
        let waiting = vendor.get("/releases").await.json();
        let asked = waiting["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/releases/{asked}/{decide}");
        assert_eq!(vendor.post(&path, &body).await.json()["state"], state);
        let again = vendor.post(&path, &body).await;
        assert_eq!((again.status, again.code().as_str()), (404, "no-asked-release"));
    }
    assert!(vendor.stage.environment().is_released());
}

#[tokio::test]
async fn what_does_not_fit_is_told() {
    let vendor = Vendor::new();
    let (_, id, subscription) = vendor.activated();
    let long = "x".repeat(70 << 10);
    for (path, body, status, code) in [
        ("/subscriptions", "{".to_owned(), 400, "bad-body"),
        ("/subscriptions", "{}".to_owned(), 400, "bad-body"),
        ("/subscriptions", r#"{"customer":"A","terms":{}}"#.to_owned(), 400, "bad-body"),
        (
            "/subscriptions",
            r#"{"customer":"A","terms":{"ends_at":"2027-01-01T00:00:00Z","odd":1}}"#.to_owned(),
            400,
            "bad-body",
        ),
        (
            "/subscriptions",
            r#"{"customer":"A","terms":{"ends_at":"2020-01-01T00:00:00Z"}}"#.to_owned(),
            422,
            "terms-term",
        ),
        (
            "/subscriptions",
            r#"{"customer":"","terms":{"ends_at":"2027-01-01T00:00:00Z"}}"#.to_owned(),
            422,
            "terms-name",
        ),
        ("/subscriptions", long, 413, "document-too-large"),
        ("/subscriptions/x/suspend", "{}".to_owned(), 400, "bad-parameter"),
        (
            &format!("/subscriptions/{subscription}/revoke"),
            r#"{"reason":""}"#.to_owned(),
            422,
            "text-refused",
        ),
        (
            &format!("/subscriptions/{}/suspend", Uuid::nil()),
            "{}".to_owned(),
            404,
            "no-subscription",
        ),
        (
            &format!("/environments/{id}/survivor"),
            format!(r#"{{"last_request":"{}"}}"#, Uuid::nil()),
            409,
            "not-forked",
        ),
        (&format!("/environments/{id}/approve-rebind"), "{}".to_owned(), 404, "no-pending-rebind"),
        (
            &format!("/environments/{id}/approve-rebind"),
            r#"{"key":"x"}"#.to_owned(),
            400,
            "bad-body",
        ),
        ("/nothing", "{}".to_owned(), 404, "no-such-route"),
    ] {
        let request = vendor.request("POST", path).body(Body::from(body)).unwrap();
        let answer = vendor.send(request).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{path}: {}",
            answer.text
        );
    }
}

//! The vendor's pages: operators, tokens, webhooks and keys.

use super::{
    super::{access::PASSWORD, stage::Stage},
    Browser,
    vendor::signed_in,
};
use crate::portal::{TrustChange, access::Role, directory::read_key};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};

#[tokio::test]
async fn operators_are_added_and_changed() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let page = "/vendor/operators";
    let add = |name: &'static str, password: &'static str, again: &'static str| {
        [("name", name), ("role", "support"), ("password", password), ("again", again)]
    };
    for (fields, code) in [
        (add("bob", "short", "short"), "password-short"),
        (add("bob", PASSWORD, "another long one"), "passwords-differ"),
        (add("<b>bob", PASSWORD, PASSWORD), "access-name"),
        (add("alice", PASSWORD, PASSWORD), "operator-exists"),
    ] {
        let refused = browser.post_from(page, page, &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        refused.has(&[code]);
        refused.lacks(&[PASSWORD]);
    }
    let done = browser.post_from(page, page, &add("bob", PASSWORD, PASSWORD)).await;
    assert_eq!(done.location(), "/vendor/operators?done=stored");
    for fields in [
        vec![("act", "role"), ("role", "admin")],
        vec![("act", "password"), ("password", "another long one"), ("again", "another long one")],
        vec![("act", "disable")],
    ] {
        let done = browser.post_from(page, "/vendor/operators/bob", &fields).await;
        assert_eq!(done.location(), "/vendor/operators?done=stored", "{}", done.text);
    }
    // Bob is disabled: alice is the last.
    for fields in [vec![("act", "disable")], vec![("act", "role"), ("role", "support")]] {
        let refused = browser.post_from(page, "/vendor/operators/alice", &fields).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{fields:?}");
        refused.has(&["last-admin", "make another one first"]);
    }
    let bob = stage.portal.operators().unwrap().remove(1);
    assert_eq!((bob.role, bob.disabled_at.is_some()), (Role::Admin, true));
    browser.get(page).await.has(&["bob", "disabled"]);
}

#[tokio::test]
async fn tokens_and_webhooks_are_made_and_ended() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let fields = [("name", "crm"), ("days", "30"), ("scopes", "audit:read\r\nsubscriptions:read")];
    let made = browser.post_from("/vendor/tokens", "/vendor/tokens", &fields).await;
    made.has(&["entp_"]);
    let page = browser.get("/vendor/tokens").await;
    page.has(&["crm", "good", "subscriptions:read, audit:read"]);
    page.lacks(&["entp_"]);
    let wrong = [("name", "other"), ("scopes", "administer")];
    let refused = browser.post_from("/vendor/tokens", "/vendor/tokens", &wrong).await;
    refused.has(&["token-scope"]);
    for days in ["30d", "-5", "0", "1.5", "4294967295"] {
        let wrong = [("name", "other"), ("days", days), ("scopes", "audit:read")];
        let refused = browser.post_from("/vendor/tokens", "/vendor/tokens", &wrong).await;
        refused.has(&["token-lifetime"]);
    }
    assert_eq!(stage.portal.tokens().unwrap().len(), 1, "none without an end by mistake");
    browser.post_from("/vendor/tokens", "/vendor/tokens/crm/revoke", &[]).await;
    browser.get("/vendor/tokens").await.has(&["revoked"]);

    let path = "/vendor/webhooks";
    let fields = [("url", "https://crm.example/hook?key=q7only"), ("events", "subscription-*")];
    browser.post_from(path, path, &fields).await.has(&["whsec_"]);
    let page = browser.get(path).await;
    page.has(&["https://crm.example", "subscription-*"]);
    page.lacks(&["whsec_", "q7only"]);
    let refused = browser.post_from(path, path, &[("url", "http://crm.example/")]).await;
    refused.has(&["webhook-address"]);
    let id = stage.portal.webhooks().unwrap().remove(0).id;
    browser.post_from(path, &format!("{path}/{id}/test"), &[]).await;
    assert_eq!(stage.portal.webhooks().unwrap().remove(0).messages.waiting, 1);
    browser.post_from(path, &format!("{path}/{id}/remove"), &[]).await;
    browser.get(path).await.has(&["There are none."]);
}

fn signing(stage: &Stage) -> String {
    let keys = stage.portal.signing_keys().unwrap();
    keys.into_iter().find(|key| key.signs).unwrap().thumbprint.to_string()
}

#[tokio::test]
async fn a_key_is_rotated_by_one_click_or_by_a_document_from_off_line() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let first = signing(&stage);
    let page = browser.get("/vendor/keys").await;
    page.has(&["version 1", &first, "Rotate now"]);
    let done = browser.post_with(&page.token(), "/vendor/keys/rotate", &[]).await;
    assert_eq!(done.location(), "/vendor/keys?done=trust", "{}", done.text);
    let second = signing(&stage);
    assert_ne!(second, first);
    let page = browser.get("/vendor/keys").await;
    page.has(&["version 2", &first, &second]);

    // The root key leaves; from then on its word comes as a file.
    let root = read_key(&stage.path("root-key.pem")).unwrap();
    std::fs::remove_file(stage.path("root-key.pem")).unwrap();
    browser.get("/vendor/keys").await.lacks(&["Rotate now"]);
    let refused = browser.post_with(&page.token(), "/vendor/keys/rotate", &[]).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    browser.post_with(&page.token(), "/vendor/keys", &[]).await;
    // Its public half is on the page, and nothing else is needed where the root key is.
    let page = browser.get("/vendor/keys").await;
    let (_, rest) = page.text.split_once("<a href=\"/vendor/keys/").unwrap();
    let download = format!("/vendor/keys/{}", rest.split_once('"').unwrap().0);
    let made = download.split('/').nth(3).unwrap().to_owned();
    let file = browser.get(&download).await;
    assert_eq!(file.headers[header::CONTENT_TYPE], "application/jwk-set+json");
    file.lacks(&["\"d\""]);
    let set: serde_json::Value = serde_json::from_str(&file.text).unwrap();
    assert_eq!(set["keys"][0]["kid"], made.as_str());
    let public = serde_json::from_value(set["keys"][0].clone()).unwrap();
    let unknown = browser.get("/vendor/keys/x/new.jwks").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let change = TrustChange { add: vec![public], ..TrustChange::default() };
    let current = browser.get("/v1/trust").await.text;
    let signed = change.sign(&current, &root, stage.portal.now()).unwrap();
    for (text, location) in
        [("nonsense", ""), (current.as_str(), ""), (signed.as_str(), "/vendor/keys?done=trust")]
    {
        let token = browser.get("/vendor/keys").await.token();
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t\"\r\n\r\n{text}\r\n--b--\r\n"
        );
        let kind = "multipart/form-data; boundary=b";
        let page = browser.send(Method::POST, "/vendor/keys/trust", kind, Body::from(body)).await;
        assert_eq!(page.location(), location, "{}", page.text);
    }
    assert_eq!(signing(&stage), made);
    let events = stage.events();
    assert_eq!(events.iter().filter(|event| *event == "trust-installed").count(), 2);
}

#[tokio::test]
async fn everybody_changes_the_own_password_and_is_signed_out_elsewhere() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "bob", Role::Support).await;
    let mut elsewhere = browser.clone();
    stage.later(jiff::SignedDuration::from_secs(5));
    let page = "/vendor/password";
    browser.get("/vendor/subscriptions").await.has(&["href=\"/vendor/password\""]);
    let new = "a new and longer one";
    let fields = |old, again| [("old", old), ("password", new), ("again", again)];
    let wrong = browser.post_from(page, page, &fields("not the old one", new)).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    wrong.has(&["role=\"alert\"", "The old password is not right"]);
    wrong.lacks(&["not the old one", new]);
    let differ = browser.post_from(page, page, &fields(PASSWORD, "another one again")).await;
    differ.has(&["passwords-differ"]);
    assert_eq!(elsewhere.get(page).await.status, StatusCode::OK);

    let done = browser.post_from(page, page, &fields(PASSWORD, new)).await;
    assert_eq!(done.location(), "/vendor/password?done=password", "{}", done.text);
    browser.get(done.location()).await.has(&["role=\"status\"", "Your password is changed"]);
    assert_eq!(elsewhere.get(page).await.location(), "/vendor/?done=ended");
    let events = stage.events();
    assert_eq!(events[events.len() - 2..], ["operator-password-set", "signed-in"]);
    let last = stage.portal.audit(None, 2).unwrap().remove(0);
    assert_eq!(last.actor, "operator bob");
    assert!(!last.detail.to_string().contains(new));
    let mut anew = Browser::new(&stage);
    let old = [("name", "bob"), ("password", PASSWORD)];
    let refused = anew.post_from("/vendor/", "/vendor/sign-in", &old).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let entered = [("name", "bob"), ("password", new)];
    let entered = anew.post_from("/vendor/", "/vendor/sign-in", &entered).await;
    assert_eq!(entered.location(), "/vendor/subscriptions");
    // Who finds the browser open guesses no more often than at the sign-in.
    for _ in 0..10 {
        browser.post_from(page, page, &fields("guessed", new)).await;
    }
    let waits = browser.post_from(page, page, &fields(new, new)).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
}

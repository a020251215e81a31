//! A form that is refused comes back with what is wrong, and with what was typed.

use super::{
    super::{
        access::PASSWORD,
        stage::{Agent, Stage},
    },
    Browser,
    vendor::signed_in,
};
use crate::{codes::SerialNumber, license::Purpose, portal::access::Role};
use axum::http::{StatusCode, header};

#[tokio::test]
async fn a_sign_in_that_is_refused() {
    let stage = Stage::new();
    let mut browser = Browser::new(&stage);
    browser.sign_in("x").await.gives_back("/sign-in", "code");
    let wrong = [("name", "alice"), ("password", "no such one")];
    let page = browser.post_from("/vendor/", "/vendor/sign-in", &wrong).await;
    page.gives_back("/vendor/sign-in", "name");
    page.has(&["value=\"alice\""]);
}

#[tokio::test]
async fn a_file_that_is_none() {
    let stage = Stage::new();
    let mut browser = Browser::signed_in(&stage, &stage.sell()).await;
    for path in ["/requests", "/usage-reports"] {
        for (file, text) in [
            (&b""[..], "No file was chosen, or it is empty"),
            (b" \r\n", "No file was chosen, or it is empty"),
            (b"\xff\xfe\x00", "The file is no text"),
        ] {
            let page = browser.upload(path, file).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
            page.gives_back(path, "file");
            page.has(&[text]);
        }
    }
}

#[tokio::test]
async fn a_serial_number_that_is_not_taken() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let serial = SerialNumber::mint("board", "a").to_string();
    let long = "a".repeat(201);
    for (typed, purpose, name, field) in [
        ("7", "quality", "The lab", "serial"),
        (&*serial, "leisure", "The lab", "purpose"),
        (&serial, "quality", &long, "name"),
    ] {
        let form = [("serial", typed), ("purpose", purpose), ("name", name)];
        let page = browser.post_from("/serial-number", "/serial-number", &form).await;
        page.gives_back("/serial-number", field);
        page.has(&[&format!("value=\"{typed}\""), &format!("value=\"{name}\"")]);
    }
    assert!(stage.portal.environments(None).unwrap().is_empty());
}

#[tokio::test]
async fn a_release_without_a_reason() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let page = format!("/environments/{}", agent.id.unwrap());
    let act = format!("{page}/release");
    let long = "too long ".repeat(30);
    let refused = browser.post_from(&page, &act, &[("reason", &long)]).await;
    refused.gives_back(&act, "reason");
    refused.has(&["<details open>", &format!("value=\"{long}\""), "one line of 1 to 200 letters"]);
    // Of two windows, one releases; the other is told, and has no form that would do it again.
    let token = browser.get(&page).await.token();
    browser.post_with(&token, &act, &[("reason", "sold")]).await;
    let late = browser.post_with(&token, &act, &[("reason", "sold")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    late.has(&["<title>Error: ", "The environment was released already"]);
    late.lacks(&[&format!("action=\"{act}\""), "href=\"#reason\""]);
}

#[tokio::test]
async fn the_vendor_s_word_on_a_release_is_read_by_its_customer() {
    let (stage, mut browser, page) = Browser::of_approved_releases().await;
    let act = format!("{page}/release");
    browser.post_from(&page, &act, &[("reason", "sold")]).await;
    let asked = stage.portal.waiting_releases(None).unwrap().remove(0).id;
    stage.portal.acting_as("operator jane").refuse_release(asked, "call <us> first").unwrap();
    let shown = browser.get(&page).await;
    shown.has(&["refused its release on 1 March 2026", "call &#60;us&#62; first"]);
    shown.has(&[&format!("action=\"{act}\"")]);
    shown.lacks(&["operator jane", "waits for your vendor"]);
    browser
        .get("/history")
        .await
        .has(&["A release was refused", "reason: call &#60;us&#62; first"]);
    // Asked again, it waits again, and the old word is gone.
    browser.post_from(&page, &act, &[("reason", "we called")]).await;
    let shown = browser.get(&page).await;
    shown.has(&["waits for your vendor"]);
    shown.lacks(&["call &#60;us"]);
}

#[tokio::test]
async fn an_operator_s_forms() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let own = format!("/vendor/subscriptions/{}", sold.id);
    let renew = format!("{own}/renew");
    for (typed, field) in [("soon", "ends_at"), ("2020-01-01", "ends_at")] {
        let page =
            browser.post_from(&renew, &renew, &[("revision", "1"), ("ends_at", typed)]).await;
        page.gives_back(&renew, field);
        page.has(&[&format!("value=\"{typed}\"")]);
    }
    let revoke = format!("{own}/revoke");
    browser
        .post_from(&revoke, &revoke, &[("revision", "1"), ("reason", " ")])
        .await
        .gives_back(&revoke, "reason");
    let list = "/vendor/subscriptions";
    for code in ["nonsense", &crate::codes::ActivationCode::random().unwrap().expose()] {
        let page = browser.post_from(list, list, &[("code", code)]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        page.gives_back(list, "code");
        page.lacks(&[&format!("value=\"{code}\"")]);
    }
    let resume = format!("{own}/resume");
    let page = browser.post_from(&resume, &resume, &[("revision", "1")]).await;
    page.gives_back(&resume, "");
    page.has(&["already-standing"]);
}

#[tokio::test]
async fn an_administrator_s_forms() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    for (path, action, fields, field) in [
        (
            "operators",
            "operators",
            vec![("name", "bob"), ("role", "admin"), ("password", PASSWORD), ("again", "other")],
            "again",
        ),
        (
            "operators",
            "operators/alice",
            vec![("act", "password"), ("password", "short"), ("again", "short")],
            "password-alice",
        ),
        (
            "tokens",
            "tokens",
            vec![("name", "crm"), ("scopes", "all of it"), ("days", "7")],
            "scopes",
        ),
        ("webhooks", "webhooks", vec![("url", "http://a.example/"), ("events", "x")], "url"),
    ] {
        let (path, action) = (format!("/vendor/{path}"), format!("/vendor/{action}"));
        let page = browser.post_from(&path, &action, &fields).await;
        page.gives_back(&action, field);
        page.lacks(&[PASSWORD]);
        for (name, typed) in fields {
            if ["name", "days", "url"].contains(&name) {
                page.has(&[&format!("value=\"{typed}\"")]);
            }
        }
    }
    let page = browser
        .post_from("/vendor/operators", "/vendor/operators/nobody", &[("act", "disable")])
        .await;
    assert!(page.status.is_client_error() && page.text.contains("no-operator"), "{}", page.text);
    assert!(page.headers.get(header::LOCATION).is_none());
}

#[tokio::test]
async fn what_a_page_says_of_the_standing_is_so() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    browser.get("/requests").await.lacks(&["no new license"]);
    browser.get("/subscription").await.lacks(&["All are in use"]);
    stage.portal.suspend_subscription(sold.id).unwrap();
    browser.get("/requests").await.has(&["A release is taken all the same"]);
    let page = format!("/environments/{}", agent.id.unwrap());
    let done = browser.post_from(&page, &format!("{page}/release"), &[("reason", "sold")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert!(stage.environment().is_released());
}

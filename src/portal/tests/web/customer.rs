//! What a customer sees and does.

use super::{
    super::stage::{Agent, Stage},
    Browser,
};
use crate::{
    codes::SerialNumber,
    license::{Enforcement, Limit, Purpose, RequestKind},
    portal::domain::RebindPolicy,
};
use axum::http::{StatusCode, header};
use jiff::SignedDuration;

const EVIL: &str = "<img src=x onerror=alert(1)>\"'&";
const ESCAPED: &str = "&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;";

#[tokio::test]
async fn the_subscription_at_a_glance() {
    let stage = Stage::new();
    let id = stage.sell().id;
    let sold = stage
        .portal
        .update_subscription(id, |terms| {
            terms.features.insert("sso".to_owned(), true.into());
            let limit = Limit { limit: Some(1000), enforcement: Enforcement::Soft };
            terms.limits.insert("users".to_owned(), limit);
        })
        .unwrap();
    Agent::new("a", Purpose::Production).activate(&stage, &sold.activation_code).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let page = browser.get("/subscription").await;
    page.has(&["ACME", "gold", "306 days left", "users", "1000", "not reported", "sso", "Site a"]);
    page.has(&["<td class=\"number\">1</td><td class=\"number\">0</td>", "31 January 2027"]);
    page.lacks(&[&sold.activation_code.expose()]);
    stage.days_later(310);
    let mut browser = Browser::signed_in(&stage, &sold).await;
    browser.get("/subscription").await.has(&["26 days of grace"]);
    stage.days_later(30);
    let mut browser = Browser::signed_in(&stage, &sold).await;
    browser.get("/subscription").await.has(&["the Activation Code stays the same", "ended"]);
}

#[tokio::test]
async fn the_standing_of_a_subscription_is_told() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    stage.portal.suspend_subscription(sold.id).unwrap();
    browser.get("/subscription").await.has(&["suspended"]);
    for path in ["/requests", "/serial-number"] {
        browser.get(path).await.has(&["has suspended the subscription: no new license"]);
    }
    stage.portal.revoke_subscription(sold.id, EVIL).unwrap();
    let page = browser.get("/subscription").await;
    page.has(&["revoked", ESCAPED]);
    page.lacks(&[EVIL]);
}

#[tokio::test]
async fn whatever_stands_in_a_field_stays_a_text() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.name = EVIL.to_owned();
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let page = format!("/environments/{}", agent.id.unwrap());
    for path in ["/subscription", &page, "/history"] {
        browser.get(path).await.lacks(&[EVIL, "<img"]);
    }
    browser.get(&page).await.has(&[ESCAPED]);
    let form = [("serial", EVIL), ("name", EVIL), ("purpose", EVIL)];
    let refused = browser.post_from("/serial-number", "/serial-number", &form).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.has(&[ESCAPED]);
    refused.lacks(&[EVIL]);
    let sql = "x'; DROP TABLE audit; --";
    let act = format!("{page}/release");
    browser.post_from(&page, &act, &[("reason", &format!("{sql}{EVIL}"))]).await;
    let history = browser.get("/history").await;
    history.has(&["DROP TABLE audit", ESCAPED, "An environment was released"]);
    history.lacks(&[EVIL]);
}

#[tokio::test]
async fn a_serial_number_gets_a_license_where_the_vendor_allows_that() {
    let stage = Stage::new();
    let id = stage.sell().id;
    let sold =
        stage.portal.update_subscription(id, |terms| terms.allow_serial_only = true).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let serial = SerialNumber::mint("board", "a").to_string();
    let form = [("serial", &*serial), ("name", "Site"), ("purpose", "quality")];
    let page = browser.post_from("/serial-number", "/serial-number", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let shown = browser.get(page.location()).await;
    shown.has(&["The license is ready", "bound to its Serial Number", "Download the license"]);
    let path = page.location().split('?').next().unwrap();
    let file = browser.get(&format!("{path}/license.jwt")).await;
    assert_eq!(file.headers[header::CONTENT_TYPE], "application/jose");
    assert_eq!(file.text.lines().count(), 2);
}

#[tokio::test]
async fn else_a_slot_is_kept_until_its_machine_activates() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let mut agent = Agent::new("a", Purpose::Quality);
    let serial = agent.serial.to_string();
    let form = [("serial", &*serial), ("name", "Site"), ("purpose", "quality")];
    let page = browser.post_from("/serial-number", "/serial-number", &form).await;
    browser.get(page.location()).await.has(&["reserved until 15 March 2026", "A slot is kept"]);
    let page = browser.post_from("/serial-number", "/serial-number", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "again keeps it longer");
    assert_eq!(stage.portal.environments(None).unwrap().len(), 1);

    // Nobody else gets it, whoever comes.
    let other = SerialNumber::mint("board", "b").to_string();
    let theirs = [("serial", &*other), ("name", "Site"), ("purpose", "quality")];
    let refused = browser.post_from("/serial-number", "/serial-number", &theirs).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.has(&["No environment of this purpose is free"]);
    let mut late = Agent::new("c", Purpose::Quality);
    assert!(late.activate(&stage, &sold.activation_code).is_err());

    let reserved = stage.environment().id;
    agent.activate(&stage, &sold.activation_code).unwrap();
    assert_eq!(agent.id, Some(reserved));
    assert!(!stage.environment().is_released());
    let refused = browser.post_from("/serial-number", "/serial-number", &form).await;
    refused.has(&["This Serial Number is an environment already"]);
}

#[tokio::test]
async fn a_kept_slot_is_free_when_its_time_is_over_or_it_is_given_back() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let form = |serial: &SerialNumber| {
        vec![("serial", serial.to_string()), ("purpose", "quality".to_owned())]
    };
    let mut keep = async |hardware: &str| {
        let form = form(&SerialNumber::mint("board", hardware));
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post_from("/serial-number", "/serial-number", &form).await
    };
    let first = keep("a").await;
    assert_eq!(keep("b").await.status, StatusCode::CONFLICT);
    stage.days_later(14);
    drop(first);
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let serial = SerialNumber::mint("board", "b").to_string();
    let fields = [("serial", &*serial), ("purpose", "quality")];
    let second = browser.post_from("/serial-number", "/serial-number", &fields).await;
    assert_eq!(second.status, StatusCode::SEE_OTHER);
    let path = second.location().split('?').next().unwrap().to_owned();
    let page = browser.post_from(&path, &format!("{path}/release"), &[("reason", "typo")]).await;
    assert_eq!(page.location(), "/subscription?done=released");
    browser.get(page.location()).await.has(&["The environment was released"]);
    browser.get("/subscription").await.lacks(&["reserved until"]);
    assert!(stage.events().contains(&"slot-freed".to_owned()));
}

#[tokio::test]
async fn a_release_needs_a_reason_and_counts_as_one_by_courier() {
    let stage = Stage::new();
    let id = stage.sell().id;
    let sold = stage
        .portal
        .update_subscription(id, |terms| {
            terms.offline_releases_a_year = 1;
            terms.slots.insert(Purpose::Production, 2);
        })
        .unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let mut pages = Vec::new();
    for hardware in ["a", "b"] {
        let mut agent = Agent::new(hardware, Purpose::Production);
        agent.activate(&stage, &sold.activation_code).unwrap();
        let page = format!("/environments/{}", agent.id.unwrap());
        let act = format!("{page}/release");
        let refused = browser.post_from(&page, &act, &[("reason", "  ")]).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        let done = browser.post_from(&page, &act, &[("reason", "sold the machine")]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        pages.push(browser.get(&page).await);
    }
    pages[1].has(&["released, slot free on"]);
    pages[0].lacks(&["slot free on"]);
    browser.get("/history").await.has(&["reason: sold the machine", "you, from 127.0.0.1"]);
}

#[tokio::test]
async fn a_release_that_the_vendor_has_to_approve_waits() {
    let (stage, mut browser, page) = Browser::of_approved_releases().await;
    let act = format!("{page}/release");
    let offered = browser.get(&page).await;
    offered.has(&["Your vendor approves each one, and until then"]);
    offered.lacks(&["A few times a year"]);
    let asked = browser.post_from(&page, &act, &[("reason", "sold")]).await;
    assert_eq!(asked.location(), format!("{page}?done=release-asked"));
    let shown = browser.get(asked.location()).await;
    shown.has(&["waits for your vendor", "Your vendor was asked"]);
    assert!(!stage.environment().is_released());
    let waiting = stage.portal.waiting_releases(None).unwrap().remove(0);
    assert_eq!(waiting.reason, "sold");
    stage.portal.approve_release(waiting.id).unwrap();
    browser.get(&page).await.lacks(&["waits for your vendor"]);
    assert!(stage.environment().is_released());
}

#[tokio::test]
async fn a_one_time_code_is_shown_once_and_works() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let page = format!("/environments/{}", agent.id.unwrap());
    let act = format!("{page}/rebind-code");
    let made = browser.post_from(&page, &act, &[]).await;
    assert_eq!(made.headers[header::CACHE_CONTROL], "no-store");
    let (_, rest) = made.text.split_once("<p class=\"secret\"><code>").expect(&made.text);
    let code = rest.split_once('<').unwrap().0;
    for path in [&page, "/history"] {
        browser.get(path).await.lacks(&[code]);
    }
    let mut anew = agent.installed_anew();
    let claims = anew.rebind(&sold.activation_code, Some(&code.parse().unwrap()));
    anew.send(&stage, &claims).unwrap();
    assert_eq!(anew.id, agent.id);

    let id = sold.id;
    stage.portal.update_subscription(id, |terms| terms.rebind = RebindPolicy::Approval).unwrap();
    browser.get(&page).await.lacks(&["Make a one-time code"]);
    let refused = browser.post_from(&page, &act, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refused.has(&["The vendor has to approve this"]);
}

#[tokio::test]
async fn the_survivor_of_a_fork_is_named() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut copy = agent.copy();
    agent.refresh(&stage).unwrap();
    stage.later(SignedDuration::from_mins(1));
    copy.refresh(&stage).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let page = format!("/environments/{}", agent.id.unwrap());
    browser.get(&page).await.has(&[
        "Two machines ask as this environment",
        "This one goes on",
        "href=\"#machines\"",
    ]);
    let branch = agent.previous.unwrap().to_string();
    let act = format!("{page}/survivor");
    let done = browser.post_from(&page, &act, &[("branch", &branch)]).await;
    assert_eq!(done.location(), format!("{page}?done=survivor"));
    let named = browser.get(done.location()).await;
    named.has(&["named by you", "The machine was named", "Until then you may name the other"]);
    named.lacks(&["Say which one goes on", "until you say which one goes on"]);
    let unknown = uuid::Uuid::nil().to_string();
    let refused = browser.post_from(&page, &act, &[("branch", &unknown)]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(stage.environment().chain.survivor().is_some());
    agent.send(&stage, &agent.request(RequestKind::Refresh)).unwrap();
}

#[tokio::test]
async fn the_history_is_paged_and_knows_one_subscription_only() {
    let stage = Stage::new();
    let (sold, other) = (stage.sell(), stage.sell());
    for n in 0..120 {
        stage.portal.update_subscription(sold.id, move |terms| terms.grace_days = n + 40).unwrap();
    }
    stage.portal.revoke_subscription(other.id, "not theirs").unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let (mut path, mut pages, mut rows) = ("/history".to_owned(), 0, 0);
    loop {
        let page = browser.get(&path).await;
        page.lacks(&["not theirs", "operator"]);
        pages += 1;
        rows += page.text.matches("<th scope=\"row\">").count();
        let Some((_, rest)) = page.text.split_once("<a href=\"/history?before=") else { break };
        path = format!("/history?before={}", rest.split_once('"').unwrap().0);
    }
    assert_eq!((pages, rows), (3, 122));
    assert_eq!(browser.get("/history?before=x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in() {
    let stage = Stage::new();
    let mut browser = Browser::new(&stage);
    let nil = uuid::Uuid::nil();
    for path in [
        "/subscription",
        "/requests",
        "/serial-number",
        "/history",
        "/downloads/trust.jwt",
        "/downloads/roots.jwks",
    ] {
        assert_eq!(browser.get(path).await.location(), "/", "{path}");
    }
    for path in [
        format!("/environments/{nil}"),
        format!("/answers/{nil}"),
        format!("/answers/{nil}/answer.jwt"),
    ] {
        assert_eq!(browser.get(&path).await.location(), "/", "{path}");
    }
    let page = browser.get("/environments/not-an-id").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

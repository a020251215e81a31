//! Usage reports that are carried to the pages.

use super::{
    super::stage::{Agent, PRODUCT, Stage, at},
    Browser,
};
use crate::license::{
    Enforcement, Environment, KeyPair, Limit, Purpose, UsageClaims, UsagePeak, sign, usage_page,
};
use axum::http::StatusCode;
use jiff::Timestamp;

/// What the agent would report.
fn report(stage: &Stage, agent: &Agent, key: &KeyPair, made_at: Timestamp, peak: u64) -> String {
    let claims = UsageClaims {
        iss: agent.serial,
        aud: PRODUCT.to_owned(),
        iat: made_at,
        environment: Environment {
            id: agent.id.unwrap(),
            name: agent.name.clone(),
            purpose: agent.purpose,
        },
        from: "2026-02-01".parse().unwrap(),
        to: "2026-03-01".parse().unwrap(),
        peaks: vec![UsagePeak {
            day: "2026-02-28".parse().unwrap(),
            name: "users".to_owned(),
            peak,
            limit: Some(1000),
            enforcement: Enforcement::Soft,
            at: at("2026-02-28T12:00:00Z"),
        }],
        license: agent.held.clone().unwrap(),
        trust: stage.portal.keys().trust().text().to_owned(),
    };
    let document = sign(&claims, key).unwrap();
    usage_page(&claims, &document)
}

#[tokio::test]
async fn the_newest_report_stands_beside_the_limit() {
    let stage = Stage::new();
    let (id, other) = (stage.sell().id, stage.sell());
    let limit = Limit { limit: Some(1000), enforcement: Enforcement::Soft };
    let sold = stage
        .portal
        .update_subscription(id, move |terms| {
            terms.limits.insert("users".to_owned(), limit);
        })
        .unwrap();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    browser.get("/subscription").await.has(&["not reported"]);
    let newer = report(&stage, &agent, &agent.key, at("2026-03-01T00:00:00Z"), 812);
    let page = browser.upload("/usage-reports", newer.as_bytes()).await;
    assert_eq!(page.location(), "/subscription?done=usage", "{}", page.text);
    browser.get(page.location()).await.has(&["Site a: 812 on 2026-02-28", "report was taken"]);

    // An older one changes nothing, the same one does no harm.
    let older = report(&stage, &agent, &agent.key, at("2026-02-28T00:00:00Z"), 3);
    let page = browser.upload("/usage-reports", older.as_bytes()).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.has(&["A newer usage report is here"]);
    assert_eq!(
        browser.upload("/usage-reports", newer.as_bytes()).await.status,
        StatusCode::SEE_OTHER
    );
    browser.get("/subscription").await.has(&["Site a: 812"]);

    // Nobody else's, not forged, not changed on its way, nothing else.
    let forged = report(&stage, &agent, &KeyPair::generate().unwrap(), stage.portal.now(), 1);
    let changed = newer.replace("812", "12");
    for text in [forged.as_str(), changed.as_str(), "garbage", agent.held.as_deref().unwrap()] {
        let page = browser.upload("/usage-reports", text.as_bytes()).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{text}");
        page.has(&["This is no sound usage report"]);
        page.gives_back("/usage-reports", "file");
    }
    let mut stranger = Browser::signed_in(&stage, &other).await;
    let page = stranger.upload("/usage-reports", newer.as_bytes()).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.lacks(&["ACME", "Site a"]);
    let reported = stage.events().iter().filter(|event| *event == "usage-reported").count();
    assert_eq!(reported, 2);
}

//! Usage reports that are carried to the pages.

use super::{
    super::stage::{Agent, PRODUCT, Stage, at},
    Browser,
    vendor::signed_in,
};
use crate::{
    license::{
        Enforcement, Environment, KeyPair, Limit, Purpose, RequestKind, ToldLimit, ToldPeak,
        ToldUsage, UsageClaims, UsagePeak, sign, usage_page,
    },
    portal::access::Role,
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
    page.has(&["Newer figures are here"]);
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

#[tokio::test]
async fn figures_of_requests_are_shown_with_their_date_to_customer_and_vendor() {
    let stage = Stage::new();
    let id = stage.sell().id;
    let limit = Limit { limit: Some(1000), enforcement: Enforcement::Soft };
    let sold = stage.portal.update_subscription(id, move |terms| {
        terms.limits.insert("users".to_owned(), limit);
        terms.slots.insert(Purpose::Production, 2);
    });
    let sold = sold.unwrap();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let mut vendor = signed_in(&stage, "alice", Role::Support).await;
    let path = format!("/vendor/subscriptions/{id}");
    let page = browser.get("/subscription").await;
    page.has(&["not reported"]);
    page.lacks(&["Highest"]);
    vendor.get(&path).await.has(&["No environment has told what it uses"]);
    let mut ids = Vec::new();
    for (hardware, used) in [("<b>a", Some(812)), ("b", Some(200))] {
        let mut agent = Agent::new(hardware, Purpose::Production);
        agent.activate(&stage, &sold.activation_code).unwrap();
        stage.later(jiff::SignedDuration::from_hours(1));
        tell(&stage, &mut agent, used);
        ids.push(agent);
    }
    let both = ["1012", "1 March 2026, 01:00 UTC or later", "all together", "the server"];
    let page = browser.get("/subscription").await;
    page.has(&both);
    page.has(&["900 on 2026-02-28", "in the sum twice", "Site &#60;b&#62;a"]);
    page.lacks(&["<b>a"]);
    let page = vendor.get(&path).await;
    page.has(&both);
    page.lacks(&["<b>a"]);
    let environment = format!("/vendor/environments/{}", ids[1].id.unwrap());
    let page = vendor.get(&environment).await;
    page.has(&["200", "1 March 2026, 02:00 UTC"]);
    page.lacks(&[">812<", "all together"]);
    tell(&stage, &mut ids[1], None);
    let page = browser.get("/subscription").await;
    page.has(&["not known", "Site b: 900 on"]);
    page.lacks(&["1012 on ", ">1012<"]);
    let csv = vendor.get("/vendor/export/usage.csv").await;
    csv.has(&["Site b,production,users,1000,soft,,900,2026-02-28,2026-03-01T02:00:00Z"]);
}

/// A refresh that tells so many users as of now.
fn tell(stage: &Stage, agent: &mut Agent, used: Option<u64>) {
    let peak = Some(ToldPeak { used: 900, at: at("2026-02-28T12:00:00Z") });
    let limits = [("users".to_owned(), ToldLimit { used, peak })].into();
    let mut claims = agent.request(RequestKind::Refresh);
    claims.usage = Some(ToldUsage { measured_at: stage.portal.now(), limits });
    agent.send(stage, &claims).unwrap();
}

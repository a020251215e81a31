//! Lists, searches and exports.

use super::{Vendor, at};
use crate::{
    license::{Enforcement, Limit, RequestKind, ToldLimit, ToldUsage},
    portal::domain::Terms,
};
use serde_json::{Value, json};

const HOSTILE: &str = "'; DROP TABLE subscriptions; -- <script>alert(1)</script> 100%_\\";

fn sell(vendor: &Vendor, customer: &str, edition: &str) -> String {
    let terms = Terms::new(edition, "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    vendor.stage.later(jiff::SignedDuration::from_secs(1));
    vendor.stage.portal.create_subscription(customer, terms).unwrap().id.to_string()
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// As it stands in a query.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

#[tokio::test]
async fn pages_hold_each_subscription_once_the_newest_first() {
    let vendor = Vendor::new();
    let mut sold: Vec<String> = (0..7).map(|n| sell(&vendor, &format!("C{n}"), "a")).collect();
    sold.reverse();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = vendor.get(&format!("/subscriptions?limit=3{cursor}")).await.json();
        found.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, sold);
    let exact = vendor.get("/subscriptions?limit=7").await.json();
    assert_eq!((ids(&exact).len(), &exact["next"]), (7, &Value::Null));
    for wrong in [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "odd=1",
        "standing=odd",
        "serial_number=0",
        "activation_id=x",
    ] {
        let refused = vendor.get(&format!("/subscriptions?{wrong}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad-parameter"), "{wrong}");
    }
}

#[tokio::test]
async fn a_search_finds_what_was_asked_for() {
    let vendor = Vendor::new();
    let (agent, _, activated) = vendor.activated();
    let hostile = sell(&vendor, HOSTILE, HOSTILE);
    let large = sell(&vendor, "Umbrella 100 percent", "large");
    vendor.stage.portal.suspend_subscription(large.parse().unwrap()).unwrap();
    // A feature of that name is no edition.
    let featured = sell(&vendor, "Initech", "small");
    let edit =
        |terms: &mut Terms| drop(terms.features.insert("edition".to_owned(), "large".into()));
    vendor.stage.portal.update_subscription(featured.parse().unwrap(), edit).unwrap();
    let code = vendor.stage.portal.subscription(large.parse().unwrap()).unwrap().activation_code;
    for (query, expected) in [
        ("customer=umbrella".to_owned(), vec![&large]),
        (format!("customer={}", encoded("100%")), vec![&hostile]),
        (format!("customer={}", encoded(HOSTILE)), vec![&hostile]),
        (format!("edition={}", encoded(HOSTILE)), vec![&hostile]),
        ("edition=large".to_owned(), vec![&large]),
        ("edition=larg".to_owned(), vec![]),
        ("standing=suspended".to_owned(), vec![&large]),
        ("standing=active&customer=i".to_owned(), vec![&featured, &hostile]),
        (format!("serial_number={}", agent.serial), vec![&activated]),
        (format!("activation_id={}", code.id()), vec![&large]),
        (format!("customer={}", encoded("' OR '1'='1")), vec![]),
    ] {
        let page = vendor.get(&format!("/subscriptions?{query}")).await.json();
        let found = ids(&page);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn environments_and_the_audit_come_in_pages() {
    let vendor = Vendor::new();
    let (_, id, subscription) = vendor.activated();
    let page = vendor.get(&format!("/subscriptions/{subscription}/environments")).await.json();
    assert_eq!(ids(&page), [id.as_str()]);
    assert_eq!(page["items"][0]["status"], "activated");
    assert_eq!(ids(&vendor.get("/environments?limit=1").await.json()), [id.as_str()]);
    assert_eq!(vendor.get(&format!("/environments/{id}")).await.json()["purpose"], "production");
    assert_eq!(vendor.get(&format!("/environments/{id}/forks")).await.json()["forked"], false);
    let unknown = uuid::Uuid::nil();
    let none = vendor.get(&format!("/subscriptions/{unknown}/environments")).await;
    assert_eq!(none.code(), "no-subscription");
    assert_eq!(vendor.get(&format!("/environments/{unknown}")).await.code(), "no-environment");

    let newest = vendor.get("/audit?limit=2").await.json();
    assert_eq!(newest["items"][0]["event"], "license-issued");
    let next = newest["next"].as_str().unwrap();
    let rest = vendor.get(&format!("/audit?cursor={next}")).await.json();
    let total = vendor.stage.portal.audit(None, 1_000).unwrap().len();
    assert_eq!(rest["items"].as_array().unwrap().len() + 2, total);
    let made = vendor.get("/audit?event=token-created").await.json();
    assert_eq!(made["items"].as_array().unwrap().len(), 1);
    let by = vendor.get(&format!("/audit?subscription={subscription}&actor=operator")).await.json();
    assert_eq!(by["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_export_has_all_rows_and_no_formula() {
    let vendor = Vendor::new();
    let (_, id, _) = vendor.activated();
    sell(&vendor, "=HYPERLINK(\"http://evil\")", "a");
    sell(&vendor, "Comma, Inc.", "a");
    for _ in 0..600 {
        // More than are read at once.
        sell(&vendor, "C", "a");
    }
    let export = vendor.get("/export/subscriptions.csv").await;
    assert!(export.header("content-type").starts_with("text/csv"));
    assert!(export.header("content-disposition").contains("subscriptions.csv"));
    let lines: Vec<&str> = export.text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 603);
    assert!(lines[0].starts_with("id,customer,"));
    assert!(export.text.contains(",\"'=HYPERLINK(\"\"http://evil\"\")\","));
    assert!(export.text.contains(",\"Comma, Inc.\","));
    let mut unique: Vec<&str> = lines.iter().map(|line| &line[..36.min(line.len())]).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), lines.len());
    let environments = vendor.get("/export/environments.csv").await.text;
    assert!(environments.contains(&id));
}

#[tokio::test]
async fn what_is_used_is_shown_by_limit_and_environment() {
    let vendor = Vendor::new();
    let (mut agent, environment, subscription) = vendor.activated();
    let id = subscription.parse().unwrap();
    let limit = Limit { limit: Some(1000), enforcement: Enforcement::Hard };
    let limited = move |terms: &mut Terms| terms.limits = [("@users".to_owned(), limit)].into();
    vendor.stage.portal.update_subscription(id, limited).unwrap();
    let of_subscription = format!("/subscriptions/{subscription}/usage");
    let nothing = vendor.get(&of_subscription).await.json();
    let unused = json!({ "name": "@users", "limit": 1000, "enforcement": "hard", "together": null,
        "environments": [] });
    assert_eq!(nothing, json!({ "limits": [unused] }));

    let mut claims = agent.request(RequestKind::Refresh);
    let figures = ToldLimit { used: Some(7), peak: None };
    let (measured_at, limits) =
        (vendor.stage.portal.now(), [("@users".to_owned(), figures)].into());
    claims.usage = Some(ToldUsage { measured_at, limits });
    agent.send(&vendor.stage, &claims).unwrap();
    let told = json!({ "environment_id": environment, "name": "Site a", "used": 7, "peak": 7,
        "peak_on": "2026-03-01", "measured_at": measured_at, "received_at": measured_at,
        "road": "online" });
    let used = json!({ "name": "@users", "limit": 1000, "enforcement": "hard",
        "together": { "used": 7, "measured_at": measured_at }, "environments": [told] });
    for path in [of_subscription, format!("/environments/{environment}/usage")] {
        assert_eq!(vendor.get(&path).await.json(), json!({ "limits": [used.clone()] }), "{path}");
    }
    for path in [format!("/subscriptions/{environment}/usage"), format!("/environments/{id}/usage")]
    {
        assert_eq!(vendor.get(&path).await.status, 404, "{path}");
    }
    let csv = vendor.get("/export/usage.csv").await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    let row = format!(
        "{environment},{subscription},Site a,production,\"'@users\",1000,hard,7,7,2026-03-01,{measured_at},{measured_at},online"
    );
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines[1..], [row.as_str()], "no limit's name is a formula");
    assert_eq!(lines[0].matches(',').count(), row.matches(',').count());
}

#[tokio::test]
async fn an_environment_is_told_as_it_stands_now() {
    use crate::license::{Purpose, RequestKind};
    let vendor = Vendor::new();
    let (mut agent, id, sold) = vendor.activated();
    let status = async |id: &str| {
        let shown = vendor.get(&format!("/environments/{id}")).await.json();
        let listed = vendor.get("/environments").await.json();
        let listed = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == id);
        assert_eq!(listed.unwrap()["status"], shown["status"]);
        shown["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(&id).await, "activated");
    let mut copy = agent.copy();
    agent.refresh(&vendor.stage).unwrap();
    copy.refresh(&vendor.stage).unwrap();
    assert_eq!(status(&id).await, "forked");
    // A branch that is silent is closed, though nobody has asked since.
    vendor.stage.days_later(15);
    assert_eq!(status(&id).await, "activated");
    agent.send(&vendor.stage, &agent.request(RequestKind::Release)).unwrap();
    assert_eq!(status(&id).await, "released");
    let serial = super::super::stage::Agent::new("b", Purpose::Quality).serial;
    let sold = sold.parse().unwrap();
    let kept = vendor.stage.portal.reserve_slot(sold, serial, Purpose::Quality, "B").unwrap();
    assert_eq!(status(&kept.id.to_string()).await, "reserved");
    vendor.stage.days_later(14);
    assert_eq!(status(&kept.id.to_string()).await, "released");
}

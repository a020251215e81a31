//! Keys that were lost, copied or moved, and licenses without one: what the portal's operator does, and what agents get.

use super::agent::Agent;
use crate::stage::{PRODUCT, Vendor};
use entitled::{
    codes::SerialNumber,
    license::{ForkState, Outcome, RebindCode, RequestKind, Retirement, Sequence, verify_license},
};
use serde_json::Value;

/// The code of the problem document that the portal answered.
fn problem(answer: &(u16, String)) -> String {
    let problem: Value = serde_json::from_str(&answer.1).unwrap();
    problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

fn environment(vendor: &Vendor) -> String {
    vendor.json(&["environment", "list"])[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_key_is_cured_by_a_one_time_code() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let mut old = Agent::new("a");
    old.activate(&server, &vendor, &code).await;
    let mut anew = old.installed_anew();
    let refused = server.post(anew.request(RequestKind::Activate, Some(&code))).await;
    assert_eq!((refused.0, problem(&refused)), (409, "rebind-required".to_owned()));

    let id = environment(&vendor);
    let made = vendor.json(&["environment", "rebind-code", &id, "--hours", "2"]);
    let one_time: RebindCode = made["code"].as_str().unwrap().to_lowercase().parse().unwrap();
    let refused = server.post(anew.rebind(&code, None)).await;
    assert_eq!(problem(&refused), "rebind-code-required");
    let (status, answer) = server.post(anew.rebind(&code, Some(&one_time))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(anew.settle(&answer, &vendor).license.unwrap().claims().seq, Sequence(2));
    let told = old.refresh(&server, &vendor).await;
    assert!(matches!(told.outcome, Outcome::Retired { by: Retirement::Rebind, .. }));
    let again = server.post(old.installed_anew().rebind(&code, Some(&one_time))).await;
    assert_eq!(problem(&again), "rebind-code-wrong");
    // It was shown once.
    let log = std::fs::read_to_string(vendor.path("serve.log")).unwrap();
    let told = [log, vendor.json(&["audit"]).to_string()].concat();
    assert!(!told.contains(made["code"].as_str().unwrap()));
}

#[tokio::test]
async fn a_rebind_may_need_approval() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (subscription, code) = vendor.sell();
    let set = vendor.json(&["subscription", "set", &subscription, "--rebind", "approval"]);
    assert_eq!(set["rebind"], "approval");
    let mut old = Agent::new("a");
    old.activate(&server, &vendor, &code).await;
    let mut anew = old.installed_anew();
    let refused = server.post(anew.rebind(&code, None)).await;
    assert_eq!((refused.0, problem(&refused)), (403, "rebind-pending".to_owned()));
    let id = environment(&vendor);
    let pending = vendor.json(&["environment", "pending"]);
    assert_eq!(pending[0]["environment_id"], id.as_str());
    let key = pending[0]["key"].as_str().unwrap();
    let approved = vendor.json(&["environment", "approve", &id, "--key", key]);
    assert_eq!(approved["key"], key);
    let (status, answer) = server.post(anew.rebind(&code, None)).await;
    assert_eq!(status, 200, "{answer}");
    anew.settle(&answer, &vendor);
    assert!(vendor.json(&["environment", "pending"]).as_array().unwrap().is_empty());
}

#[tokio::test]
async fn of_two_that_ask_as_one_the_operator_names_the_survivor() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let mut one = Agent::new("a");
    one.activate(&server, &vendor, &code).await;
    let mut two = one.copy();
    one.refresh(&server, &vendor).await;
    let told = two.refresh(&server, &vendor).await;
    assert_eq!(told.fork.unwrap().state, ForkState::Open);

    let id = environment(&vendor);
    let forks = vendor.json(&["environment", "forks", &id]);
    assert_eq!((&forks["forked"], forks["branches"].as_array().unwrap().len()), (&true.into(), 2));
    let head = one.last_request();
    let named = vendor.json(&["environment", "survivor", &id, "--branch", &head]);
    assert_eq!(named["branches"][0]["survivor"], true);
    let told = one.refresh(&server, &vendor).await;
    assert_eq!(told.fork.unwrap().state, ForkState::Survivor);
    let mut survivor = one.installed_anew();
    let (status, answer) = server.post(survivor.succeed(RequestKind::Rebind, &one, &id)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(survivor.settle(&answer, &vendor).fork, None);
    let told = two.refresh(&server, &vendor).await;
    assert!(matches!(told.outcome, Outcome::Retired { .. }));
    let shown = vendor.run(&["environment", "forks", &id]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("all is well"));
}

#[tokio::test]
async fn a_move_changes_hardware_and_key_in_one_step() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (_, code) = vendor.sell();
    let (mut old, mut new) = (Agent::new("a"), Agent::new("b"));
    old.activate(&server, &vendor, &code).await;
    let id = environment(&vendor);
    let request = new.succeed(RequestKind::Move, &old, &id);
    let (status, answer) = server.post(request.clone()).await;
    assert_eq!(status, 200, "{answer}");
    new.settle(&answer, &vendor);
    assert_eq!(server.post(request).await, (200, answer), "the same bytes");
    let told = old.refresh(&server, &vendor).await;
    assert!(matches!(told.outcome, Outcome::Retired { by: Retirement::Move, .. }));
    let serial = SerialNumber::mint("smbios-uuid", "b").to_string();
    assert_eq!(vendor.json(&["environment", "list"])[0]["serial_number"], serial);
}

#[test]
fn a_customer_may_type_a_serial_number_into_the_portal() {
    let vendor = Vendor::new();
    let (id, _) = vendor.sell();
    let serial = SerialNumber::mint("smbios-uuid", "a");
    let typed = serial.to_string();
    let issue = ["license", "issue", "--subscription", &id, "--serial", &typed];
    let issue = [&issue[..], &["--purpose", "production", "--name", "Hall 4"]].concat();
    let refused = vendor.run(&issue);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--allow-serial-only true"));

    vendor.json(&["subscription", "set", &id, "--allow-serial-only", "true"]);
    let made = vendor.run(&issue);
    assert!(made.status.success(), "{made:?}");
    // A trust document and a license, with white space between.
    let text = String::from_utf8(made.stdout).unwrap();
    let [trust, license] = text.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{text}")
    };
    let trust = vendor.roots().verify_trust(trust, PRODUCT, None).unwrap();
    let license = verify_license(license, PRODUCT, &trust).unwrap();
    let claims = license.claims();
    assert_eq!(
        (claims.sub, claims.cnf, claims.environment.name.as_str()),
        (serial, None, "Hall 4")
    );
    let listed = vendor.json(&["environment", "list"]);
    assert_eq!((&listed[0]["key"], &listed[0]["name"]), (&Value::Null, &"Hall 4".into()));
    let other = SerialNumber::mint("smbios-uuid", "b").to_string();
    let full = vendor.run(&[
        "--json",
        "license",
        "issue",
        "--subscription",
        &id,
        "--serial",
        &other,
        "--purpose",
        "production",
    ]);
    let error: Value = serde_json::from_slice(&full.stderr).unwrap();
    assert_eq!(error["error"]["code"], "no-free-slot");
}

#[tokio::test]
async fn a_release_by_courier_may_keep_its_slot_until_its_license_ends() {
    let vendor = Vendor::new();
    let server = vendor.serve();
    let (id, code) = vendor.sell();
    let set = vendor.json(&["subscription", "set", &id, "--offline-releases-a-year", "0"]);
    assert_eq!(set["offline_releases_a_year"], 0);
    let mut agent = Agent::new("a");
    agent.activate(&server, &vendor, &code).await;
    let file = vendor.path("release.jwt");
    std::fs::write(&file, agent.request(RequestKind::Release, None)).unwrap();
    let answer = vendor.run(&["answer", file.to_str().unwrap()]);
    let answer = agent.settle(&String::from_utf8(answer.stdout).unwrap(), &vendor);
    assert!(matches!(answer.outcome, Outcome::Released { slot_free_at: Some(_), .. }));
    let other = Agent::new("b").request(RequestKind::Activate, Some(&code));
    assert_eq!(problem(&server.post(other).await), "no-free-slot");
    let listed = vendor.json(&["environment", "list", "--all"]);
    assert!(listed[0]["slot_held_until"].is_string());
    vendor.json(&["environment", "release", listed[0]["id"].as_str().unwrap()]);
    Agent::new("b").activate(&server, &vendor, &code).await;
}

#[test]
fn every_policy_is_set_by_a_flag() {
    let vendor = Vendor::new();
    #[rustfmt::skip]
    let flags = [
        "--rebind", "free", "--allow-serial-only", "true", "--offline-releases-a-year", "7", "--check-in-days", "14",
        "--hardware-grace-hours", "24", "--allow-override", "false", "--lease-days", "3", "--refresh-after", "7200",
    ];
    let create = ["subscription", "create", "--customer", "ACME", "--days", "30", "--trial"];
    let sold = vendor.json(&[&create[..], &flags].concat());
    for (member, value) in [
        ("rebind", Value::from("free")),
        ("allow_serial_only", true.into()),
        ("offline_releases_a_year", 7.into()),
        ("check_in_days", 14.into()),
        ("hardware_grace_hours", 24.into()),
        ("allow_override", false.into()),
        ("lease_days", 3.into()),
        ("refresh_after", 7_200.into()),
        ("trial", true.into()),
    ] {
        assert_eq!(sold[member], value, "{member}");
    }
    let id = sold["id"].as_str().unwrap();
    let set =
        vendor.json(&["subscription", "set", id, "--rebind", "code", "--check-in-days", "never"]);
    assert_eq!((&set["rebind"], &set["check_in_days"]), (&"code".into(), &Value::Null));
    let wrong = vendor.run(&["subscription", "set", id, "--rebind", "maybe"]);
    assert_eq!(wrong.status.code(), Some(2));
}

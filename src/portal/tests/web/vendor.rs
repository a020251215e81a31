//! The vendor's pages: subscriptions and environments, by role.

use super::{
    super::{
        access::{PASSWORD, operator},
        stage::{Agent, Stage},
    },
    Browser, Page,
};
use crate::{
    license::Purpose,
    portal::{
        access::{Password, Role},
        store::SessionKind,
        web::session,
    },
};
use axum::http::StatusCode;
use jiff::SignedDuration;
use uuid::Uuid;

const HOSTILE: &str = "<script>alert(1)</script>'; DROP TABLE subscriptions; --\"&";

pub(super) async fn signed_in(stage: &Stage, name: &str, role: Role) -> Browser {
    operator(stage, name, role);
    let mut browser = Browser::new(stage);
    let page = sign_in(&mut browser, name, PASSWORD).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/vendor/subscriptions"));
    browser
}

async fn sign_in(browser: &mut Browser, name: &str, password: &str) -> Page {
    browser
        .post_from("/vendor/", "/vendor/sign-in", &[("name", name), ("password", password)])
        .await
}

/// What the form of a new subscription holds, with these in the place of what it had.
async fn sell(browser: &mut Browser, fields: &[(&str, &str)]) -> Page {
    let mut all = vec![
        ("customer", "ACME"),
        ("edition", "standard"),
        ("support_level", "gold"),
        ("starts_at", "2026-01-01"),
        ("ends_at", "2027-01-01"),
        ("grace_days", "30"),
        ("development", "1"),
        ("quality", "1"),
        ("production", "2"),
        ("management", "0"),
        ("features", "sso\r\nnodes=12\r\n"),
        ("limits", "users=10:hard"),
        ("rebind", "code"),
        ("releases_a_year", "2"),
        ("offline_releases_a_year", "4"),
        ("check_in_days", ""),
        ("refresh_after", "86400"),
        ("lease_days", "7"),
        ("hardware_grace_hours", "72"),
        ("allow_override", "yes"),
    ];
    all.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    all.extend(fields);
    browser.post_from("/vendor/subscriptions/new", "/vendor/subscriptions/new", &all).await
}

#[tokio::test]
async fn an_operator_signs_in_and_out() {
    let stage = Stage::new();
    let mut browser = Browser::new(&stage);
    assert_eq!(browser.get("/vendor/subscriptions").await.location(), "/vendor/");
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    assert_eq!(browser.get("/vendor/").await.location(), "/vendor/subscriptions");
    let mut other = browser.clone();
    browser.post_from("/vendor/subscriptions", "/vendor/sign-out", &[]).await;
    assert_eq!(browser.get("/vendor/subscriptions").await.location(), "/vendor/");
    let page = other.get("/vendor/subscriptions").await;
    assert_eq!(page.location(), "/vendor/?done=ended", "the same session");
    other.get(page.location()).await.has(&["Your session has ended", "role=\"status\""]);
    sign_in(&mut browser, "alice", PASSWORD).await;
    sign_in(&mut other, "alice", PASSWORD).await;
    browser.post_from("/vendor/subscriptions", "/vendor/sign-out-everywhere", &[]).await;
    assert_eq!(other.get("/vendor/subscriptions").await.location(), "/vendor/?done=ended");
    let wrong = sign_in(&mut other, "alice", "wrong").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    wrong.has(&["role=\"alert\"", "value=\"alice\""]);
    wrong.lacks(&["value=\"wrong\""]);
    let unknown = sign_in(&mut other, HOSTILE, PASSWORD).await;
    assert_eq!(unknown.status, StatusCode::FORBIDDEN);
    unknown.lacks(&["<script>"]);
}

#[tokio::test]
async fn a_session_ends_with_what_it_rests_on() {
    let stage = Stage::new();
    for change in ["disable", "password", "role"] {
        let name = format!("{change}d");
        let mut browser = signed_in(&stage, &name, Role::Admin).await;
        assert_eq!(browser.get("/vendor/subscriptions").await.status, StatusCode::OK);
        let verified = stage.portal.signed_in(&name).unwrap();
        match change {
            "disable" => drop(stage.portal.disable_operator(&name).unwrap()),
            "role" => drop(stage.portal.set_operator_role(&name, Role::Support).unwrap()),
            _ => {
                let chosen = Password::chosen("another long one").unwrap();
                stage.portal.set_operator_password(&name, &chosen).unwrap();
            }
        }
        let page = browser.get("/vendor/subscriptions").await;
        assert_eq!(page.location(), "/vendor/?done=ended", "{change}");
        // Nor does one begin whose password was verified before.
        let kind = SessionKind::Operator;
        let late = session::begin(&stage.portal, false, kind, &name, None, verified).unwrap();
        assert_eq!(late, None, "{change}");
        // And not back and forth.
        assert_eq!(browser.get("/vendor/").await.status, StatusCode::OK);
    }
    // A customer's cookie is none of an operator's.
    let mut customer = Browser::signed_in(&stage, &stage.sell()).await;
    assert_eq!(customer.get("/vendor/subscriptions").await.location(), "/vendor/");
}

/// Each field of the form of a subscription.
fn all_fields<'a>(customer: &'a str, revision: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("customer", customer),
        ("revision", revision),
        ("starts_at", "2026-01-01"),
        ("ends_at", "2027-01-01"),
        ("edition", "standard"),
        ("support_level", "gold"),
        ("grace_days", "30"),
        ("rebind", "code"),
        ("development", "1"),
        ("quality", "1"),
        ("production", "1"),
        ("management", "1"),
        ("offline_releases_a_year", "1"),
        ("refresh_after", "1"),
        ("lease_days", "1"),
        ("hardware_grace_hours", "1"),
    ]
}

#[tokio::test]
async fn a_subscription_is_sold_changed_and_ended_by_forms() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let wrong =
        sell(&mut browser, &[("ends_at", "soon"), ("grace_days", "x"), ("customer", HOSTILE)])
            .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.has(&["role=\"alert\"", "End: expected a day", "Days of grace", "&#60;script&#62;"]);
    let early = sell(&mut browser, &[("ends_at", "2025-01-01")]).await;
    early.has(&["The term would end at"]);
    assert!(stage.portal.subscriptions().unwrap().is_empty());
    let sold = sell(&mut browser, &[]).await;
    assert_eq!(sold.status, StatusCode::SEE_OTHER, "{}", sold.text);
    let subscription = stage.portal.subscriptions().unwrap().remove(0);
    let (id, code) = (subscription.id, subscription.activation_code.expose());
    assert_eq!(subscription.terms.features["nodes"], 12);
    assert_eq!(subscription.terms.limits["users"].limit, Some(10));
    assert_eq!(subscription.terms.releases_a_year, Some(2));
    let path = format!("/vendor/subscriptions/{id}");
    let page = browser.get(&path).await;
    page.has(&["ACME", "2 production", "nodes", "10 (hard)", "subscription-created"]);
    page.lacks(&[&code]);
    let shown = browser.post_from(&path, &format!("{path}/code"), &[]).await;
    shown.has(&[&code]);

    // The form holds what there is: sent as it is, nothing changes.
    let form = browser.get(&format!("{path}/edit")).await;
    form.has(&[
        "value=\"2026-01-01\"",
        "users=10:hard",
        "nodes=12",
        "name=\"revision\" value=\"1\"",
    ]);
    stage.portal.suspend_subscription(id).unwrap();
    let mut late = all_fields("Other", "1");
    let edit = format!("{path}/edit");
    let refused = browser.post_from(&edit, &edit, &late).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    refused.has(&[
        "value=\"Other\"",
        "Customer: ACME is stored now.",
        "name=\"revision\" value=\"2\"",
    ]);
    late.iter_mut().find(|(name, _)| *name == "revision").unwrap().1 = "2";
    let changed = browser.post_from(&edit, &edit, &late).await;
    assert_eq!(changed.location(), format!("{path}?done=changed"), "{}", changed.text);
    assert_eq!(stage.portal.subscription(id).unwrap().customer, "Other");

    for (act, fields, word) in [
        ("resume", vec![], "active"),
        ("renew", vec![("ends_at", "2028-01-01")], "active"),
        ("suspend", vec![], "suspended"),
        ("revoke", vec![("reason", HOSTILE)], "revoked"),
    ] {
        let act_path = format!("{path}/{act}");
        let confirm = browser.get(&act_path).await;
        assert_eq!(confirm.status, StatusCode::OK, "{act}");
        let revision = stage.portal.subscription(id).unwrap().revision.to_string();
        let mut fields: Vec<(&str, &str)> = fields;
        fields.push(("revision", &revision));
        let done = browser.post_with(&confirm.token(), &act_path, &fields).await;
        assert_eq!(done.location(), format!("{path}?done={act}"), "{}", done.text);
        assert_eq!(stage.portal.subscription(id).unwrap().standing.as_str(), word);
        let page = browser.get(&format!("{path}?done={act}")).await;
        page.has(&["role=\"status\""]);
        page.lacks(&["<script>"]);
    }
    assert_eq!(browser.get(&format!("{path}/explode")).await.status, StatusCode::NOT_FOUND);
    let list = browser.get("/vendor/subscriptions?customer=oth&standing=revoked").await;
    list.has(&["Other", "revoked"]);
    let none = browser.get("/vendor/subscriptions?serial=nonsense").await;
    none.has(&["This is no Serial Number"]);
    let found = browser
        .post_from("/vendor/subscriptions", "/vendor/subscriptions", &[("code", &code)])
        .await;
    assert_eq!(found.location(), path);
    let csv = browser.get("/vendor/export/subscriptions.csv").await;
    csv.has(&[&id.to_string()]);
    csv.lacks(&[&code]);
    let actors: Vec<String> =
        stage.portal.audit(Some(id), 1).unwrap().into_iter().map(|e| e.actor).collect();
    assert_eq!(actors, ["operator alice"]);
}

#[tokio::test]
async fn what_somebody_else_decided_meanwhile_is_not_taken_back() {
    let stage = Stage::new();
    let id = stage.sell().id;
    stage.portal.suspend_subscription(id).unwrap();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let path = format!("/vendor/subscriptions/{id}/resume");
    let confirm = browser.get(&path).await;
    confirm.has(&["name=\"revision\" value=\"2\""]);
    stage.portal.revoke_subscription(id, "fraud").unwrap();
    let fields = [("revision", "2")];
    let refused = browser.post_with(&confirm.token(), &path, &fields).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.has(&["other-revision"]);
    // Nor by a form that says nothing of it.
    let refused = browser.post_with(&confirm.token(), &path, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(stage.portal.subscription(id).unwrap().standing.as_str(), "revoked");
    let done = browser.post_with(&confirm.token(), &path, &[("revision", "3")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
}

#[tokio::test]
async fn a_slot_that_is_kept_is_not_told_as_released() {
    let stage = Stage::new();
    let sold = stage.sell();
    let serial = Agent::new("a", Purpose::Production).serial;
    let kept = stage.portal.reserve_slot(sold.id, serial, Purpose::Production, "Site").unwrap();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let page = browser.get(&format!("/vendor/environments/{}", kept.id)).await;
    page.has(&["reserved until 15 March 2026"]);
    page.lacks(&["released"]);
    let list = browser.get(&format!("/vendor/subscriptions/{}", sold.id)).await;
    list.has(&["reserved until 15 March 2026"]);
}

#[tokio::test]
async fn what_was_typed_for_a_sale_outlives_the_session() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let path = "/vendor/subscriptions/new";
    let token = browser.get(path).await.token();
    let fields = [("customer", "Long & Sons"), ("features", "sso"), ("trial", "yes")];
    stage.later(SignedDuration::from_mins(31));
    let page = browser.post_with(&token, path, &fields).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.has(&[
        "Your session has ended",
        "value=\"Long &#38; Sons\"",
        "checked",
        "href=\"/vendor/\"",
    ]);
    page.lacks(&["Sign out", "value=\"alice\""]);
    sign_in(&mut browser, "alice", PASSWORD).await;
    let page = browser.post_with(&token, path, &fields).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "the form is of the session before");
    page.has(&["signed in anew", "value=\"Long &#38; Sons\""]);
    assert!(stage.portal.subscriptions().unwrap().is_empty());
    let sold = sell(&mut browser, &[("customer", "Long & Sons")]).await;
    assert_eq!(sold.status, StatusCode::SEE_OTHER, "{}", sold.text);
    // Of a stranger, and from elsewhere, nothing is shown.
    let mut stranger = Browser::new(&stage);
    assert_eq!(stranger.post_with(&token, path, &fields).await.location(), "/vendor/");
    browser.headers.push(("sec-fetch-site", "cross-site".to_owned()));
    browser.post_with("x", path, &fields).await.lacks(&["Long"]);
}

#[tokio::test]
async fn support_sees_all_and_changes_what_it_may() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.name = HOSTILE.to_owned();
    agent.activate(&stage, &sold.activation_code).unwrap();
    let (id, environment) = (sold.id, agent.id.unwrap());
    let mut browser = signed_in(&stage, "bob", Role::Support).await;
    let page = browser.get(&format!("/vendor/subscriptions/{id}")).await;
    page.has(&["ACME", "&#60;script&#62;"]);
    page.lacks(&["Renew", "Show the Activation Code", "<script>", "href=\"/vendor/keys\""]);
    for path in [
        "/vendor/subscriptions/new".to_owned(),
        format!("/vendor/subscriptions/{id}/edit"),
        format!("/vendor/subscriptions/{id}/revoke"),
        format!("/vendor/environments/{environment}/release"),
        "/vendor/keys".to_owned(),
        "/vendor/keys/x/new.jwks".to_owned(),
        "/vendor/operators".to_owned(),
        "/vendor/tokens".to_owned(),
        "/vendor/webhooks".to_owned(),
    ] {
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.has(&["not-allowed"]);
    }
    let token = browser.get("/vendor/subscriptions").await.token();
    let name = [("name", "eve"), ("role", "admin"), ("password", PASSWORD), ("again", PASSWORD)];
    let before = stage.events();
    for (path, fields) in [
        (format!("/vendor/subscriptions/{id}/suspend"), &[][..]),
        (format!("/vendor/subscriptions/{id}/revoke"), &[("reason", "why")]),
        (format!("/vendor/subscriptions/{id}/renew"), &[("ends_at", "2030-01-01")]),
        (format!("/vendor/subscriptions/{id}/edit"), &[]),
        (format!("/vendor/subscriptions/{id}/code"), &[]),
        ("/vendor/subscriptions/new".to_owned(), &[]),
        (format!("/vendor/environments/{environment}/release"), &[]),
        ("/vendor/keys".to_owned(), &[]),
        ("/vendor/keys/rotate".to_owned(), &[]),
        ("/vendor/operators".to_owned(), &name),
        ("/vendor/operators/bob".to_owned(), &[("act", "role"), ("role", "admin")]),
        ("/vendor/tokens".to_owned(), &[("name", "t"), ("scopes", "audit:read")]),
        ("/vendor/tokens/t/revoke".to_owned(), &[]),
        ("/vendor/webhooks".to_owned(), &[("url", "https://a.example/")]),
        (format!("/vendor/webhooks/{}/remove", Uuid::nil()), &[]),
    ] {
        let page = browser.post_with(&token, &path, fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}: {}", page.text);
    }
    assert_eq!(stage.events(), before);

    let path = format!("/vendor/environments/{environment}");
    let page = browser.get(&path).await;
    page.has(
        &["&#60;script&#62;", "One of", "Make a one-time code"]
            .map(|t| if t == "One of" { "Its requests" } else { t }),
    );
    page.lacks(&["<script>", "Release</a>"]);
    let code = browser.post_from(&path, &format!("{path}/rebind-code"), &[]).await;
    code.has(&["class=\"secret\"", "Good until"]);
    let unknown = browser.get(&format!("/vendor/environments/{}", Uuid::nil())).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    for path in ["/vendor/environments/x", "/vendor/subscriptions/x/edit"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        page.has(&["<h1>There is nothing here</h1>"]);
    }
}

#[tokio::test]
async fn what_waits_is_approved_and_refused_on_a_page() {
    let stage = Stage::new();
    let sold = stage.sell();
    stage.portal.update_subscription(sold.id, |terms| terms.releases_a_year = Some(0)).unwrap();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let id = agent.id.unwrap();
    let mut browser = signed_in(&stage, "bob", Role::Support).await;
    browser.get("/vendor/approvals").await.has(&["Nothing waits"]);
    for (decision, fields) in [("refuse", vec![("reason", "call us")]), ("approve", vec![])] {
        stage.portal.ask_release(id, HOSTILE).unwrap();
        let page = browser.get("/vendor/approvals").await;
        page.has(&["&#60;script&#62;", "Approve the release"]);
        page.lacks(&["<script>"]);
        let asked = stage.portal.waiting_releases(None).unwrap().remove(0).id;
        let path = format!("/vendor/approvals/{asked}/{decision}");
        let done = browser.post_with(&page.token(), &path, &fields).await;
        assert!(done.location().starts_with("/vendor/approvals?done="), "{}", done.text);
    }
    assert!(stage.environment().is_released());
    let page = browser.get("/vendor/audit?event=release-approved").await;
    page.has(&["operator bob", "release-approved"]);
    page.lacks(&["subscription-created"]);
    let total = stage.portal.audit(None, 1_000).unwrap().len();
    let verified = browser.get("/vendor/audit/verify").await;
    verified.has(&[&format!("{total} entries, each as it was written")]);
    let connection = rusqlite::Connection::open(stage.path("portal.db")).unwrap();
    let tampering =
        "DROP TRIGGER audit_is_not_changed; UPDATE audit SET actor = 'nobody' WHERE id = 2";
    connection.execute_batch(tampering).unwrap();
    let verified = browser.get("/vendor/audit/verify").await;
    verified.has(&["role=\"alert\"", "Entry 2 was changed or put in."]);
}

#[tokio::test]
async fn no_form_is_taken_from_elsewhere() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let path = format!("/vendor/subscriptions/{}/suspend", sold.id);
    for token in ["", "x", &"A".repeat(43)] {
        assert_eq!(browser.post_with(token, &path, &[]).await.status, StatusCode::FORBIDDEN);
    }
    let token = browser.get("/vendor/subscriptions").await.token();
    browser.headers.push(("sec-fetch-site", "cross-site".to_owned()));
    assert_eq!(browser.post_with(&token, &path, &[]).await.status, StatusCode::FORBIDDEN);
    browser.headers.clear();
    assert_eq!(stage.portal.subscription(sold.id).unwrap().standing.as_str(), "active");
    let fields = [("revision", "1")];
    assert_eq!(browser.post_with(&token, &path, &fields).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_audit_is_verified_by_one_at_a_time() {
    let stage = Stage::new();
    let mut browser = signed_in(&stage, "alice", Role::Support).await;
    let walk = stage.portal.audit_walk().try_acquire_owned().unwrap();
    let second = browser.get("/vendor/audit/verify").await;
    assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(second.headers.contains_key("retry-after"));
    drop(walk);
    for _ in 0..2 {
        assert_eq!(browser.get("/vendor/audit/verify").await.status, StatusCode::OK);
    }
}

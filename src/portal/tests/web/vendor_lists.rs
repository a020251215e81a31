//! The vendor's lists: what is searched for, and what does not fit on one page.

use super::{
    super::stage::{Agent, Stage},
    vendor::signed_in,
};
use crate::{
    codes::SerialNumber,
    license::Purpose,
    portal::{PortalError, access::Role, domain::Environment},
};
use axum::http::StatusCode;
use uuid::Uuid;

#[tokio::test]
async fn what_can_t_be_searched_for_in_the_audit_is_told_and_finds_nothing() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = signed_in(&stage, "alice", Role::Admin).await;
    let mistyped = &sold.id.to_string()[1..];
    let page = browser.get(&format!("/vendor/audit?subscription={mistyped}")).await;
    page.has(&["aria-invalid=\"true\"", "id=\"subscription-error\"", mistyped]);
    page.lacks(&["subscription-created", "operator-added", "<table"]);
    let page = browser.get(&format!("/vendor/audit?subscription={}", sold.id)).await;
    page.has(&["subscription-created"]);
    page.lacks(&["operator-added", "aria-invalid"]);
    let page = browser.get(&format!("/vendor/audit?subscription={}", Uuid::nil())).await;
    page.has(&["No entry fits."]);
}

/// As many more environments as that, which have the one that there is for a model.
fn add_environments(stage: &Stage, number: u32) {
    let model = stage.environment();
    let add = move |change: &crate::portal::store::Change<'_>| {
        for n in 0..number {
            change.put_environment(&Environment {
                id: Uuid::from_u64_pair(model.id.as_u64_pair().0, u64::from(n)),
                serial_number: SerialNumber::mint("smbios-uuid", &format!("copy {n}")),
                name: format!("Copy No. {n}"),
                key: None,
                ..model.clone()
            })?;
        }
        Ok::<_, PortalError>(())
    };
    stage.portal.store().write(add).unwrap();
}

#[tokio::test]
async fn environments_that_do_not_fit_on_a_subscription_s_page_are_on_the_next() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let mut browser = signed_in(&stage, "bob", Role::Support).await;
    let path = format!("/vendor/subscriptions/{}", sold.id);
    browser.get(&path).await.lacks(&["Older ones", "of them"]);
    add_environments(&stage, 120);
    let page = browser.get(&path).await;
    assert_eq!(page.text.matches("<th scope=\"row\"><a href=\"/vendor/environments/").count(), 100);
    page.has(&["These are 100 of them.", "Older ones"]);
    let (_, rest) = page.text.split_once("rel=\"next\" href=\"").unwrap();
    let older = rest.split_once('"').unwrap().0;
    assert!(older.ends_with("#environments"), "{older}");
    let page = browser.get(older.trim_end_matches("#environments")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.text.matches("<th scope=\"row\"><a href=\"/vendor/environments/").count(), 21);
    page.has(&["These are 21 of them.", "The newest ones"]);
    page.lacks(&["Older ones"]);
}

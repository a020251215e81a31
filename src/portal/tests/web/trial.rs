//! Trials that visitors start by themselves.

use super::{super::stage::Stage, Browser, Page};
use crate::{
    license::Purpose,
    portal::PortalError,
    portal::domain::{TermsError, TrialTerms},
};
use axum::http::StatusCode;
use jiff::SignedDuration;

fn offer() -> TrialTerms {
    TrialTerms {
        days: 30,
        edition: "trial".to_owned(),
        support_level: "none".to_owned(),
        features: [("sso".to_owned(), true.into())].into(),
        limits: [].into(),
        slots: [(Purpose::Development, 1)].into(),
    }
}

async fn start(browser: &mut Browser, company: &str, email: &str) -> Page {
    browser.post_from("/trial", "/trial", &[("company", company), ("email", email)]).await
}

#[tokio::test]
async fn there_are_none_unless_the_vendor_says_so() {
    let stage = Stage::new();
    let mut browser = Browser::new(&stage);
    assert_eq!(browser.get("/trial").await.status, StatusCode::NOT_FOUND);
    let home = browser.get("/").await;
    home.lacks(&["/trial"]);
    let page = browser
        .post_with(&home.token(), "/trial", &[("company", "A"), ("email", "a@b.example")])
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    stage.portal.set_trial_terms(Some(offer())).unwrap();
    browser.get("/").await.has(&["/trial"]);
    browser.get("/trial").await.has(&["30 days"]);
    stage.portal.set_trial_terms(None).unwrap();
    assert_eq!(browser.get("/trial").await.status, StatusCode::NOT_FOUND);
    assert_eq!(stage.events(), ["trials-offered", "trials-ended"]);
    let nameless = TrialTerms { edition: String::new(), ..offer() };
    let refused = stage.portal.set_trial_terms(Some(nameless));
    assert!(matches!(refused, Err(PortalError::Terms(TermsError::Name { .. }))));
}

#[tokio::test]
async fn a_visitor_gets_a_code_that_signs_in_and_ends_with_the_trial() {
    let stage = Stage::new();
    stage.portal.set_trial_terms(Some(offer())).unwrap();
    let mut browser = Browser::new(&stage);
    let page = start(&mut browser, "ACME <b>", "jo@acme.example").await;
    let (_, rest) = page.text.split_once("<p class=\"secret\"><code>").expect(&page.text);
    let code = rest.split_once('<').unwrap().0.to_owned();
    page.has(&["31 March 2026", "It is shown once"]);
    let sold = stage.portal.subscriptions().unwrap().remove(0);
    assert_eq!(sold.activation_code.expose(), code);
    assert!(sold.terms.trial && sold.terms.grace_days == 0);
    assert!(stage.events().contains(&"trial-started".to_owned()));
    assert_eq!(browser.sign_in(&code).await.location(), "/subscription");
    browser.get("/subscription").await.has(&["(trial)", "30 days left", "ACME &#60;b&#62;"]);
    browser.get("/history").await.has(&["The trial was started", "you, from"]);
    stage.days_later(30);
    let mut browser = Browser::signed_in(&stage, &sold).await;
    browser.get("/subscription").await.has(&["ended"]);
}

#[tokio::test]
async fn one_trial_a_company_and_an_address_however_they_are_written() {
    let stage = Stage::new();
    stage.portal.set_trial_terms(Some(offer())).unwrap();
    let mut browser = Browser::new(&stage);
    start(&mut browser, "ACME Ltd.", "jo@acme.example").await.has(&["Your trial has started"]);
    for (company, email) in [("acme ltd", "other@else.example"), ("Other", "J.O+2@ACME.example")] {
        let page = start(&mut browser, company, email).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{company} {email}");
        page.gives_back("/trial", "");
        page.has(&[&format!("value=\"{company}\""), &format!("value=\"{email}\"")]);
        page.has(&["No trial can be started"]);
    }
    for (company, email) in [("", "a@b.example"), ("--", "a@b.example")] {
        let mut browser = Browser::new(&stage);
        let page = start(&mut browser, company, email).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{company} {email}");
        page.gives_back("/trial", "company");
    }
    assert_eq!(stage.portal.subscriptions().unwrap().len(), 1);
    for email in ["x", "@b.example", "a@b", "a b@c.example"] {
        stage.later(SignedDuration::from_mins(15));
        let page = start(&mut browser, "Third", email).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{email}");
        page.gives_back("/trial", "email");
    }
}

#[tokio::test]
async fn an_address_starts_five_in_a_quarter_of_an_hour() {
    let stage = Stage::new();
    stage.portal.set_trial_terms(Some(offer())).unwrap();
    let mut browser = Browser::new(&stage);
    for n in 0..5 {
        let page = start(&mut browser, &format!("company {n}"), &format!("{n}@b.example")).await;
        assert_eq!(page.status, StatusCode::OK);
    }
    let page = start(&mut browser, "one more", "more@b.example").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    page.gives_back("/trial", "");
    page.has(&["Try again in 15 minutes."]);
    assert_eq!(stage.portal.subscriptions().unwrap().len(), 5);
    stage.later(SignedDuration::from_mins(15));
    assert_eq!(start(&mut browser, "one more", "more@b.example").await.status, StatusCode::OK);
}

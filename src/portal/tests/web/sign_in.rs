//! Signing in by Activation Code.

use super::{super::stage::Stage, Browser};
use crate::codes::ActivationCode;
use axum::http::{StatusCode, header};
use jiff::SignedDuration;

#[tokio::test]
async fn a_code_signs_in_however_it_is_written() {
    let stage = Stage::new();
    let sold = stage.sell();
    let code = sold.activation_code.expose();
    for written in
        [code.clone(), code.to_lowercase(), code.replace('.', " "), code.replace('.', "")]
    {
        let mut browser = Browser::new(&stage);
        assert_eq!(browser.sign_in(&written).await.location(), "/subscription", "{written}");
        let page = browser.get("/subscription").await;
        page.has(&["ACME", &sold.activation_code.masked()]);
        page.lacks(&[&code]);
        assert_eq!(browser.get("/").await.location(), "/subscription");
    }
    assert_eq!(stage.events().iter().filter(|event| *event == "signed-in").count(), 4);
}

#[tokio::test]
async fn a_typing_error_is_told_apart_from_an_unknown_code() {
    let stage = Stage::new();
    let code = ActivationCode::random().unwrap().expose();
    let mut browser = Browser::new(&stage);
    let page = browser.sign_in(&code).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.has(&["aria-invalid=\"true\"", "role=\"alert\"", "No subscription here fits"]);
    page.lacks(&[&code]);
    let last = if code.ends_with('7') { '8' } else { '7' };
    let mistyped = format!("{}{last}", &code[..code.len() - 1]);
    let page = browser.sign_in(&mistyped).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.lacks(&[&code, &mistyped, "No subscription here fits"]);
    for text in ["", "x", "<script>alert(1)</script>", "'; DROP TABLE sessions; --"] {
        let page = browser.sign_in(text).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{text}");
        page.lacks(&["<script>alert"]);
    }
}

#[tokio::test]
async fn whatever_is_no_code_here_is_answered_alike() {
    let stage = Stage::new();
    stage.sell();
    let mut pages = Vec::new();
    for _ in 0..2 {
        let mut browser = Browser::new(&stage);
        let page = browser.sign_in(&ActivationCode::random().unwrap().expose()).await;
        pages.push((page.status, page.text.replace(&page.token(), "")));
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn the_holder_of_a_code_signs_in_whatever_the_vendor_has_done() {
    let stage = Stage::new();
    let (suspended, revoked) = (stage.sell(), stage.sell());
    stage.portal.suspend_subscription(suspended.id).unwrap();
    stage.portal.revoke_subscription(revoked.id, "unpaid").unwrap();
    for sold in [suspended, revoked] {
        Browser::signed_in(&stage, &sold).await;
    }
}

#[tokio::test]
async fn who_guesses_is_asked_to_wait_and_then_may_try_again() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut guesser = Browser::new(&stage);
    let mut tries = 0;
    let page = loop {
        let page = guesser.sign_in(&ActivationCode::random().unwrap().expose()).await;
        tries += 1;
        if page.status == StatusCode::TOO_MANY_REQUESTS {
            break page;
        }
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    };
    assert_eq!(tries, 31);
    assert_eq!(page.headers[header::RETRY_AFTER], "900");
    // The right code tells a guesser nothing while it has to wait.
    let page = guesser.sign_in(&sold.activation_code.expose()).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    stage.later(SignedDuration::from_mins(15));
    assert_eq!(guesser.sign_in(&sold.activation_code.expose()).await.location(), "/subscription");
}

#[tokio::test]
async fn one_wrong_code_tried_again_and_again_waits_sooner() {
    let stage = Stage::new();
    let code = ActivationCode::random().unwrap().expose();
    let mut browser = Browser::new(&stage);
    for _ in 0..10 {
        assert_eq!(browser.sign_in(&code).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(browser.sign_in(&code).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn one_code_signs_in_so_often_from_one_address_and_is_signed_in_so_often_at_once() {
    let stage = Stage::new();
    let sold = stage.sell();
    let code = sold.activation_code.expose();
    let first = Browser::signed_in(&stage, &sold).await;
    // Another browser at the same portal.
    let signed_in = async |sold: &str| {
        let mut other = first.clone();
        other.cookies.clear();
        let page = other.sign_in(sold).await;
        (other, page)
    };
    for n in 0..32 {
        stage.later(jiff::SignedDuration::from_mins(5));
        let (mut last, _) = signed_in(&code).await;
        assert_eq!(last.get("/subscription").await.status, StatusCode::OK);
        let is_signed_in = first.clone().get("/subscription").await.status == StatusCode::OK;
        assert_eq!(is_signed_in, n < 31);
    }
    // In a quarter of an hour.
    stage.later(jiff::SignedDuration::from_hours(1));
    let entered = stage.events().len();
    for n in 0..40 {
        let (_, page) = signed_in(&code).await;
        if n < 30 {
            assert_eq!(page.status, StatusCode::SEE_OTHER);
        } else {
            assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
            page.has(&["signed in from your address too often", "Try again in 15 minutes"]);
        }
    }
    assert_eq!(stage.events().len() - entered, 30);
    // By the code of another subscription one may still sign in from there.
    let (_, page) = signed_in(&stage.sell().activation_code.expose()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
}

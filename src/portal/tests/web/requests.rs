//! Requests that are carried to the pages, and what may be wrong with them.

use super::{
    super::stage::{Agent, PRODUCT, Stage},
    Browser, Page,
};
use crate::license::{
    Activation, MAX_DOCUMENT, OpenedAnswer, Outcome, Purpose, RequestClaims, RequestKind,
    open_answer, sign_request,
};
use crate::portal::domain::Subscription;
use axum::http::{StatusCode, header};

/// Uploads a request, and downloads its answer.
async fn carry(
    browser: &mut Browser,
    stage: &Stage,
    agent: &Agent,
    claims: &RequestClaims,
) -> OpenedAnswer {
    let page =
        browser.upload("/requests", sign_request(claims, &agent.key).unwrap().as_bytes()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert_eq!(page.location(), format!("/answers/{}", claims.jti));
    browser.get(page.location()).await.has(&["Download the answer"]);
    let file = browser.get(&format!("{}/answer.jwt", page.location())).await;
    let disposition = file.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"answer.jws\"");
    open_answer(file.text.trim(), PRODUCT, &stage.roots(), None).unwrap()
}

async fn refused(browser: &mut Browser, agent: &Agent, claims: &RequestClaims) -> Page {
    let request = sign_request(claims, &agent.key).unwrap();
    browser.upload("/requests", request.as_bytes()).await
}

#[tokio::test]
async fn a_license_lives_by_courier_alone() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let mut agent = Agent::new("a", Purpose::Production);
    let activation = agent.activation(&sold.activation_code);
    let answer = carry(&mut browser, &stage, &agent, &activation).await;
    agent.settle(&answer);
    let page = format!("/environments/{}", agent.id.unwrap());
    browser.get(&page).await.has(&["Site a", "Not confirmed yet", &agent.serial.to_string()]);

    let refresh = agent.request(RequestKind::Refresh);
    let answer = carry(&mut browser, &stage, &agent, &refresh).await;
    assert!(matches!(answer.outcome, Outcome::NothingNew { .. }));
    agent.settle(&answer);
    browser.get(&page).await.has(&["Installed: the controller had it on 1 March 2026"]);

    // The license alone, as a server takes it that has neither license nor trust document.
    let file = browser.get(&format!("{page}/license.jwt")).await;
    assert!(file.text.contains(agent.held.as_ref().unwrap()));

    let answer = carry(&mut browser, &stage, &agent, &agent.request(RequestKind::Release)).await;
    assert!(matches!(answer.outcome, Outcome::Released { .. }));
    browser.get(&page).await.has(&["released"]);
    let history = browser.get("/history").await;
    history.has(&[
        "An environment was activated",
        "A license was issued",
        "An environment was released",
        "the server",
    ]);
}

#[tokio::test]
async fn the_same_file_gets_the_same_answer() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let agent = Agent::new("a", Purpose::Production);
    let claims = agent.activation(&sold.activation_code);
    let first = carry(&mut browser, &stage, &agent, &claims).await;
    let again = carry(&mut browser, &stage, &agent, &claims).await;
    assert_eq!(first.license.unwrap().text(), again.license.unwrap().text());
    assert_eq!(stage.portal.environments(None).unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_of_another_subscription_is_unknown_whatever_it_is() {
    let stage = Stage::new();
    let (own, other) = (stage.sell(), stage.sell());
    let mut agent = Agent::new("a", Purpose::Production);
    let activation = agent.activation(&other.activation_code);
    let mut browser = Browser::signed_in(&stage, &own).await;
    let before = stage.events();
    // New, or of a code that nobody has.
    let nobody = crate::codes::ActivationCode::random().unwrap();
    let mut pages = vec![refused(&mut browser, &agent, &activation).await];
    pages.push(refused(&mut browser, &agent, &agent.activation(&nobody)).await);
    // Answered elsewhere already: its answer is not for this customer.
    agent.send(&stage, &activation).unwrap();
    pages.push(refused(&mut browser, &agent, &activation).await);
    pages.push(refused(&mut browser, &agent, &agent.request(RequestKind::Refresh)).await);
    pages.push(refused(&mut browser, &agent, &agent.request(RequestKind::Release)).await);
    for page in &pages {
        page.gives_back("/requests", "file");
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert_eq!(page.text, pages[0].text, "one answer for all of them");
        page.lacks(&["ACME", &other.id.to_string()]);
    }
    assert_eq!(
        browser.get(&format!("/answers/{}", activation.jti)).await.status,
        StatusCode::NOT_FOUND
    );
    let page = format!("/environments/{}", agent.id.unwrap());
    for path in [page.clone(), format!("{page}/license.jwt")] {
        assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    for (act, fields) in [
        ("release", vec![("reason", "mine")]),
        ("rebind-code", vec![]),
        ("survivor", vec![("branch", "00000000-0000-0000-0000-000000000000")]),
    ] {
        let page = browser.post_from("/requests", &format!("{page}/{act}"), &fields).await;
        page.has(&["There is nothing here"]);
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{act}");
    }
    let of_agent = ["environment-activated", "license-issued"];
    let after: Vec<_> =
        stage.events().into_iter().filter(|e| !of_agent.contains(&e.as_str())).collect();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_forged_request_changes_nothing() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    let mut agent = Agent::new("a", Purpose::Production);
    agent.activate(&stage, &sold.activation_code).unwrap();
    let thief = Agent::new("b", Purpose::Production);
    let before = stage.events();
    let refresh = agent.request(RequestKind::Refresh);
    let forged = sign_request(&refresh, &thief.key).unwrap();
    let sound = sign_request(&refresh, &agent.key).unwrap();
    let cut = &sound[..sound.len() - 4];
    for file in [
        forged.as_bytes(),
        cut.as_bytes(),
        b"garbage",
        &[0xff, 0xfe, 0x00],
        b"<script>alert(1)</script>",
    ] {
        let page = browser.upload("/requests", file).await;
        assert!(page.status.is_client_error(), "{}", page.status);
        page.gives_back("/requests", "file");
        page.lacks(&["<script>"]);
    }
    // A wrong proof of the own code.
    let mut wrong = thief.activation(&sold.activation_code);
    wrong.activation =
        Some(Activation::new(&sold.activation_code, refresh.jti, &thief.key.public()));
    assert!(refused(&mut browser, &thief, &wrong).await.status.is_client_error());
    assert_eq!(stage.events(), before);
    assert_eq!(browser.upload("/requests", b"").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_file_of_any_size_takes_no_memory() {
    let stage = Stage::new();
    let sold = stage.sell();
    let mut browser = Browser::signed_in(&stage, &sold).await;
    for size in [MAX_DOCUMENT + (17 << 10), 100 << 20] {
        let page = browser.upload("/requests", &vec![b'a'; size]).await;
        assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
        page.gives_back("/requests", "file");
        page.has(&["The file is too large"]);
    }
    // Nothing of a body is read for somebody who is not signed in.
    let mut stranger = Browser::new(&stage);
    let body = axum::body::Body::from_stream(futures_util::stream::pending::<
        Result<Vec<u8>, std::io::Error>,
    >());
    let kind = "multipart/form-data; boundary=edge";
    let page = stranger.send(axum::http::Method::POST, "/requests", kind, body).await;
    assert_eq!(page.location(), "/");
}

#[tokio::test]
async fn of_two_that_want_the_last_slot_at_once_one_gets_it() {
    let stage = Stage::new();
    let sold: Subscription = stage.sell();
    let browser = Browser::signed_in(&stage, &sold).await;
    let agents: Vec<_> = (0..6).map(|n| Agent::new(&format!("{n}"), Purpose::Production)).collect();
    let mut uploads = tokio::task::JoinSet::new();
    for agent in &agents {
        let request = sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap();
        let mut browser = browser.clone();
        uploads.spawn(async move { browser.upload("/requests", request.as_bytes()).await });
    }
    let pages = uploads.join_all().await;
    let answered = pages.iter().filter(|page| page.status == StatusCode::SEE_OTHER).count();
    assert_eq!(answered, 1);
    for page in pages.iter().filter(|page| page.status != StatusCode::SEE_OTHER) {
        assert_eq!(page.status, StatusCode::CONFLICT);
        page.has(&["No environment of this purpose is free"]);
    }
}

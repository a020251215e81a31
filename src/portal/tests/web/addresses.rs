//! Addresses that are none of a page, and what a person gets there: a page, or the way to one.

use super::{
    super::{
        access::{PASSWORD, operator},
        stage::Stage,
    },
    Browser,
};
use crate::portal::access::Role;
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use std::{collections::BTreeSet, path::Path};
use uuid::Uuid;

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// One in which a customer and an operator are signed in, and that says that it shows pages.
async fn browser(stage: &Stage) -> Browser {
    let sold = stage.sell();
    operator(stage, "alice", Role::Admin);
    let mut browser = Browser::signed_in(stage, &sold).await;
    let fields = [("name", "alice"), ("password", PASSWORD)];
    browser.post_from("/vendor/", "/vendor/sign-in", &fields).await;
    browser.headers.push((HTML.0, HTML.1.to_owned()));
    browser
}

/// Each template of pages, with its name.
fn templates() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portal/web/templates");
    let files =
        ["customer", "vendor", "."].map(|side| std::fs::read_dir(folder.join(side)).unwrap());
    let paths =
        files.into_iter().flatten().map(|file| file.unwrap().path()).filter(|p| p.is_file());
    paths.map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Where the forms of all templates are sent, with an id that nothing has in the place of each.
fn targets() -> BTreeSet<String> {
    let mut all: BTreeSet<String> =
        ["/sign-out", "/vendor/sign-out", "/requests", "/usage-reports", "/vendor/keys/trust"]
            .map(str::to_owned)
            .into();
    for (_, text) in templates() {
        let actions = text.split(" action=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        all.extend(actions.filter_map(|(action, _)| filled_in(action)));
    }
    all
}

/// An address of a template, where it is one and not put together elsewhere.
fn filled_in(action: &str) -> Option<String> {
    if !action.starts_with('/') || action.contains("{%") {
        return None;
    }
    let mut parts = action.split("{{");
    let mut filled = parts.next()?.to_owned();
    for part in parts {
        filled += &Uuid::nil().to_string();
        filled += part.split_once("}}")?.1;
    }
    Some(filled)
}

#[tokio::test]
async fn where_a_form_is_sent_to_leads_to_a_page() {
    let stage = Stage::new();
    let mut browser = browser(&stage).await;
    let targets = targets();
    assert!(targets.len() > 25, "{targets:?}");
    for target in targets {
        let mut page = browser.get(&target).await;
        let mut steps = 0;
        while page.status == StatusCode::SEE_OTHER && steps < 3 {
            let next = page.location().to_owned();
            assert!(next.starts_with('/') && !next.starts_with("//"), "{target}: {next}");
            page = browser.get(&next).await;
            steps += 1;
        }
        assert!(matches!(page.status.as_u16(), 200 | 404), "{target}: {}", page.status);
        page.has(&["<h1>"]);
    }
    for (address, page) in [
        ("/vendor", "/vendor/"),
        ("/sign-in", "/"),
        ("/vendor/sign-in", "/vendor/"),
        ("/vendor/keys/rotate", "/vendor/keys"),
        ("/environments/1/rebind-code", "/environments/1"),
    ] {
        assert_eq!(browser.get(address).await.location(), page, "{address}");
    }
}

#[tokio::test]
async fn a_method_that_does_not_fit_is_told_to_a_person_by_a_page() {
    let stage = Stage::new();
    let mut browser = browser(&stage).await;
    let page = browser.send(Method::DELETE, "/subscription", "", Body::empty()).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    page.has(&["<h1>Nothing can be sent here</h1>", "href=\"/history\""]);
    browser.headers.clear();
    let problem = browser.send(Method::DELETE, "/subscription", "", Body::empty()).await;
    assert_eq!(problem.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(problem.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn a_refusal_leads_back_to_the_pages_of_whoever_asked() {
    let stage = Stage::new();
    let mut browser = browser(&stage).await;
    let [customer, vendor] = ["href=\"/history\"", "href=\"/vendor/keys\""];
    let missing = format!("/vendor/subscriptions/{}", Uuid::nil());
    for (path, has, lacks, start) in [
        ("/nothing", customer, vendor, "<a href=\"/\">"),
        ("/environments/x", customer, vendor, "<a href=\"/\">"),
        ("/vendor/nothing", vendor, customer, "<a href=\"/vendor/\">"),
        (&missing, vendor, customer, "<a href=\"/vendor/\">"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        page.has(&["<title>Error: There is nothing here", has, start, "Sign out"]);
        page.lacks(&[lacks]);
        // And nothing of anybody's to a stranger.
        let mut stranger = Browser::new(&stage);
        stranger.headers.clone_from(&browser.headers);
        let page = stranger.get(path).await;
        page.lacks(&[customer, vendor, "Sign out"]);
        let is_page = page.status == StatusCode::SEE_OTHER || page.text.contains(start);
        assert!(is_page, "{}", page.text);
    }
    let foreign = browser.post_with("x", "/vendor/keys", &[]).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    foreign.has(&["form-foreign", vendor, "<a href=\"/vendor/\">"]);

    // The portal's own fault: whom to ask is another one for the vendor.
    let connection = rusqlite::Connection::open(stage.path("portal.db")).unwrap();
    connection.execute_batch("ALTER TABLE environments RENAME TO elsewhere").unwrap();
    let page = browser.get("/subscription").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    page.has(&["ask your vendor", customer]);
    let page = browser.get(&format!("/vendor/environments/{}", Uuid::nil())).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    page.has(&["the portal's log says why", vendor]);
    page.lacks(&["your vendor"]);
}

/// On a narrow screen a table scrolls, and stays one to who hears it; the keyboard gets at all of it.
#[test]
fn each_table_scrolls_in_a_region_that_has_its_name_and_takes_the_focus() {
    let opens = "<div class=\"scrolls\" role=\"region\" tabindex=\"0\" aria-labelledby=\"";
    let mut tables = 0;
    for (name, text) in templates() {
        for (at, _) in text.match_indices("<table>") {
            let (_, region) = text[..at].rsplit_once(opens).expect(&name);
            let id = region.split_once('"').unwrap().0;
            assert!(region.ends_with("\">\n"), "{name}: {region}");
            let caption = format!("<table>\n<caption id=\"{id}\">");
            assert_eq!(text.matches(&caption).count(), 1, "{name}: {id}");
            tables += 1;
        }
        assert_eq!(text.matches("<table").count(), text.matches(opens).count(), "{name}");
    }
    assert!(tables >= 12, "{tables}");
}

//! Whatever text comes in a search, a form, an address or a body: it is taken or refused, and the portal never fails over it.

use super::{databases::Database, pages::Browser};
use crate::stage::{Server, Vendor};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use std::{fs, io::Write};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery";

/// Texts of what a database, a page or a document may stumble over.
fn hostile() -> impl Strategy<Value = String> {
    let parts = vec![
        "\0",
        "\u{1}",
        "\n",
        "\r",
        "\t",
        "\u{7f}",
        "\u{85}",
        "\u{202e}",
        "\u{ffff}",
        "\u{10ffff}",
        "'",
        "\"",
        "\\",
        "%",
        "_",
        "$1",
        "?1",
        "<b>",
        "a",
        "=1",
        "@b.example",
        ":hard",
        " ",
    ];
    prop::collection::vec(prop::sample::select(parts), 1..5).prop_map(|parts| parts.concat())
}

/// As an address or a form has it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}

/// The vendor's API.
struct Program<'a> {
    server: &'a Server,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    token: String,
}

impl Program<'_> {
    fn send(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> (u16, String) {
        let method = method.parse().unwrap();
        let url = format!("{}/v1/vendor{path}", self.server.url);
        let request = self.client.request(method, url).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        };
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    }
}

/// Everything of the API that takes a text.
fn ask_api(program: &Program<'_>, subscription: &str, text: &str) {
    let (query, id) = (encoded(text), Uuid::nil());
    for name in
        ["customer", "edition", "standing", "serial_number", "activation_id", "cursor", "limit"]
    {
        fits(program.send("GET", &format!("/subscriptions?{name}={query}"), None), name);
    }
    for name in ["subscription", "event", "actor", "cursor", "limit", "other"] {
        fits(program.send("GET", &format!("/audit?{name}={query}"), None), name);
    }
    for path in
        ["/environments?cursor=", "/subscriptions/", "/environments/", "/releases/", "/export/"]
    {
        fits(program.send("GET", &format!("{path}{query}"), None), path);
    }
    let end = "2099-01-01T00:00:00Z";
    for terms in [
        json!({ "ends_at": end, "edition": text }),
        json!({ "ends_at": end, "support_level": text }),
        json!({ "ends_at": end, "features": { text: text } }),
        json!({ "ends_at": end, "limits": { text: { "value": 1, "enforcement": "soft" } } }),
        json!({ "ends_at": text }),
    ] {
        let sold = json!({ "customer": "ACME", "terms": terms });
        fits(program.send("POST", "/subscriptions", Some(&sold)), "create");
        let changed = json!({ "terms": terms });
        let path = format!("/subscriptions/{subscription}");
        fits(program.send("PATCH", &path, Some(&changed)), "change");
    }
    for (path, body) in [
        ("/subscriptions".to_owned(), json!({ "customer": text, "terms": { "ends_at": end } })),
        (format!("/subscriptions/{subscription}/revoke"), json!({ "reason": text })),
        (format!("/subscriptions/{subscription}/renew"), json!({ "ends_at": text })),
        (format!("/releases/{id}/refuse"), json!({ "reason": text })),
        (format!("/environments/{id}/approve-rebind"), json!({ "key": text })),
        (format!("/environments/{id}/survivor"), json!({ "last_request": text })),
        (format!("/environments/{id}/rebind-code"), json!({ text: text })),
    ] {
        fits(program.send("POST", &path, Some(&body)), &path);
    }
}

/// Each page that takes a text, as an administrator and as a visitor.
fn ask_pages(browser: &mut Browser<'_>, text: &str) {
    let text = &encoded(text);
    for name in ["customer", "edition", "serial", "standing", "before"] {
        page_fits(browser.get(&format!("/vendor/subscriptions?{name}={text}")).status, name);
    }
    for name in ["event", "actor", "subscription", "before"] {
        page_fits(browser.get(&format!("/vendor/audit?{name}={text}")).status, name);
    }
    for path in ["/vendor/subscriptions/", "/vendor/environments/", "/answers/", "/", "/?done="] {
        page_fits(browser.get(&format!("{path}{text}")).status, path);
    }
    let token = browser.token("/vendor/subscriptions");
    let trust = "/vendor/keys/trust".to_owned();
    for (path, form) in [
        ("/vendor/subscriptions".to_owned(), format!("code={text}")),
        (
            "/vendor/subscriptions/new".to_owned(),
            format!("customer={text}&edition={text}&features={text}"),
        ),
        (
            "/vendor/subscriptions/new".to_owned(),
            format!("customer=a&ends_at={text}&limits={text}&rebind={text}"),
        ),
        (
            "/vendor/operators".to_owned(),
            format!("name={text}&role=admin&password={PASSWORD}&again={PASSWORD}"),
        ),
        (
            "/vendor/operators".to_owned(),
            format!("name=x&role={text}&password={text}&again={text}"),
        ),
        (format!("/vendor/operators/{text}"), "act=disable".to_owned()),
        (format!("/vendor/operators/{text}"), "act=enable".to_owned()),
        ("/vendor/operators/bob".to_owned(), format!("act={text}")),
        ("/vendor/tokens".to_owned(), format!("name={text}&days=1&scopes=audit:read")),
        ("/vendor/tokens".to_owned(), format!("name=y&days={text}&scopes={text}")),
        (format!("/vendor/tokens/{text}/revoke"), String::new()),
        ("/vendor/webhooks".to_owned(), format!("url={text}&events={text}")),
        ("/vendor/webhooks".to_owned(), format!("url=https://crm.example/{text}")),
        (format!("/vendor/webhooks/{text}/remove"), String::new()),
        (format!("/vendor/approvals/{}/refuse", Uuid::nil()), format!("reason={text}")),
        ("/vendor/approvals/rebind".to_owned(), format!("environment={text}&key={text}")),
        (trust, format!("document={text}&trust={text}")),
    ] {
        let page = browser.post_with(&token, &path, &form);
        page_fits(page.status, &path);
    }
}

/// What somebody sends who is not signed in.
fn ask_as_visitor(browser: &mut Browser<'_>, text: &str) {
    let text = &encoded(text);
    let token = browser.token("/");
    for (path, form) in [
        ("/sign-in", format!("code={text}")),
        ("/vendor/sign-in", format!("name={text}&password={text}")),
        ("/trial", format!("company={text}&email=jo@b.example")),
        ("/trial", format!("company=ACME&email={text}")),
    ] {
        page_fits(browser.post_with(&token, path, &form).status, path);
    }
}

#[track_caller]
fn fits((status, text): (u16, String), what: &str) {
    assert!(status < 500 && status != 401, "{what}: {status} {text}");
}

#[track_caller]
fn page_fits(status: u16, what: &str) {
    assert!(status < 500, "{what}: {status}");
}

fn no_text_makes_it_fail(vendor: &Vendor, cases: u32) {
    let server = vendor.serve();
    let (id, _) = vendor.sell();
    vendor.json(&["trial", "set", "--days", "30"]);
    let password = vendor.path("password");
    fs::File::create(&password).unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    for name in ["alice", "bob"] {
        let file = password.to_str().unwrap();
        vendor.json(&["operator", "add", name, "--role", "admin", "--password-file", file]);
    }
    let scopes = [
        "subscriptions:read",
        "subscriptions:write",
        "environments:read",
        "environments:assist",
        "audit:read",
    ];
    let mut create = vec!["token", "create", "crm"];
    create.extend(scopes.iter().flat_map(|scope| ["--scope", *scope]));
    let token = vendor.json(&create)["token"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let program = Program { server: &server, client: reqwest::Client::new(), runtime, token };
    let mut admin = Browser::new(&server);
    let form = format!("name=alice&password={}", encoded(PASSWORD));
    let signed_in = admin.post("/vendor/", "/vendor/sign-in", &form);
    assert_eq!(signed_in.location, "/vendor/subscriptions", "{}", signed_in.text);
    let mut visitor = Browser::new(&server);
    let asked = std::cell::RefCell::new((&mut admin, &mut visitor));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let all = TestRunner::new(config).run(&hostile(), |text| {
        let (admin, visitor) = &mut *asked.borrow_mut();
        ask_api(&program, &id, &text);
        ask_pages(admin, &text);
        ask_as_visitor(visitor, &text);
        Ok(())
    });
    all.unwrap();
    ask_api(&program, &id, "\0");
    ask_pages(&mut admin, "\0");
    let log = fs::read_to_string(vendor.path("serve.log")).unwrap();
    assert!(!log.contains("could not be answered") && !log.contains("could not be made"), "{log}");
}

#[test]
fn no_text_makes_the_portal_fail() {
    no_text_makes_it_fail(&Vendor::new(), 6);
}

#[test]
#[ignore = "it needs a server: tests/postgres/run"]
fn postgres_no_text_makes_the_portal_fail() {
    let database = Database::new();
    no_text_makes_it_fail(&Vendor::on(&database.url), 12);
}

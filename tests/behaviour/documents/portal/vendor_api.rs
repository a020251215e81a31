//! docs/vendor-api.md, from the token to the change of terms.

use super::super::{Desk, blocks};
use crate::stage::Vendor;
use std::path::Path;

const PAGE: &str = include_str!("../../../../docs/vendor-api.md");

#[test]
#[ignore = "needs curl and jq"]
fn documents_of_the_vendors_api_are_sent_by_curl_as_their_page_says() {
    let vendor = Vendor::new();
    vendor.sell();
    let server = vendor.serve();
    let desk = Desk::new(&vendor, vendor.path("desk"));
    let page = blocks(PAGE);
    assert_eq!(page.concat().iter().filter(|line| line.contains("curl ")).count(), 4, "{page:#?}");
    // One session of a shell; the page's days come.
    let script = page
        .concat()
        .join("\n")
        .replace("2027-12-01", "2198-12-01")
        .replace("2028-12-01", "2199-12-01");
    let script = format!(
        "set -eu; PORTAL='{}'\n{}",
        server.url,
        script.replace("curl -s ", "curl -sS --fail-with-body ")
    );
    let said = desk.run(&script, Path::new("/nonexistent"), "").out;
    assert!(!said.contains("urn:entitled:problem"), "{said}");

    let sold = vendor.json(&["subscription", "list"]);
    let sold =
        sold.as_array().unwrap().iter().find(|sold| sold["edition"] == "enterprise").unwrap();
    assert!(sold["ends_at"].as_str().unwrap().starts_with("2199"), "{sold:#}");
    assert_eq!(sold["features"], serde_json::json!({ "reports": true }), "{sold:#}");
    assert_eq!(sold["limits"]["users"]["limit"], 1000, "{sold:#}");
}

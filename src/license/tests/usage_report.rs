//! The usage report: a page and a document that say the same.

use super::samples::*;
use crate::license::*;

fn document(claims: &UsageClaims) -> String {
    sign(claims, &environment()).unwrap()
}

fn verified(text: &str) -> Result<UsageClaims, DocumentError> {
    verify_usage(text, None, &roots(), None).map(|verified| verified.claims().clone())
}

#[test]
fn the_page_reads_as_it_always_did() {
    let claims = usage_claims();
    let page = usage_page(&claims, "aaaa.bbbb.cccc");
    let expected = format!(
        "Usage report\n\n\
         Environment     {} ({})\n\
         Environment id  {}\n\
         Serial Number   {}\n\
         Product         {PRODUCT}\n\
         Made at         2026-06-02T00:00:00Z\n\
         Days (UTC)      2026-06-01 to 2026-06-01\n\n\
         DAY         PEAK          OF            AT        LIMIT\n\
         2026-06-01  812           1000          14:00:00  users (soft)\n\n\
         What stands above is signed below: `entitlectl usage verify FILE` compares the two.\n\n\
         -----BEGIN ENTITLED USAGE REPORT-----\naaaa.bbbb.cccc\n-----END ENTITLED USAGE REPORT-----\n",
        claims.environment.name, claims.environment.purpose, claims.environment.id, claims.iss
    );
    assert_eq!(page, expected);
    let nothing = UsageClaims { peaks: Vec::new(), ..usage_claims() };
    assert!(usage_page(&nothing, "").contains("nothing was reported on these days"));
}

#[test]
fn each_line_of_the_page_is_held_against_the_document() {
    let claims = usage_claims();
    let page = usage_page(&claims, &document(&claims));
    assert_eq!(verified(&page), Ok(claims));
    let end = page.lines().position(|line| line.starts_with("-----BEGIN")).unwrap();
    for changed in 0..end {
        let lines: Vec<String> = (page.lines().enumerate())
            .map(|(n, line)| if n == changed { format!("{line}1") } else { line.to_owned() })
            .collect();
        assert_eq!(verified(&lines.join("\n")), Err(DocumentError::UsagePage), "line {changed}");
    }
    // A second table behind the signed one is none of the page's.
    for more in [format!("{page}2026-06-01  1\n"), format!("see below\n{page}")] {
        assert_eq!(verified(&more), Err(DocumentError::UsagePage));
    }
}

#[test]
fn who_signed_it_and_for_whom_is_checked_from_the_roots_down() {
    let claims = usage_claims();
    let by_another = sign(&claims, &stranger()).unwrap();
    assert!(verified(&usage_page(&claims, &by_another)).is_err());
    let of_another = UsageClaims { aud: "other".to_owned(), ..usage_claims() };
    assert!(verified(&document(&of_another)).is_err());
    let text = document(&claims);
    assert!(verify_usage(&text, None, &Roots::none(), None).is_err());
    let as_license = verify_license(&text, PRODUCT, &trust()).unwrap_err();
    assert_eq!(as_license.code(), "document-type");
    assert_eq!(verified(&license()).unwrap_err().code(), "document-type");
    // What a name might do to the page of whoever reads it.
    let mut odd = usage_claims();
    odd.environment.name = "a\n-----BEGIN ENTITLED USAGE REPORT-----\n\u{1b}[2J".to_owned();
    let page = usage_page(&odd, &document(&odd));
    assert!(!page.contains('\u{1b}'), "{page}");
    assert!(verified(&document(&odd)).is_ok() && verified(&page).is_ok(), "{page}");
}

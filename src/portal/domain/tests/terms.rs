//! What terms are refused.

use crate::portal::domain::{RebindPolicy, Subscription, Terms, TermsError};
use jiff::Timestamp;
use serde_json::json;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn sound() -> Terms {
    Terms::new("standard", "gold", at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))
}

#[test]
fn grace_is_counted_from_the_end() {
    let mut terms = sound();
    assert_eq!(terms.grace_ends_at(), at("2027-01-31T00:00:00Z"));
    terms.grace_days = 0;
    assert_eq!(terms.grace_ends_at(), terms.ends_at);
    assert!(!terms.ended(at("2026-12-31T23:59:59Z")));
    assert!(terms.ended(at("2027-01-01T00:00:00Z")));
}

#[test]
fn an_end_at_the_end_of_time_does_no_harm() {
    let mut terms = sound();
    terms.ends_at = Timestamp::MAX;
    assert_eq!(terms.grace_ends_at(), Timestamp::MAX);
}

#[test]
fn each_fault_is_named() {
    let fault = |edit: fn(&mut Terms)| {
        let mut terms = sound();
        edit(&mut terms);
        terms.check().map_err(|e| e.code())
    };
    assert_eq!(fault(|_| ()), Ok(()));
    assert_eq!(fault(|t| t.edition = " ".into()), Err("terms-name"));
    assert_eq!(fault(|t| t.support_level = "a\nb".into()), Err("terms-name"));
    assert_eq!(fault(|t| t.edition = "x".repeat(201)), Err("terms-name"));
    assert_eq!(fault(|t| t.ends_at = t.starts_at), Err("terms-term"));
    assert_eq!(fault(|t| t.grace_days = 3_651), Err("terms-grace"));
    assert_eq!(fault(|t| t.check_in_days = Some(0)), Err("terms-check-in"));
    assert_eq!(fault(|t| drop(t.features.insert("a".into(), json!([1])))), Err("terms-feature"));
    assert_eq!(fault(|t| drop(t.features.insert(String::new(), json!(1)))), Err("terms-name"));
    let refused = Subscription::check_customer("");
    assert!(matches!(refused, Err(TermsError::Name { what: "customer's name", .. })));
}

#[test]
fn terms_come_back_from_json_as_they_were() {
    let mut terms = sound();
    terms.features.insert("sso".into(), json!(true));
    terms.check_in_days = Some(7);
    let text = serde_json::to_string(&terms).unwrap();
    assert_eq!(serde_json::from_str::<Terms>(&text).unwrap(), terms);
}

#[test]
fn terms_that_an_older_portal_stored_have_the_usual_policies() {
    let mut stored = serde_json::to_value(sound()).unwrap();
    for newer in ["rebind", "allow_serial_only", "offline_releases_a_year"] {
        stored.as_object_mut().unwrap().remove(newer).unwrap();
    }
    assert_eq!(serde_json::from_value::<Terms>(stored).unwrap(), sound());
    assert_eq!(sound().rebind, RebindPolicy::Code);
    for policy in [RebindPolicy::Free, RebindPolicy::Code, RebindPolicy::Approval] {
        assert_eq!(policy.as_str().parse(), Ok(policy));
        assert_eq!(serde_json::to_value(policy).unwrap(), policy.as_str());
    }
    assert!("maybe".parse::<RebindPolicy>().is_err());
}

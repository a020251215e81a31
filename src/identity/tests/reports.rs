//! What is stored, shown and sent.

use super::captured::{docker, kvm, micro_vm, secret, server, start};
use crate::identity::{Enrolled, Group, HardwareReport, LocalSecret, Survey, Verdict, judge};
use jiff::SignedDuration;

/// Whether any raw identifier of the survey is in a text.
fn leaks(text: &str, survey: &Survey) -> bool {
    let raw = survey.facts().iter().filter_map(|fact| fact.value());
    let text = text.to_lowercase();
    raw.map(crate::identity::Canonical::expose_raw).any(|raw| text.contains(raw))
}

#[test]
fn nothing_raw_is_stored_shown_or_sent() {
    let survey = server().survey();
    let code = crate::codes::ActivationCode::from_content(&[7; 16]);
    let report = HardwareReport::new(&survey, Some(&server().enroll()), &secret(), start());
    for text in [
        serde_json::to_string(&server().enroll()).unwrap(),
        serde_json::to_string(&survey.digested(&secret())).unwrap(),
        serde_json::to_string(&survey.portal_facts(&code)).unwrap(),
        serde_json::to_string(&report).unwrap(),
        format!("{survey:?} {report:?}"),
    ] {
        assert!(!leaks(&text, &survey), "{text}");
    }
    let raw = serde_json::to_string(&report.with_raw(&survey, &secret())).unwrap();
    assert!(leaks(&raw, &survey));
}

#[test]
fn digests_depend_on_the_key_and_on_the_source() {
    let survey = server().survey();
    let one = survey.digested(&secret());
    let other = survey.digested(&LocalSecret::from_bytes([8; 32]));
    for (a, b) in one.facts.iter().zip(&other.facts) {
        assert!(a.digest != b.digest || a.digest.is_none());
    }
    assert_ne!(LocalSecret::random().unwrap().expose(), LocalSecret::random().unwrap().expose());
}

#[test]
fn a_report_is_read_back_and_judged_again() {
    let changed = kvm().replace_nic("ens3", "52:54:00:00:00:09");
    let enrolled = kvm().enroll();
    let report = HardwareReport::new(&changed.survey(), Some(&enrolled), &secret(), start());
    assert_eq!((report.verdict, report.score), (Some(Verdict::Drifted), Some(68)));
    let json = serde_json::to_string_pretty(&report).unwrap();
    let read: HardwareReport = serde_json::from_str(&json).unwrap();
    assert_eq!(read, report);
    let judgement = read.judge(read.enrolled.as_ref().unwrap(), start());
    let original = judge(&enrolled, &changed.survey(), &secret(), start());
    assert_eq!(judgement.facts, original.facts);
    assert_eq!((judgement.verdict, judgement.score), (original.verdict, original.score));
}

#[test]
fn a_report_names_the_number_kept_or_the_one_that_would_be_made() {
    let enrolled = kvm().enroll();
    let number = |tree: &super::captured::Tree| {
        HardwareReport::new(&tree.survey(), Some(&enrolled), &secret(), start()).serial_number
    };
    assert_eq!(number(&kvm()), Some(enrolled.serial_number));
    let other = server().survey().mint().unwrap().serial_number;
    assert_eq!(number(&server()), Some(other));
    assert_eq!(number(&docker()), None);
}

#[test]
fn a_report_without_evidence_says_why() {
    let report = HardwareReport::new(&micro_vm().survey(), None, &secret(), start());
    assert_eq!((report.serial_number, report.verdict), (None, None));
    assert!(report.problem.unwrap().contains("/etc/entitled/entitled.toml"));
    let json = serde_json::to_value(&report.facts).unwrap();
    let mac = json.as_array().unwrap().iter().find(|f| f["source"] == "permanent-mac").unwrap();
    assert_eq!((&mac["group"], &mac["state"]), (&"N".into(), &"placeholder".into()));
    assert_eq!((&mac["result"], &mac["digest"]), (&"nothing".into(), &serde_json::Value::Null));
}

#[test]
fn every_unreadable_fact_is_in_the_report() {
    let tree = server().file("/sys/class/net/eno2/addr_assign_type", "3\n");
    let report = HardwareReport::new(&tree.survey(), Some(&server().enroll()), &secret(), start());
    assert!(
        report.facts.iter().any(|f| f.comparison.place == "eno2" && f.comparison.why.is_some())
    );
}

#[test]
fn an_identity_that_version_0_stored_is_kept() {
    // Never change this file: it is what agents in the field have stored.
    let enrolled: Enrolled = serde_json::from_str(include_str!("enrolled_v0.json")).unwrap();
    assert_eq!(enrolled.algorithm, 0);
    let later = start() + SignedDuration::from_hours(24 * 365);
    let judgement = judge(&enrolled, &server().survey(), &secret(), later);
    assert_eq!((judgement.verdict, judgement.score), (Verdict::Unchanged, 100));
    let again = judgement.reenrolled.unwrap();
    assert_eq!(again.serial_number, enrolled.serial_number);
    let digests = |e: &Enrolled| e.facts.iter().map(|f| (f.source, f.digest)).collect::<Vec<_>>();
    assert_eq!(digests(&again), digests(&enrolled));
    // It was judged by the weights that it was enrolled with, and what is stored now has those of this version.
    let weights = |e: &Enrolled| e.facts.iter().map(|f| f.weight).max();
    assert_eq!((weights(&enrolled), weights(&again)), (Some(40), Some(Group::N.weight())));
    let without = server()
        .replace_nic("eno1", "3c:ec:ef:aa:aa:aa")
        .replace_nic("eno2", "3c:ec:ef:bb:bb:bb")
        .replace_disk("OTHER1234", "naa.5002538e00000001");
    assert_eq!(judge(&enrolled, &without.survey(), &secret(), later).score, 61);
    assert_eq!(judge(&again, &without.survey(), &secret(), later).score, 52);
}

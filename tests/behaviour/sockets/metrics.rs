//! The metrics, read as a collector of OpenMetrics reads them.

use crate::stage::Dev;
use std::collections::{BTreeMap, BTreeSet};

/// Samples by name and labels; all of ours are whole numbers. Panics where the text is not OpenMetrics.
fn parse(text: &str) -> BTreeMap<String, i64> {
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<_> = comment.splitn(3, ' ').collect();
            assert!(matches!(words[0], "HELP" | "TYPE" | "UNIT"), "{line}");
            families.insert(words[1].to_owned());
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let name = sample.split('{').next().unwrap();
        let family =
            ["_total", "_info"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(families.contains(family), "{line} has no family before it");
        assert!(sample.starts_with("entitled_"), "{line}");
        let before = samples.insert(sample.to_owned(), value.parse().unwrap());
        assert_eq!(before, None, "twice: {line}");
    }
    samples
}

#[test]
fn the_metrics_follow_the_status() {
    let dev = Dev::start();
    let answer = dev.socket.get("/metrics");
    assert!(answer.media_type.starts_with("application/openmetrics-text"), "{answer:?}");
    let metrics = parse(&answer.body);
    let status = dev.socket.status();
    assert_eq!(metrics["entitled_entitled"], 1);
    assert_eq!(metrics["entitled_state{state=\"active\"}"], 1);
    assert_eq!(metrics["entitled_state{state=\"grace\"}"], 0);
    assert_eq!(metrics["entitled_generation"], status["generation"].as_i64().unwrap());
    assert_eq!(metrics["entitled_limit{limit=\"users\"}"], 1000);
    let ends_at: jiff::Timestamp = status["license"]["ends_at"].as_str().unwrap().parse().unwrap();
    let end = metrics["entitled_license_term_end_timestamp_seconds"];
    assert_eq!(end, ends_at.as_second());
    let samples = metrics.keys().filter(|name| name.starts_with("entitled_state{"));
    assert_eq!(samples.map(|name| metrics[name]).sum::<i64>(), 1, "one state at a time");

    let answered = "entitled_portal_exchanges_total{result=\"answered\"}";
    let before = metrics[answered];
    dev.ctl.out(&["refresh"]);
    assert_eq!(parse(&dev.socket.get("/metrics").body)[answered], before + 1);
}

#[test]
fn the_metrics_of_a_restricted_license_say_so() {
    let dev = Dev::of(tempfile::tempdir().unwrap(), &["--scenario", "restricted"]);
    let metrics = parse(&dev.socket.get("/metrics").body);
    assert_eq!(metrics["entitled_entitled"], 0);
    assert_eq!(metrics["entitled_state{state=\"restricted\"}"], 1);
}

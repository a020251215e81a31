//! `entitlectl check`, read as a monitor reads it.

use crate::stage::{Ctl, Dev};

/// One line of a plugin: its service, its text, and its performance data.
fn parse(line: &str) -> (&str, &str, Vec<(String, Vec<String>)>) {
    assert_eq!(line.matches('\n').count(), 1, "{line:?}");
    let (text, data) = line.trim_end().split_once(" | ").unwrap_or((line.trim_end(), ""));
    assert!(!text.contains('|'), "{line}");
    let service = text.split(' ').nth(1).unwrap();
    let data = data.split_whitespace().map(|item| {
        let (label, values) = item.split_once('=').unwrap();
        let values: Vec<_> = values.split(';').map(str::to_owned).collect();
        // 'label'=value[UOM];[warn];[crit];[min];[max]
        assert!(!values[0].is_empty() && values.len() <= 5, "{line}");
        assert!(values[0].bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'.'), "{line}");
        (label.trim_matches('\'').to_owned(), values)
    });
    (service, text, data.collect())
}

#[test]
fn each_state_is_one_of_the_four_services() {
    let mut folder = tempfile::tempdir().unwrap();
    for (scenario, code, service) in [
        ("active", 0, "OK"),
        ("expiring", 1, "WARNING"),
        ("grace", 2, "CRITICAL"),
        ("restricted", 2, "CRITICAL"),
        ("unlicensed", 2, "CRITICAL"),
    ] {
        let dev = Dev::of(folder, &["--scenario", scenario]);
        let done = dev.ctl.run(&["check"]);
        let (told, text, _) = parse(&done.out);
        assert_eq!((done.code, told), (code, service), "{done:?}");
        assert!(text.contains(scenario), "{text}");
        assert_eq!(done.err, "");
        (_, folder) = dev.stop();
    }
}

#[test]
fn the_thresholds_are_those_of_the_performance_data() {
    let dev = Dev::of(tempfile::tempdir().unwrap(), &["--scenario", "expiring"]);
    for (warning, critical, code) in
        [("19d", "7d", 0), ("20d", "7d", 1), ("20", "19", 1), ("20d", "20d", 2), ("90d", "60d", 2)]
    {
        let done = dev.ctl.run(&["check", "--warning", warning, "--critical", critical]);
        assert_eq!(done.code, code, "{done:?}");
        let (_, _, data) = parse(&done.out);
        assert_eq!(data[0].0, "days_left");
        let days = |text: &str| text.trim_end_matches('d').to_owned();
        let thresholds = [warning, critical].map(|text| format!("@0:{}", days(text)));
        assert_eq!(data[0].1, ["20", &thresholds[0], &thresholds[1], "0"]);
    }
    let json = dev.ctl.run(&["check", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &told["service"]), (1, &"WARNING".into()));
}

#[test]
fn what_can_not_be_told_is_unknown() {
    let done = Ctl::alone().run(&["check"]);
    let (service, text, data) = parse(&done.out);
    assert_eq!((done.code, service, data.len()), (3, "UNKNOWN", 0), "{done:?}");
    assert!(text.contains("/nonexistent/entitled.sock"), "{text}");
    // A monitor takes 2 for CRITICAL: a command line that can't be used is no news of the license.
    for wrong in [&["check", "-w", "soon"][..], &["check", "-w", "3", "-c", "9"], &["check", "x"]] {
        let done = Ctl::alone().run(wrong);
        assert_eq!(done.code, 3, "{done:?}");
        assert!(done.err.contains("error:"), "{done:?}");
    }
}

//! Serial Numbers from captured trees, without an agent.

use crate::stage::{Captured, Ctl};
use serde_json::Value;
use std::{
    fs::Permissions,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

#[test]
fn a_captured_machine_has_one_serial_number_for_good() {
    let ctl = Ctl::alone();
    let server = Captured::server();
    let serial = ctl.out(&["serial", "--root", server.root()]);
    // The same for all time: a customer's environment hangs on it.
    assert_eq!(serial, "0DV-5CQ-ZF9-MQ4-73D-GKB-R6G-1FR\n");
    assert_eq!(ctl.json(&["serial", "--root", server.root()])["serial_number"], serial.trim());

    server.dmi("bios_version", "2.7");
    server.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Other\nflags\t\t: fpu\n");
    server.dmi("product_uuid", "4C4C4544-0042-3510-8054-B4C04F4A4E32");
    assert_eq!(ctl.out(&["serial", "--root", server.root()]), serial, "the same machine");
    server.dmi("product_uuid", "11111111-2222-3333-4444-555555555555");
    assert_ne!(ctl.out(&["serial", "--root", server.root()]), serial, "another machine");
}

#[test]
fn its_facts_are_shown_in_digests() {
    let server = Captured::server();
    let report = Ctl::alone().json(&["hardware", "--root", server.root()]);
    assert_eq!(report["source"], "smbios-uuid");
    let facts = report["facts"].as_array().unwrap();
    let read: Vec<_> = facts.iter().filter(|fact| fact["state"] == "read").collect();
    let sources: Vec<_> = read.iter().map(|fact| fact["source"].as_str().unwrap()).collect();
    for source in ["smbios-uuid", "board-serial", "system-serial"] {
        assert!(sources.contains(&source), "{sources:?}");
    }
    let page = Ctl::alone().out(&["hardware", "--root", server.root()]);
    assert!(page.contains("bare metal") && page.contains("from smbios-uuid"), "{page}");
    for raw in ["4c4c4544", "OM186S024680", "om186s024680", "A345678X9012"] {
        assert!(!page.contains(raw) && !report.to_string().contains(raw), "{raw}: {page}");
    }
}

/// A file with what a command printed.
fn saved(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_verdict_is_reproduced_from_files() {
    let (ctl, folder) = (Ctl::alone(), tempfile::tempdir().unwrap());
    let server = Captured::server();
    server.nic("eno1", "3c:ec:ef:12:34:56");
    let enrolled =
        saved(&folder, "enrolled", &ctl.out(&["hardware", "enroll", "--root", server.root()]));
    let explained = |from: [&str; 2]| {
        let report = ctl.json(&["hardware", "explain", "--enrolled", &enrolled, from[0], from[1]]);
        let told = |member: &str| report[member].as_str().unwrap_or("null").to_owned();
        assert!(report["facts"].as_array().is_some_and(|facts| facts.len() >= 3), "{report:#}");
        (told("verdict"), told("serial_number"), report["score"].as_u64().unwrap())
    };
    let serial = ctl.out(&["serial", "--root", server.root()]).trim().to_owned();
    let unchanged = ("unchanged".to_owned(), serial.clone(), 100);
    assert_eq!(explained(["--root", server.root()]), unchanged);

    let report = |name| {
        let report = ctl.out(&["hardware", "report", "--root", server.root()]);
        assert!(!report.to_lowercase().contains("om186s024680"), "digests only: {report}");
        saved(&folder, name, &report)
    };
    let before = report("before");
    server.dmi("board_serial", "OTHER1");
    server.dmi("product_serial", "OTHER2");
    let drifted = explained(["--root", server.root()]);
    assert_eq!(drifted, ("drifted".to_owned(), serial.clone(), 70));
    assert_eq!(explained(["--report", &report("drifted")]), drifted);

    server.dmi("product_uuid", "11111111-2222-3333-4444-555555555555");
    let other = ctl.out(&["serial", "--root", server.root()]).trim().to_owned();
    let different = explained(["--root", server.root()]);
    assert_eq!(different, ("different_machine".to_owned(), other, 35), "the one it would have");
    assert_eq!(explained(["--report", &report("different")]), different);
    assert_eq!(explained(["--report", &before]), unchanged, "a report stays what it was");

    let raw = ctl.out(&["hardware", "report", "--raw", "--root", server.root()]);
    assert!(raw.contains("11111111-2222-3333-4444-555555555555"), "{raw}");
}

#[test]
fn what_root_collects_is_for_its_group_and_written_anew_where_something_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("facts.json");
    let collect = || {
        Ctl::alone().out(&["hardware", "collect", "--output", file.to_str().unwrap()]);
        let found = file.metadata().unwrap();
        assert_eq!(found.mode() & 0o7777, 0o640);
        (found.ino(), found.uid(), std::fs::read_to_string(&file).unwrap())
    };
    let first = collect();
    assert!(first.2.contains("boot_id") && !first.2.contains("permanent-mac"), "{}", first.2);
    // Both names keep their files, so that a number is not given twice.
    std::fs::hard_link(&file, folder.path().join("first")).unwrap();
    let second = collect();
    if first.1 == 0 {
        assert_eq!(second, first, "nothing changed, and it is left alone");
    }
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let third = collect();
    assert_ne!(third.0, first.0, "others could read it");
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(collect().2, first.2);
}

#[test]
fn a_machine_that_tells_nothing_is_refused_with_the_mend() {
    let ctl = Ctl::alone();
    let server = Captured::server();
    server.dmi("product_uuid", "03000200-0400-0500-0006-000700080009");
    server.dmi("board_serial", "To Be Filled By O.E.M.");
    server.dmi("product_serial", "Default string");
    let done = ctl.run(&["serial", "--root", server.root()]);
    done.failed(1, "placeholder");
    assert!(done.err.contains("override"), "{done:?}");
    let done = ctl.run(&["serial", "--json", "--root", server.root()]);
    let error: Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(error["code"], "identity-no-evidence");
    // The report is what support asks for; it has the reason, and is no failure.
    let report = ctl.json(&["hardware", "--root", server.root()]);
    assert_eq!(report["serial_number"], Value::Null);
    assert!(report["problem"].as_str().unwrap().contains("override"), "{report:#}");
}

#[test]
fn what_is_no_tree_is_told() {
    let ctl = Ctl::alone();
    for (root, told) in [("/nonexistent", "No such file"), ("/proc/uptime", "not a directory")] {
        ctl.run(&["serial", "--root", root]).failed(1, told);
        ctl.run(&["hardware", "--root", root]).failed(1, told);
    }
    let empty = tempfile::tempdir().unwrap();
    ctl.run(&["serial", "--root", empty.path().to_str().unwrap()]).failed(1, "no Serial Number");
}

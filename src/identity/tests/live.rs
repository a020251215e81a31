//! The machine that the tests run on, whatever it is.

use crate::identity::{Hardware, Machine, Source};
use std::path::Path;

#[test]
fn the_live_machine_is_read_twice_the_same() {
    let machine = Machine::live("/var/lib/entitled");
    let survey = machine.survey();
    assert_eq!(survey.facts(), machine.survey().facts());
    assert_eq!(
        survey.machine(),
        Machine::at(Path::new("/"), "/var/lib/entitled").survey().machine()
    );
    assert!(survey.uptime().is_some());
    for source in [Source::SmbiosUuid, Source::PermanentMac, Source::DiskSerial, Source::Processor]
    {
        assert!(survey.facts().iter().any(|fact| fact.source == source), "{source}");
    }
    // Whether it has evidence depends on the machine; either way it says so and does not panic.
    let _ = survey.mint().map_err(|error| error.to_string());
}

#[test]
fn an_empty_tree_says_nothing_of_this_machine() {
    let root = tempfile::tempdir().unwrap();
    let survey = Machine::at(root.path(), "/var/lib/entitled").survey();
    assert!(survey.facts().iter().all(|fact| fact.value().is_none()), "{survey:?}");
    assert_eq!(survey.uptime(), None);
    assert_eq!(survey.mint().unwrap_err().code(), "identity-unreadable");
}

//! The vote on a machine, as far as the portal adds to it.

use crate::{
    identity::{EnrolledFact, Group, Source},
    license::EvidenceDigest,
    portal::domain::{facts, same_machine},
};

fn sent(source: &str, value: u8, weight: u8) -> EvidenceDigest {
    let digest = format!("{value:032x}");
    EvidenceDigest { group: "U".to_owned(), source: source.to_owned(), digest, weight }
}

fn machine(values: [u8; 4]) -> Vec<EnrolledFact> {
    let sources = ["smbios-uuid", "board-serial", "permanent-mac", "disk-wwid"];
    let groups = [Group::U, Group::S, Group::N, Group::D];
    let sent = (0..4).map(|n| sent(sources[n], values[n], groups[n].weight())).collect::<Vec<_>>();
    facts(&sent)
}

#[test]
fn a_fact_counts_in_its_own_group_and_no_more_than_that_weighs() {
    let read = facts(&[sent("permanent-mac", 1, 255)]);
    assert_eq!(
        (read[0].source, read[0].group, read[0].weight),
        (Source::PermanentMac, Group::N, Group::N.weight())
    );
    assert_eq!(facts(&[sent("permanent-mac", 1, 7)])[0].weight, 7);
}

#[test]
fn what_is_not_understood_says_nothing() {
    let mut odd =
        vec![sent("quantum-tag", 1, 40), sent("smbios-uuid", 1, 0), sent("machine-id", 1, 9)];
    odd.push(EvidenceDigest { digest: "xyz".to_owned(), ..sent("smbios-uuid", 1, 40) });
    assert_eq!(facts(&odd), []);
    let many: Vec<_> = (0..=255).map(|n| sent("permanent-mac", n, 25)).collect();
    assert_eq!(facts(&many).len(), 64);
    let twice = [sent("smbios-uuid", 1, 40), sent("smbios-uuid", 1, 30)];
    assert_eq!(facts(&twice).len(), 1);
}

#[test]
fn a_machine_is_known_by_most_of_its_hardware() {
    let known = machine([1, 2, 3, 4]);
    let vote =
        |found: [u8; 4], virtual_machine| same_machine(&known, &machine(found), virtual_machine);
    assert_eq!(vote([1, 2, 3, 4], false), Some(true));
    assert_eq!(vote([1, 2, 3, 9], false), Some(true), "disk replaced");
    assert_eq!(vote([9, 2, 3, 4], false), Some(true), "UUID lost");
    assert_eq!(vote([1, 2, 9, 9], false), Some(false), "another unit of its model");
    assert_eq!(vote([9, 9, 3, 4], false), Some(false), "board replaced");
    assert_eq!(vote([9, 2, 3, 4], true), Some(false), "a clone: its UUID vetoes");
    assert_eq!(same_machine(&known, &[], false), None);
    assert_eq!(same_machine(&[], &known, false), None);
}

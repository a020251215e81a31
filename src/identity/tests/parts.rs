//! More than one interface or disk: parts that a group rests on, alone and together.

use super::{
    captured::{Tree, kvm, secret, server, start},
    rows::verdict,
};
use crate::identity::{Enrolled, Fact, Reason, Source, Survey, Verdict, judge};

#[test]
fn interfaces_and_disk_replaced() {
    let with_interfaces = |tree: Tree| {
        tree.replace_nic("eno1", "3c:ec:ef:aa:aa:aa").replace_nic("eno2", "3c:ec:ef:bb:bb:bb")
    };
    let with_disk = |tree: Tree| tree.replace_disk("OTHER1234", "naa.5002538e00000001");
    // One after the other, each is a change of one group.
    let enrolled = server().enroll();
    let drifted = with_interfaces(server()).judge(&enrolled);
    assert_eq!(drifted.verdict, Verdict::Drifted);
    let both = with_disk(with_interfaces(server()));
    assert_eq!(verdict(&drifted.reenrolled.unwrap(), &both), Verdict::Drifted);
    // Between two looks: another unit of a model whose UUID and serials are the same in every unit shows no less.
    let judgement = both.judge(&enrolled);
    assert_eq!((judgement.verdict, judgement.score), (Verdict::DifferentMachine, 52));
}

#[test]
fn firmware_update_that_loses_the_uuid() {
    for unset in ["03000200-0400-0500-0006-000700080009", "77777777-1234-4321-8888-999999999999"] {
        let changed = server().dmi(&[("product_uuid", unset)]);
        assert_eq!(verdict(&server().enroll(), &changed), Verdict::Drifted, "{unset}");
    }
    // A guest's is its hypervisor's, and vetoes.
    let changed = kvm().dmi(&[("product_uuid", "77777777-1234-4321-8888-999999999999")]);
    assert_eq!(changed.judge(&kvm().enroll()).reason, Reason::OtherSystemId);
}

#[test]
fn the_key_of_the_tpm_changed() {
    let with_key = |tree: &Tree, key: &str| {
        let survey = tree.survey();
        let others = survey.facts().iter().filter(|f| f.source != Source::TpmEndorsementKey);
        let key = Fact::of(Source::TpmEndorsementKey, key);
        Survey::new(survey.machine().clone(), None, others.cloned().chain([key]))
    };
    let nameless = server().dmi(&[("product_uuid", ""), ("product_serial", "None")]);
    nameless.remove("/sys/class/dmi/id/product_uuid");
    nameless.set_dmi("board_serial", "None");
    for tree in [server(), kvm(), nameless] {
        let before = with_key(&tree, "before");
        let enrolled = Enrolled::enroll(&before.mint().unwrap(), &before, &secret(), start());
        let after = judge(&enrolled, &with_key(&tree, "after"), &secret(), start());
        assert_eq!(after.verdict, Verdict::Drifted, "{}", after.score);
    }
}

#[test]
fn board_replaced_with_interfaces_and_disk_kept() {
    let other = [
        ("product_uuid", "77777777-1234-4321-8888-999999999999"),
        ("product_serial", "B11111"),
        ("board_serial", "B22222"),
    ];
    let judgement = server().dmi(&other).judge(&server().enroll());
    assert_eq!(judgement.verdict, Verdict::DifferentMachine);
    assert_eq!(judgement.reason, Reason::TooLittleAgrees);
    let serial_kept = server().dmi(&other[..1]);
    assert_eq!(verdict(&server().enroll(), &serial_kept), Verdict::Drifted, "60 % remain");
}

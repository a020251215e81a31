//! Which source a Serial Number is made from, and when none is made.

use super::captured::{Tree, azure, board, docker, ec2, kvm, laptop, micro_vm, server, vmware};
use crate::identity::{MintError, Source, mint_override};

fn source(tree: &Tree) -> Source {
    tree.survey().mint().unwrap().source
}

fn code(tree: &Tree) -> &'static str {
    tree.survey().mint().unwrap_err().code()
}

#[test]
fn each_machine_mints_from_its_best_source() {
    assert_eq!(source(&server()), Source::SmbiosUuid);
    assert_eq!(source(&laptop()), Source::BoardSerial);
    assert_eq!(source(&kvm()), Source::SmbiosUuid);
    assert_eq!(source(&vmware()), Source::SmbiosUuid);
    assert_eq!(source(&ec2()), Source::CloudInstanceId);
    assert_eq!(source(&azure()), Source::SmbiosUuid);
    assert_eq!(source(&board()), Source::DeviceTreeSerial);
}

#[test]
fn the_order_of_sources_on_bare_metal() {
    let tree = server();
    assert_eq!(source(&tree), Source::SmbiosUuid);
    tree.set_dmi("product_uuid", "00000000-0000-0000-0000-000000000000");
    assert_eq!(source(&tree), Source::BoardSerial);
    tree.set_dmi("board_serial", "Default string");
    assert_eq!(source(&tree), Source::SystemSerial);
    tree.set_dmi("product_serial", "None");
    assert_eq!(source(&tree), Source::PermanentMac);
    tree.remove("/sys/class/net/eno1");
    tree.remove("/sys/class/net/eno2");
    assert_eq!(source(&tree), Source::DiskWwid);
    tree.remove("/sys/block/sda/device/wwid");
    assert_eq!(source(&tree), Source::DiskSerial);
    tree.remove("/sys/block/sda/device/vpd_pg80");
    assert_eq!(code(&tree), "identity-no-evidence");
}

#[test]
fn an_unreadable_source_is_waited_for_and_an_absent_one_is_not() {
    let tree = server();
    tree.make_unreadable("/sys/class/dmi/id/product_uuid");
    let error = tree.survey().mint().unwrap_err();
    assert_eq!(error.code(), "identity-unreadable");
    assert!(error.to_string().contains("smbios-uuid"), "{error}");
    tree.remove("/sys/class/dmi/id/product_uuid");
    assert_eq!(source(&tree), Source::BoardSerial);
}

#[test]
fn an_empty_uuid_is_hidden_not_absent() {
    let tree = server();
    tree.set("/sys/class/dmi/id/product_uuid", "");
    assert_eq!(code(&tree), "identity-unreadable");
}

#[test]
fn a_key_in_a_tpm_is_waited_for() {
    let tree = server().file("/sys/class/tpm/tpm0/tpm_version_major", "2\n");
    assert_eq!(source(&tree), Source::SmbiosUuid);
    for field in ["product_uuid", "product_serial", "board_serial"] {
        tree.set_dmi(field, "Not Specified");
    }
    assert_eq!(code(&tree), "identity-unreadable");
    tree.set("/sys/class/tpm/tpm0/tpm_version_major", "1\n");
    assert_eq!(source(&tree), Source::PermanentMac);
}

#[test]
fn a_container_is_refused_though_it_sees_its_host() {
    let error = docker().survey().mint().unwrap_err();
    assert_eq!(error.code(), "identity-container");
    assert!(error.to_string().contains("[identity]"), "{error}");
    assert!(docker().survey().candidates().is_empty());
}

#[test]
fn a_micro_vm_is_refused_with_what_was_found() {
    let error = micro_vm().survey().mint().unwrap_err();
    let text = error.to_string();
    assert_eq!(error.code(), "identity-no-evidence");
    for part in [
        "smbios-uuid absent",
        "permanent-mac a placeholder",
        "disk-serial a placeholder",
        "/etc/entitled/entitled.toml",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("02:fc"), "{text}");
}

#[test]
fn a_guest_does_not_rest_on_an_address_or_a_disk_alone() {
    let tree = kvm();
    tree.remove("/sys/class/dmi");
    let MintError::NoEvidence { looked_for, .. } = tree.survey().mint().unwrap_err() else {
        panic!("expected no evidence");
    };
    let mac = looked_for.iter().find(|(source, _)| *source == Source::PermanentMac).unwrap();
    assert!(mac.1.contains("not unique by itself"), "{}", mac.1);
}

#[test]
fn a_guest_does_not_take_its_hosts_serials() {
    let tree = kvm().dmi(&[("product_serial", "HOST1234"), ("board_serial", "HOST5678")]);
    tree.set_dmi("product_uuid", "Not Settable");
    assert_eq!(code(&tree), "identity-no-evidence");
}

#[test]
fn a_locally_administered_address_does_not_stand_alone() {
    let tree = Tree::empty().nic("eth0", "52:54:00:7a:1b:2c", "pci");
    assert_eq!(code(&tree), "identity-no-evidence");
    let tree = Tree::empty().nic("eth0", "3c:ec:ef:00:00:01", "pci");
    assert_eq!(source(&tree), Source::PermanentMac);
}

#[test]
fn candidates_name_every_credible_source_best_first() {
    use Source::{BoardSerial, DiskSerial, DiskWwid, PermanentMac, SmbiosUuid, SystemSerial};
    let survey = server().survey();
    let candidates = survey.candidates();
    let sources: Vec<_> = candidates.iter().map(|candidate| candidate.source).collect();
    let expected =
        [SmbiosUuid, BoardSerial, SystemSerial, PermanentMac, PermanentMac, DiskWwid, DiskSerial];
    assert_eq!(sources, expected);
    assert_eq!(candidates[0], survey.mint().unwrap());
    assert_eq!(ec2().survey().candidates().len(), 2);
}

#[test]
fn an_override_is_the_operators_text() {
    let minted = mint_override("  asset 4711, rack 3\n").unwrap();
    assert_eq!(minted.source, Source::Override);
    assert_eq!(minted, mint_override("asset 4711, rack 3").unwrap());
    assert_ne!(minted, mint_override("asset 4712, rack 3").unwrap());
    for text in ["", "  ", "A text unique to this machine", "None", "0000"] {
        assert_eq!(mint_override(text).unwrap_err().code(), "identity-override", "{text:?}");
    }
}

#[test]
fn the_numbers_of_version_0_stay() {
    // A change of any of these changes the Serial Number of machines in the field.
    assert_eq!(
        server().survey().mint().unwrap().serial_number.to_string(),
        "0DV-5CQ-ZF9-MQ4-73D-GKB-R6G-1FR"
    );
    assert_eq!(
        ec2().survey().mint().unwrap().serial_number.to_string(),
        "0QP-WBJ-XEA-TZ5-7ZP-QXT-EV3-FSW"
    );
    assert_eq!(
        board().survey().mint().unwrap().serial_number.to_string(),
        "0X2-B0J-2GR-1GS-78W-GVJ-3ST-KCS"
    );
    assert_eq!(
        mint_override("asset 4711").unwrap().serial_number.to_string(),
        "0FP-K82-JY9-PZR-FQ4-C6T-KH1-97N"
    );
}

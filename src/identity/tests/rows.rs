//! The table of the documents, 'change on the same machine', a test a row.

use super::captured::{
    INTEL_MAC, Tree, azure, docker, ec2, kvm, laptop, secret, server, start, vmware,
};
use crate::identity::{
    Enrolled, Fact, Group, Hardware as _, Judgement, Machine, Outcome, Reason, Source, Survey,
    Verdict, judge, mint_override,
};
use jiff::SignedDuration;

/// Judges the changed tree against what was enrolled of the original, and checks what must hold for every machine
/// that is kept: its Serial Number stays, and looking again changes nothing more.
pub(super) fn verdict(enrolled: &Enrolled, changed: &Tree) -> Verdict {
    let judgement = changed.judge(enrolled);
    if let Some(again) = &judgement.reenrolled {
        assert_eq!(again.serial_number, enrolled.serial_number);
        assert_eq!(changed.judge(again).verdict, Verdict::Unchanged);
    }
    judgement.verdict
}

fn kept_unchanged(enrolled: &Enrolled, changed: &Tree) {
    let judgement = changed.judge(enrolled);
    assert_eq!((judgement.verdict, judgement.score), (Verdict::Unchanged, 100));
    let weighed =
        |e: &Enrolled| e.facts.iter().filter(|f| f.weight > 0).cloned().collect::<Vec<_>>();
    let after = judgement.reenrolled.as_ref().map_or_else(|| weighed(enrolled), weighed);
    assert_eq!(after, weighed(enrolled), "nothing that votes is enrolled anew");
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn judged_after(tree: &Tree, enrolled: &Enrolled, after: SignedDuration) -> Judgement {
    judge(enrolled, &tree.survey(), &secret(), start() + after)
}

#[test]
fn reboot_upgrade_renamed_interface_dhcp_hostname() {
    let enrolled = server().enroll();
    let changed = server()
        .file("/proc/sys/kernel/osrelease", "6.12.0\n")
        .file("/etc/hostname", "other\n")
        .file("/proc/sys/kernel/random/boot_id", "0b5e\n")
        .nic("eth7", INTEL_MAC, "pci");
    changed.remove("/sys/class/net/eno1");
    kept_unchanged(&enrolled, &changed);
}

#[test]
fn docker_libvirt_vpn_bond_bridge_vlan_usb() {
    let enrolled = server().enroll();
    let more = server()
        .virtual_nic("docker0", "02:42:ac:11:00:01")
        .virtual_nic("virbr0", "52:54:00:aa:bb:cc")
        .virtual_nic("tun0", "00:00:00:00:00:00")
        .virtual_nic("bond0", INTEL_MAC)
        .virtual_nic("eno1.5", INTEL_MAC)
        .nic("enx0", "00:e0:4c:68:00:02", "usb");
    kept_unchanged(&enrolled, &more);
    kept_unchanged(&more.enroll(), &server());
}

#[test]
fn an_address_overridden_by_software() {
    for machine in [server, kvm, vmware, ec2] {
        let enrolled = machine().enroll();
        let tree = machine();
        for name in ["eno1", "eno2", "ens3", "ens192", "ens5"] {
            let interface = format!("/sys/class/net/{name}");
            if tree.exists(&interface) {
                tree.set(&format!("{interface}/address"), "02:00:5e:00:00:09\n");
                tree.set(&format!("{interface}/addr_assign_type"), "3\n");
            }
        }
        kept_unchanged(&enrolled, &tree);
    }
}

#[test]
fn memory_cores_and_processor_changed() {
    let enrolled = kvm().enroll();
    let cpu =
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: EPYC\nflags\t: hypervisor\n";
    let changed = kvm().file("/proc/cpuinfo", cpu);
    kept_unchanged(&enrolled, &changed);
    let facts = changed.judge(&enrolled).facts;
    let processor = facts.iter().find(|fact| fact.source == Source::Processor).unwrap();
    assert_eq!((processor.result, processor.weight), (Outcome::Differs, 0));
}

#[test]
fn one_interface_replaced() {
    let changed = server().replace_nic("eno2", "3c:ec:ef:aa:aa:aa");
    let judgement = changed.judge(&server().enroll());
    assert_eq!((judgement.verdict, judgement.score), (Verdict::Drifted, 100));
    let told =
        "some facts changed, and 60 % or more of the weight agrees; differs: permanent-mac (eno2)";
    assert_eq!(judgement.message(), told);
    assert_eq!(verdict(&server().enroll(), &changed), Verdict::Drifted);
}

#[test]
fn all_interfaces_replaced() {
    let changed =
        server().replace_nic("eno1", "3c:ec:ef:aa:aa:aa").replace_nic("eno2", "3c:ec:ef:bb:bb:bb");
    assert_eq!(verdict(&server().enroll(), &changed), Verdict::Drifted);
    for (machine, name) in
        [(kvm as fn() -> Tree, "ens3"), (vmware, "ens192"), (azure, "eth0"), (ec2, "ens5")]
    {
        let changed = machine().replace_nic(name, "00:50:56:aa:aa:aa");
        assert_eq!(verdict(&machine().enroll(), &changed), Verdict::Drifted, "{name}");
    }
}

#[test]
fn the_root_disk_replaced() {
    for machine in [server, kvm, ec2, azure] {
        let changed = machine().replace_disk("OTHER1234", "naa.5002538e00000001");
        assert_eq!(verdict(&machine().enroll(), &changed), Verdict::Drifted);
    }
}

#[test]
fn firmware_update_that_swaps_the_byte_order_of_the_uuid() {
    for machine in [server, vmware] {
        let swapped = machine();
        let uuid = swapped.read("/sys/class/dmi/id/product_uuid");
        let b: Vec<&str> = (0..16)
            .map(|i| &uuid[[0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34][i]..][..2])
            .collect();
        let twin = format!(
            "{}{}{}{}-{}{}-{}{}-{}{}-{}",
            b[3],
            b[2],
            b[1],
            b[0],
            b[5],
            b[4],
            b[7],
            b[6],
            b[8],
            b[9],
            b[10..].concat()
        );
        assert_ne!(twin, uuid.trim());
        swapped.set_dmi("product_uuid", &twin);
        kept_unchanged(&machine().enroll(), &swapped);
        assert_eq!(swapped.survey().mint(), machine().survey().mint());
    }
}

#[test]
fn firmware_update_that_blanks_a_serial() {
    for blank in ["", "Default string"] {
        let changed = server().dmi(&[("board_serial", blank)]);
        assert_eq!(verdict(&server().enroll(), &changed), Verdict::Drifted);
        let both = server().dmi(&[("board_serial", blank), ("product_serial", blank)]);
        assert_eq!(verdict(&server().enroll(), &both), Verdict::Drifted);
    }
}

#[test]
fn facts_unreadable() {
    for machine in [server, kvm] {
        let enrolled = machine().enroll();
        let tree = machine();
        for field in ["product_uuid", "product_serial", "board_serial"] {
            if tree.exists(&format!("/sys/class/dmi/id/{field}")) {
                tree.make_unreadable(&format!("/sys/class/dmi/id/{field}"));
            }
        }
        let held = judged_after(&tree, &enrolled, hours(30 * 24 - 1));
        assert_eq!((held.verdict, held.reason), (Verdict::Degraded, Reason::TooLittleReadable));
        assert_eq!(held.holds_until, Some(start() + hours(30 * 24)));
        assert_eq!((held.score, held.reenrolled), (100, None));
        let over = judged_after(&tree, &enrolled, hours(30 * 24));
        assert_eq!(
            (over.verdict, over.reason),
            (Verdict::DifferentMachine, Reason::UnreadableTooLong)
        );
    }
}

#[test]
fn all_of_sys_hidden() {
    for machine in [server, kvm, ec2, azure] {
        let enrolled = machine().enroll();
        let tree = machine();
        tree.remove("/sys");
        assert_eq!(tree.judge(&enrolled).verdict, Verdict::Degraded);
    }
}

#[test]
fn one_unreadable_fact_of_many_changes_nothing() {
    let tree = server();
    tree.make_unreadable("/sys/class/dmi/id/product_serial");
    tree.make_unreadable("/sys/class/dmi/id/board_serial");
    let judgement = tree.judge(&server().enroll());
    assert_eq!((judgement.verdict, judgement.score), (Verdict::Unchanged, 100));
}

#[test]
fn what_is_absent_soon_after_boot_is_unreadable() {
    let enrolled = server().enroll();
    let tree = server().file("/proc/uptime", "42.00 80.00\n");
    for path in ["/sys/class/net/eno1", "/sys/class/net/eno2", "/sys/dev/block/8:2"] {
        tree.remove(path);
    }
    assert_eq!(tree.judge(&enrolled).verdict, Verdict::Unchanged);
    assert_eq!(tree.judge(&enrolled).reenrolled, None, "nothing is forgotten yet");
    let later = tree.file("/proc/uptime", "300.00 500.00\n");
    assert_eq!(later.judge(&enrolled).verdict, Verdict::Drifted);
}

#[test]
fn system_installed_anew_on_the_same_hardware() {
    for machine in [server, laptop, kvm, vmware, ec2, azure] {
        let anew = machine().file("/etc/machine-id", "ffffeeeeddddccccbbbbaaaa99998888\n");
        assert_eq!(anew.survey().mint(), machine().survey().mint());
    }
}

#[test]
fn system_installed_anew_with_one_part_replaced() {
    let lost = server().survey().mint().unwrap();
    let changed = server().dmi(&[("product_uuid", "77777777-1234-4321-8888-999999999999")]);
    assert_ne!(changed.survey().mint().unwrap(), lost);
    let code = crate::codes::ActivationCode::from_content(&[7; 16]);
    let known = server().survey().portal_facts(&code);
    let sent = changed.survey().portal_facts(&code);
    let recognition = crate::identity::recognise(&known, &sent, false);
    assert_eq!((recognition.same_machine, recognition.score), (true, 71));
    let other_subscription = crate::codes::ActivationCode::from_content(&[8; 16]);
    assert!(changed.survey().portal_facts(&other_subscription).iter().all(|f| !sent.contains(f)));
}

#[test]
fn a_better_source_later_leaves_the_number_among_the_candidates() {
    let before = laptop().survey().mint().unwrap();
    let after = laptop().dmi(&[("product_uuid", "77777777-1234-4321-8888-999999999999")]);
    assert_ne!(after.survey().mint().unwrap(), before);
    assert!(after.survey().candidates().contains(&before));
    assert_eq!(verdict(&laptop().enroll(), &after), Verdict::Unchanged);
}

#[test]
fn a_clone_with_a_new_uuid_and_address() {
    for machine in [kvm, vmware, azure] {
        let clone = machine().dmi(&[
            ("product_uuid", "77777777-1234-4321-8888-999999999999"),
            ("product_serial", ""),
        ]);
        let judgement = clone.judge(&machine().enroll());
        assert_eq!(judgement.verdict, Verdict::DifferentMachine, "the UUID alone vetoes");
        assert_eq!(judgement.reason, Reason::OtherSystemId);
        assert_ne!(clone.survey().mint(), machine().survey().mint());
    }
}

#[test]
fn a_clone_whose_uuid_cannot_be_read_is_undecided() {
    let with_tpm = |tree: &Tree| {
        let survey = tree.survey();
        let key = Fact::of(Source::TpmEndorsementKey, "copied with the clone");
        let others = survey.facts().iter().filter(|f| f.source != Source::TpmEndorsementKey);
        Survey::new(survey.machine().clone(), None, others.cloned().chain([key]))
    };
    let original = with_tpm(&kvm());
    let enrolled = Enrolled::enroll(&original.mint().unwrap(), &original, &secret(), start());
    let clone = kvm().replace_nic("ens3", "52:54:00:00:00:09");
    clone.make_unreadable("/sys/class/dmi/id/product_uuid");
    let judgement = judge(&enrolled, &with_tpm(&clone), &secret(), start());
    assert_eq!(judgement.verdict, Verdict::Degraded, "more than 60 % is readable and agrees");
}

#[test]
fn a_cloud_instance_made_from_an_image_of_another() {
    let other = ec2().dmi(&[("board_asset_tag", "i-0fedcba9876543210")]);
    assert_eq!(other.judge(&ec2().enroll()).reason, Reason::OtherSystemId);
    let moved = ec2().dmi(&[("product_uuid", "ec277777-1234-4321-8888-999999999999")]);
    assert_eq!(verdict(&ec2().enroll(), &moved), Verdict::Drifted, "the instance is the same");
}

#[test]
fn the_disk_moved_to_another_machine() {
    let other = server()
        .dmi(&[
            ("product_uuid", "77777777-1234-4321-8888-999999999999"),
            ("product_serial", "B11111"),
            ("board_serial", "B22222"),
        ])
        .replace_nic("eno1", "3c:ec:ef:aa:aa:aa")
        .replace_nic("eno2", "3c:ec:ef:bb:bb:bb");
    let judgement = other.judge(&server().enroll());
    assert_eq!((judgement.verdict, judgement.score), (Verdict::DifferentMachine, 19));
}

#[test]
fn the_state_directory_copied() {
    for (from, to) in [
        (server as fn() -> Tree, kvm as fn() -> Tree),
        (kvm, server),
        (vmware, azure),
        (laptop, server),
    ] {
        assert_eq!(to().judge(&from().enroll()).verdict, Verdict::DifferentMachine);
    }
}

#[test]
fn a_byte_exact_copy_looks_the_same_here() {
    assert_eq!(verdict(&kvm().enroll(), &kvm()), Verdict::Unchanged);
}

#[test]
fn a_container_on_the_licensed_host() {
    let judgement = docker().judge(&server().enroll());
    assert_eq!(judgement.verdict, Verdict::DifferentMachine);
    assert_eq!(judgement.reason, Reason::InContainer);
}

#[test]
fn an_override_has_nothing_to_compare() {
    let minted = mint_override("asset 4711").unwrap();
    let enrolled = Enrolled::enroll(&minted, &docker().survey(), &secret(), start());
    assert!(enrolled.overridden);
    let judgement = server().judge(&enrolled);
    assert_eq!((judgement.verdict, judgement.score), (Verdict::Overridden, 100));
    assert_eq!(judgement.reenrolled, None);
}

#[test]
fn addresses_from_which_the_uuid_is_made_do_not_vote_beside_it() {
    let tree = server().dmi(&[("product_uuid", "12ab34cd-5678-11ee-9abc-3cecef123456")]);
    let enrolled = tree.enroll();
    assert!(enrolled.facts.iter().filter(|f| f.group == Group::N).all(|f| f.weight == 0));
    assert_eq!(verdict(&enrolled, &tree), Verdict::Unchanged);
}

#[test]
fn a_full_match_is_written_once_a_day() {
    let (tree, enrolled) = (server(), server().enroll());
    assert_eq!(judged_after(&tree, &enrolled, hours(23)).reenrolled, None);
    let written = judged_after(&tree, &enrolled, hours(24)).reenrolled.unwrap();
    assert_eq!(written.last_full_match, start() + hours(24));
    assert_eq!(judged_after(&tree, &written, hours(-5)).reenrolled, None, "a clock set back");
}

#[test]
fn surveys_of_one_machine_wait_for_each_other() {
    let machine = Machine::live("/var/lib/entitled");
    let first = machine.survey();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(machine.survey().facts(), first.facts()));
        }
    });
}

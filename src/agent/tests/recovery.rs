//! Machines whose state was lost, and what they have of it again: from the same hardware, and with the portal's help.

use super::stage::*;
use crate::{
    api::Command,
    codes::SerialNumber,
    entitlement::{Reason, State},
    identity::{Source, Verdict},
    license::Sequence,
    store::Store as _,
};
use jiff::SignedDuration;

fn serial(stage: &Stage) -> SerialNumber {
    stage.status().serial_number.unwrap()
}

/// What the portal says to an activation, and the cure that it names: a rebind by a one-time code.
async fn recover(stage: &Stage) {
    let refused = stage.activate().await.unwrap_err();
    assert_eq!(refused.code(), "rebind-required", "{refused:?}");
    let without = stage.rebind_by_code(None).await.unwrap_err();
    assert_eq!(
        without.code(),
        "rebind-code-required",
        "the Activation Code alone takes nothing away"
    );
    assert_eq!(stage.status().state, State::Unlicensed);
    let made =
        stage.portal.make_rebind_code(stage.environment().id, SignedDuration::from_hours(24));
    stage.rebind_by_code(Some(made.unwrap().code)).await.unwrap();
}

/// The machine has its old Serial Number and its license again, for its hardware of today.
#[track_caller]
fn assert_recovered(stage: &Stage, before: SerialNumber) {
    let status = stage.status();
    assert_eq!((status.state, status.serial_number), (State::Active, Some(before)));
    assert_eq!(status.hardware.unwrap().verdict, Verdict::Unchanged);
    assert_eq!(status.license.unwrap().sequence, Sequence(2));
    assert_eq!(stage.environment().serial_number, before);
    assert_eq!(stage.state().enrolled.unwrap().serial_number, before);
}

#[tokio::test(start_paused = true)]
async fn a_system_installed_anew_on_the_same_hardware() {
    let mut stage = Stage::activated().await;
    let before = serial(&stage);
    stage.install_anew().await;
    assert_eq!((stage.status().state, serial(&stage)), (State::Unlicensed, before), "minted again");
    recover(&stage).await;
    assert_recovered(&stage, before);
}

#[tokio::test(start_paused = true)]
async fn a_system_installed_anew_with_one_part_replaced() {
    // The UUID is what the number was made from; without it another one is minted.
    for source in
        [Source::SmbiosUuid, Source::BoardSerial, Source::PermanentMac, Source::DiskSerial]
    {
        let mut stage = Stage::activated().await;
        let before = serial(&stage);
        stage.hardware.has_another(source);
        stage.install_anew().await;
        assert_eq!(serial(&stage) == before, source != Source::SmbiosUuid, "{source}");
        recover(&stage).await;
        assert_recovered(&stage, before);
        // A restart and a new survey find nothing more to say.
        stage.restart().await;
        stage.pass(HOUR + MINUTE).await;
        assert_recovered(&stage, before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_replaced_before_is_known_to_the_portal() {
    let mut stage = Stage::activated().await;
    let before = serial(&stage);
    // The machine drifts, a part at a time, until it has nothing of what it was activated with but the last refresh.
    for source in [Source::DiskSerial, Source::PermanentMac, Source::BoardSerial] {
        stage.hardware.has_another(source);
        stage.pass(HOUR + MINUTE).await;
        assert_eq!(stage.status().hardware.unwrap().verdict, Verdict::Drifted);
        stage.refresh().await.unwrap();
    }
    stage.hardware.has_another(Source::SmbiosUuid);
    stage.install_anew().await;
    assert_ne!(serial(&stage), before);
    recover(&stage).await;
    assert_eq!(serial(&stage), before);
}

#[tokio::test(start_paused = true)]
async fn a_tpm_that_is_switched_on_changes_no_number() {
    let mut stage = Stage::new();
    stage.hardware.has_no(Source::SmbiosUuid);
    stage.hardware.has_no(Source::BoardSerial);
    stage.start().await;
    stage.activate().await.unwrap();
    let before = serial(&stage);
    assert_eq!(stage.state().enrolled.unwrap().source, Source::DiskSerial);
    stage.hardware.has_another(Source::TpmEndorsementKey);
    stage.pass(HOUR + MINUTE).await;
    assert_eq!(stage.status().hardware.unwrap().verdict, Verdict::Unchanged);
    assert_eq!(serial(&stage), before);
    // Without its state it would make a number from the better source, and the old one is among its candidates.
    stage.install_anew().await;
    assert_ne!(serial(&stage), before);
    assert_eq!(stage.state().enrolled.unwrap().source, Source::TpmEndorsementKey);
    recover(&stage).await;
    assert_recovered(&stage, before);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_this_version_would_not_make_is_kept_and_recovered() {
    // As an older algorithm made it, from the same hardware.
    let old = SerialNumber::mint("as an older version read it", "uuid of one");
    let mut stage = Stage::started().await;
    stage.stop().await;
    let mut state = stage.state();
    state.enrolled.as_mut().unwrap().serial_number = old;
    stage.store.clone().commit(&state, &[]).unwrap();
    stage.start().await;
    assert_eq!(serial(&stage), old);
    stage.activate().await.unwrap();
    stage.restart().await;
    stage.pass(HOUR + MINUTE).await;
    assert_eq!((stage.status().state, serial(&stage)), (State::Active, old));

    stage.install_anew().await;
    assert_ne!(serial(&stage), old, "no candidate is it: the portal's own vote knows the machine");
    recover(&stage).await;
    assert_recovered(&stage, old);
}

#[tokio::test(start_paused = true)]
async fn other_hardware_recovers_nothing() {
    let mut stage = Stage::activated().await;
    let before = serial(&stage);
    stage.hardware.is_another();
    stage.install_anew().await;
    let made =
        stage.portal.make_rebind_code(stage.environment().id, SignedDuration::from_hours(24));
    let refused = stage.rebind_by_code(Some(made.unwrap().code)).await.unwrap_err();
    assert!(["machine-unknown", "hardware-differs"].contains(&refused.code()), "{refused:?}");
    assert_eq!(stage.environment().serial_number, before);
    assert_eq!(stage.status().state, State::Unlicensed);
}

#[tokio::test(start_paused = true)]
async fn a_container_on_the_licensed_host_is_not_entitled_by_its_license() {
    let mut stage = Stage::activated().await;
    let before = stage.status();
    // The same facts, and the host's whole state: all of it mounted into a container.
    stage.stop().await;
    stage.hardware.is_a_container();
    stage.start().await;
    stage.link.cut();
    stage.pass(HOUR + MINUTE).await;
    let hardware = stage.status().hardware.unwrap();
    assert_eq!(
        (hardware.verdict, stage.status().state),
        (Verdict::DifferentMachine, State::Active)
    );
    stage.leap(DAY * 3).await;
    let status = stage.status();
    assert_eq!((status.state, status.reason), (State::Restricted, Reason::HardwareChanged));
    assert_eq!(status.serial_number, before.serial_number);

    // Without state it has no number of its own, whatever of the host's it sees.
    stage.install_anew().await;
    let status = stage.status();
    assert_eq!((status.serial_number, status.state), (None, State::Unlicensed));
    let refused = stage.change(Command::Refresh).await.unwrap_err();
    assert_eq!(refused.code(), "not-activated");
    let message = stage.activate().await.unwrap_err().detail;
    assert!(message.contains("container") && message.contains("override"), "{message}");
}

//! The operator's text in the place of hardware: for containers and odd machines.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

use super::stage::*;
use crate::{
    codes::SerialNumber,
    entitlement::{ConditionType, State},
    identity::{Source, Verdict, mint_override},
};

fn of(text: &str) -> SerialNumber {
    mint_override(text).unwrap().serial_number
}

fn serial(stage: &Stage) -> SerialNumber {
    stage.status().serial_number.unwrap()
}

/// A container with an override, that has read it.
async fn container(text: &str) -> Stage {
    let mut stage = Stage::new();
    stage.hardware.is_a_container();
    stage.overridden = Some(text.to_owned());
    stage.start().await;
    stage
}

#[tokio::test(start_paused = true)]
async fn it_is_audited_shown_and_part_of_every_request() {
    let stage = container("asset 4711").await;
    let status = stage.status();
    assert_eq!(status.serial_number, Some(of("asset 4711")));
    let hardware = status.hardware.unwrap();
    assert_eq!((hardware.verdict, hardware.score), (Verdict::Overridden, 100));
    assert_eq!(stage.conditions(), [ConditionType::IdentityOverride]);
    let first = stage.events().remove(0);
    assert_eq!(first.action, "enrolled");
    assert!(first.detail.ends_with("from override"), "{first:?}");
    assert!(!format!("{:?}", stage.events()).contains("asset 4711"), "the text is not told");

    stage.activate().await.unwrap();
    stage.refresh().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
    let sent = stage.link.sent();
    assert_eq!(sent.len(), 2);
    for request in sent {
        assert!(claims(&request).machine.overridden);
        let payload = BASE64_URL_SAFE_NO_PAD.decode(request.split('.').nth(1).unwrap()).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        assert!(!payload.contains("asset"), "{payload}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_portal_may_refuse_it() {
    let stage = container("asset 4711").await;
    let id = stage.subscription.id;
    stage.portal.update_subscription(id, |terms| terms.allow_override = false).unwrap();
    let refused = stage.activate().await.unwrap_err();
    assert_eq!(refused.code(), "override-not-allowed");
    assert_eq!(stage.status().state, State::Unlicensed);
    assert_eq!(stage.portal.environments(Some(id)).unwrap().len(), 0);

    // Nothing is locked by it.
    stage.portal.update_subscription(id, |terms| terms.allow_override = true).unwrap();
    stage.activate().await.unwrap();
    // What is activated stays so.
    stage.portal.update_subscription(id, |terms| terms.allow_override = false).unwrap();
    stage.refresh().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_was_mistyped_may_be_changed_until_something_rests_on_it() {
    let mut stage = container("asset 4171").await;
    stage.overridden = Some("asset 4711".to_owned());
    let entries = stage.events().len();
    stage.restart().await;
    assert_eq!(serial(&stage), of("asset 4711"));
    assert_eq!(stage.actions_after(entries), ["enrolled", "status-changed"]);
    stage.activate().await.unwrap();

    // From here on the license names it.
    stage.overridden = Some("asset 9999".to_owned());
    stage.restart().await;
    stage.pass(HOUR + MINUTE).await;
    let status = stage.status();
    assert_eq!((status.state, status.serial_number), (State::Active, Some(of("asset 4711"))));
}

#[tokio::test(start_paused = true)]
async fn a_state_directory_under_another_text_is_another_machine_within_its_grace() {
    let mut stage = container("asset 4711").await;
    stage.activate().await.unwrap();
    stage.overridden = Some("asset 9999".to_owned());
    stage.restart().await;
    assert_eq!(stage.status().hardware.unwrap().verdict, Verdict::DifferentMachine);
    assert_eq!(stage.conditions(), [ConditionType::HardwareChanged]);
    let refused = stage.activate().await.unwrap_err();
    assert_eq!(refused.code(), "hardware-changed");

    // The text as it was mends it, as if nothing had been.
    stage.overridden = Some("asset 4711".to_owned());
    stage.restart().await;
    assert_eq!(stage.conditions(), [ConditionType::IdentityOverride]);

    // Else the grace ends, and one command takes the environment along.
    stage.overridden = Some("asset 9999".to_owned());
    stage.restart().await;
    stage.link.cut();
    stage.pass(72 * HOUR + 2 * MINUTE).await;
    assert_eq!(stage.status().state, State::Restricted);
    stage.link.mend();
    stage.rebind().await.unwrap();
    let status = stage.status();
    assert_eq!((status.state, status.serial_number), (State::Active, Some(of("asset 9999"))));
    assert_eq!(stage.conditions(), [ConditionType::IdentityOverride]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_lost_its_text_says_nothing_of_another_machine() {
    let mut stage = container("asset 4711").await;
    stage.activate().await.unwrap();
    stage.overridden = None;
    stage.restart().await;
    stage.pass(HOUR + MINUTE).await;
    assert_eq!(stage.status().state, State::Active);
    assert_eq!(stage.status().hardware.unwrap().verdict, Verdict::Overridden);
}

#[tokio::test(start_paused = true)]
async fn a_machine_with_hardware_is_not_renamed_by_it_later() {
    let mut stage = Stage::activated().await;
    let before = stage.status().serial_number;
    stage.overridden = Some("asset 4711".to_owned());
    stage.restart().await;
    stage.pass(HOUR + MINUTE).await;
    let status = stage.status();
    assert_eq!((status.state, status.serial_number), (State::Active, before));
    assert_eq!(status.hardware.unwrap().verdict, Verdict::Unchanged);
    assert_eq!(stage.state().enrolled.unwrap().source, Source::SmbiosUuid);
    stage.refresh().await.unwrap();
    let last = stage.link.sent().pop().unwrap();
    assert!(!claims(&last).machine.overridden, "the number does not come from it");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_never_activated_takes_it_and_gives_it_back() {
    let mut stage = Stage::started().await;
    let own = stage.status().serial_number;
    stage.overridden = Some("asset 4711".to_owned());
    stage.restart().await;
    assert_eq!(serial(&stage), of("asset 4711"));
    stage.overridden = None;
    stage.restart().await;
    assert_eq!(stage.status().serial_number, own);
    assert_eq!(stage.conditions(), []);
    // A request that is on its way names the number.
    stage.link.cut();
    stage.activate().await.unwrap_err();
    stage.overridden = Some("asset 4711".to_owned());
    stage.restart().await;
    assert_eq!(stage.status().serial_number, own);
}

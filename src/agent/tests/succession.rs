//! New keys: for the named survivor of a fork, on other hardware, after a lost one; with a crash between any two steps.

use super::stage::*;
use crate::{
    api::Command,
    entitlement::{ConditionType, Reason, State},
    identity::Verdict,
    license::{RequestClaims, RequestKind, Unverified},
    portal::domain::RebindPolicy,
    store::Store,
};
use std::time::Duration;

/// What the last request that was sent asks for.
fn last_sent(stage: &Stage) -> RequestClaims {
    let sent = stage.link.sent();
    Unverified::parse(sent.last().unwrap()).unwrap().peek().unwrap()
}

fn fork_reason(stage: &Stage) -> Option<String> {
    let status = stage.status();
    let suspected = |c: &&crate::entitlement::Condition| c.kind == ConditionType::CloneSuspected;
    status.conditions.iter().find(suspected).map(|condition| condition.reason.clone())
}

/// A machine and its copy, of which the portal knows; the machine is the named survivor and has not heard of it.
async fn forked() -> (Stage, Stage) {
    let stage = Stage::activated().await;
    let mut copy = stage.copied();
    copy.start().await;
    stage.refresh().await.unwrap();
    copy.refresh().await.unwrap();
    assert_eq!(fork_reason(&copy).as_deref(), Some("Fork"));
    let head = stage.state().chain.previous.unwrap();
    stage.portal.name_survivor(stage.environment().id, head.0).unwrap();
    (stage, copy)
}

/// The license is bound to the new key, whose file is in the place of the old one.
#[track_caller]
fn assert_rekeyed(stage: &Stage, old: &crate::license::Thumbprint) {
    let (key, waits) = stage.keys();
    assert!(key != *old && !waits, "{key} {old} {waits}");
    assert_eq!(stage.environment().key.map(|key| key.thumbprint()), Some(key.clone()));
    let status = stage.status();
    assert_eq!((status.state, status.conditions.as_slice()), (State::Active, &[][..]));
    let license = stage.handle().current().unwrap().license.clone().unwrap();
    assert_eq!(license.claims.cnf.unwrap().jwk.thumbprint(), key);
    assert!(stage.events().iter().any(|e| e.action == "key-replaced"));
}

#[tokio::test(start_paused = true)]
async fn a_named_survivor_gets_a_new_key_by_itself_and_the_other_is_told() {
    let (mut stage, mut copy) = forked().await;
    let (old, sequence) = (stage.keys().0, stage.environment().sequence);
    stage.refresh().await.unwrap();
    stage.pass(MINUTE).await;
    assert_rekeyed(&stage, &old);
    assert_eq!(last_sent(&stage).request, RequestKind::Rebind);
    assert!(stage.environment().sequence > sequence);
    // Proofs and statements are signed by it as well.
    let published = stage.handle().current().unwrap();
    let proof = stage.handle().prover.prove("challenge", &published).unwrap();
    assert_eq!(Unverified::parse(&proof).unwrap().kid(), stage.keys().0);
    let statement = published.statement.clone().unwrap();
    assert_eq!(Unverified::parse(&statement).unwrap().kid(), stage.keys().0);

    let told = copy.refresh().await.unwrap();
    assert!(told.message.contains("retired"), "{}", told.message);
    let status = copy.status();
    assert_eq!((status.state, status.reason), (State::Unlicensed, Reason::Retired));
    assert!(status.message.contains("entitlectl rebind"), "{}", status.message);
    assert_eq!(status.conditions, []);
    assert_eq!(copy.events().iter().filter(|e| e.action == "retired").count(), 1);
    // It does not ask for ever, and takes nothing back by itself.
    copy.link.forget_sent();
    copy.restart().await;
    copy.idle(DAY * 3).await;
    assert_eq!(copy.link.sent(), [""; 0]);
    assert_eq!(copy.status().reason, Reason::Retired);
    // The Activation Code was not forgotten.
    assert!(copy.directory.activation_code().unwrap().is_some());

    stage.restart().await;
    stage.refresh().await.unwrap();
    assert_rekeyed(&stage, &old);
}

#[tokio::test(start_paused = true)]
async fn a_survivor_goes_on_wherever_it_crashed() {
    for crash_after in [0, 500, 1_500, 2_500, 3_500] {
        let (mut stage, _copy) = forked().await;
        let old = stage.keys().0;
        // Each exchange takes a second: the refresh that tells it, and the rebind.
        stage.link.delay(Duration::from_secs(1));
        let handle = stage.handle().clone();
        let asked =
            tokio::spawn(async move { handle.call("tester".to_owned(), Command::Refresh).await });
        stage.pass(Duration::from_millis(crash_after)).await;
        stage.kill().await;
        asked.abort();
        stage.start().await;
        stage.link.delay(Duration::ZERO);
        let _ = stage.refresh().await;
        stage.pass(HOUR * 2).await;
        assert_rekeyed(&stage, &old);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_asked_for_again_with_the_same_key() {
    let (mut stage, _copy) = forked().await;
    let old = stage.keys().0;
    stage.link.delay(Duration::from_secs(1));
    stage.refresh().await.unwrap();
    // The rebind is on its way, and does not arrive.
    stage.pass(Duration::from_millis(500)).await;
    stage.kill().await;
    let waits = stage.state().chain.pending.unwrap();
    assert_eq!(waits.kind, RequestKind::Rebind);
    // Now it does, and the answer does not.
    stage.link.delay(Duration::ZERO);
    stage.link.lose_answers();
    stage.start().await;
    stage.pass(Duration::from_secs(1)).await;
    assert_eq!(stage.link.sent().last(), Some(&waits.text));
    assert_ne!(stage.environment().key.map(|key| key.thumbprint()), Some(old.clone()));
    assert_eq!(stage.keys(), (old.clone(), true));
    assert!(stage.status().entitled);
    stage.kill().await;
    stage.link.mend();
    stage.start().await;
    stage.pass(HOUR).await;
    assert_rekeyed(&stage, &old);
}

/// The license is stored; the key's file could not be put in its place before the end.
#[tokio::test(start_paused = true)]
async fn a_key_whose_license_is_stored_is_put_in_its_place_at_the_start() {
    let (mut stage, _copy) = forked().await;
    let old_file = std::fs::read(stage.directory.path().join("environment.key")).unwrap();
    let old = stage.keys().0;
    stage.refresh().await.unwrap();
    stage.pass(MINUTE).await;
    stage.kill().await;
    // As it was before the second step.
    let (present, next) = ("environment.key", "environment.key.next");
    let path = |name| stage.directory.path().join(name);
    std::fs::rename(path(present), path(next)).unwrap();
    std::fs::write(path(present), old_file).unwrap();
    assert_eq!(stage.keys(), (old.clone(), true));
    let generation = stage.store.state().status.generation;
    stage.start().await;
    assert_rekeyed(&stage, &old);
    assert_eq!(stage.generation(), generation, "nothing of it shows");
}

/// The first step did not reach the disk: the file of the old key must not go.
#[tokio::test(start_paused = true)]
async fn a_key_is_not_replaced_before_its_license_is_stored() {
    let (mut stage, _copy) = forked().await;
    let old = stage.keys().0;
    stage.link.delay(Duration::from_secs(1));
    let handle = stage.handle().clone();
    let asked =
        tokio::spawn(async move { handle.call("tester".to_owned(), Command::Refresh).await });
    stage.pass(Duration::from_millis(1_500)).await;
    asked.await.unwrap().unwrap();
    stage.store.fail(true);
    stage.pass(MINUTE).await;
    assert_eq!(stage.keys(), (old.clone(), true));
    assert_eq!(stage.conditions(), [ConditionType::StoreDegraded]);
    assert!(stage.status().entitled);
    // What stood in memory is lost with the process.
    stage.kill().await;
    stage.store.fail(false);
    stage.link.delay(Duration::ZERO);
    stage.start().await;
    stage.pass(HOUR).await;
    assert_rekeyed(&stage, &old);
}

/// A courier has the answer to a rebind, and the agent itself asks before it comes.
#[tokio::test(start_paused = true)]
async fn a_key_that_the_portal_has_bound_already_is_not_given_up() {
    let stage = Stage::activated().await;
    let old = stage.keys().0;
    let request = stage.request_by_hand(RequestKind::Rebind).await.unwrap();
    stage.portal.handle_request(request.as_bytes()).unwrap();
    assert_eq!(stage.keys(), (old.clone(), true));
    stage.refresh().await.unwrap();
    assert!(stage.status().entitled);
    stage.pass(MINUTE).await;
    assert_rekeyed(&stage, &old);
    stage.refresh().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn other_hardware_takes_the_environment_along_by_one_command() {
    let mut stage = Stage::activated().await;
    let (before, old) = (stage.status(), stage.keys().0);
    stage.hardware.is_another();
    stage.pass(HOUR + MINUTE).await;
    assert!(stage.conditions().contains(&ConditionType::HardwareChanged));
    let refused = stage.activate().await.unwrap_err();
    assert_eq!(refused.code(), "hardware-changed");
    assert!(refused.detail.contains("entitlectl rebind"), "{}", refused.detail);
    let refused = stage.request_by_hand(RequestKind::Activate).await.unwrap_err();
    assert_eq!(refused.code(), "hardware-changed");

    // Nothing changes before the portal's word.
    stage.link.cut();
    stage.rebind().await.unwrap_err();
    assert_eq!(stage.status().serial_number, before.serial_number);
    assert_eq!(stage.keys(), (old.clone(), true));
    stage.link.mend();
    let done = stage.rebind().await.unwrap();
    assert_eq!(done.status.state, State::Active);
    stage.pass(MINUTE).await;
    assert_rekeyed(&stage, &old);
    let status = stage.status();
    assert_ne!(status.serial_number, before.serial_number);
    assert_eq!(status.environment, before.environment);
    assert_eq!(status.hardware.unwrap().verdict, Verdict::Unchanged);
    assert_eq!(stage.environment().serial_number, status.serial_number.unwrap());
    assert!(stage.events().iter().any(|e| e.action == "reenrolled"));
    assert_eq!(last_sent(&stage).request, RequestKind::Move);
    assert_ne!(last_sent(&stage).evidence, []);
    stage.restart().await;
    stage.refresh().await.unwrap();
    assert_eq!(stage.conditions(), []);
    assert!(!stage.environment().chain.is_forked());
}

#[tokio::test(start_paused = true)]
async fn other_hardware_by_courier() {
    let stage = Stage::activated().await;
    let (before, old) = (stage.status(), stage.keys().0);
    stage.link.cut();
    stage.hardware.is_another();
    stage.pass(HOUR + MINUTE).await;
    let request = stage.request_by_hand(RequestKind::Rebind).await.unwrap();
    let answer = stage.portal.handle_request(request.as_bytes()).unwrap();
    stage.install(answer).await.unwrap();
    stage.link.mend();
    stage.refresh().await.unwrap();
    assert_rekeyed(&stage, &old);
    assert_ne!(stage.status().serial_number, before.serial_number);
}

#[tokio::test(start_paused = true)]
async fn a_board_that_keeps_its_uuid_among_other_parts_is_taken_along() {
    let stage = Stage::activated().await;
    let (before, old) = (stage.status(), stage.keys().0);
    stage.hardware.keeps_its_uuid_alone();
    stage.pass(HOUR + MINUTE).await;
    assert_eq!(stage.status().hardware.unwrap().verdict, Verdict::DifferentMachine);
    stage.rebind().await.unwrap();
    stage.pass(MINUTE).await;
    assert_rekeyed(&stage, &old);
    assert_eq!(stage.status().serial_number, before.serial_number);
    assert_eq!(stage.status().hardware.unwrap().verdict, Verdict::Unchanged);
}

#[tokio::test(start_paused = true)]
async fn a_key_may_be_changed_on_the_same_hardware() {
    let stage = Stage::activated().await;
    for _ in 0..2 {
        let old = stage.keys().0;
        stage.rebind().await.unwrap();
        stage.pass(MINUTE).await;
        assert_rekeyed(&stage, &old);
        assert_eq!(last_sent(&stage).request, RequestKind::Rebind);
    }
    stage.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn an_unlicensed_machine_is_enrolled_anew_as_what_it_is() {
    let mut stage = Stage::started().await;
    let before = stage.status().serial_number;
    stage.hardware.is_another();
    stage.restart().await;
    let status = stage.status();
    assert_ne!(status.serial_number, before);
    assert_eq!(status.hardware.unwrap().verdict, Verdict::Unchanged);
    assert!(stage.events().iter().any(|e| e.action == "reenrolled"));
    stage.activate().await.unwrap();
    assert_eq!(Some(stage.environment().serial_number), status.serial_number);
}

/// A machine whose state and key were lost, in a subscription where a rebind needs approval.
#[tokio::test(start_paused = true)]
async fn a_rebind_that_waits_is_asked_for_again_with_the_same_key() {
    let mut stage = Stage::activated().await;
    let id = stage.subscription.id;
    let approval = |terms: &mut crate::portal::domain::Terms| terms.rebind = RebindPolicy::Approval;
    stage.portal.update_subscription(id, approval).unwrap();
    stage.stop().await;
    stage.store = crate::store::tests::FlakyStore::default();
    std::fs::remove_file(stage.directory.path().join("environment.key")).unwrap();
    stage.directory.forget_activation_code().unwrap();
    stage.start().await;
    let code = Some(stage.subscription.activation_code.clone());
    let refused = stage.change(Command::Rebind { code, rebind_code: None }).await.unwrap_err();
    assert_eq!(refused.code(), "rebind-pending");
    let key = stage.keys().0;
    // Who approves it compares the key with the one that is shown on the machine.
    let shown = |event: &crate::store::StoredEvent| {
        event.action == "requested" && event.detail.contains(&key.to_string())
    };
    assert!(stage.events().iter().any(shown));
    let waits =
        |stage: &Stage| stage.status().conditions.iter().any(|c| c.reason == "AwaitsApproval");
    assert!(waits(&stage));
    stage.link.forget_sent();
    stage.restart().await;
    stage.pass(HOUR * 3).await;
    assert!(waits(&stage));
    let sent = stage.link.sent().len();
    assert!((2..=4).contains(&sent), "{sent} in three hours");
    let pending = stage.portal.pending_rebinds().unwrap();
    assert_eq!(pending.iter().map(|p| &p.key).collect::<Vec<_>>(), [&key]);
    stage.portal.approve_rebind(stage.environment().id, None).unwrap();
    stage.pass(HOUR * 2).await;
    assert_eq!((stage.status().state, stage.keys()), (State::Active, (key, false)));
    assert_eq!(stage.conditions(), []);
    stage.link.forget_sent();
    stage.pass(HOUR * 3).await;
    assert_eq!(stage.link.sent(), [""; 0]);
}

/// A copy that was given up by mistake is the right machine after all.
#[tokio::test(start_paused = true)]
async fn a_retired_key_is_followed_by_a_new_one_where_the_vendor_allows_it() {
    let (stage, copy) = forked().await;
    stage.refresh().await.unwrap();
    stage.pass(MINUTE).await;
    copy.refresh().await.unwrap();
    let free = |terms: &mut crate::portal::domain::Terms| terms.rebind = RebindPolicy::Free;
    stage.portal.update_subscription(stage.subscription.id, free).unwrap();
    let old = copy.keys().0;
    copy.rebind().await.unwrap();
    copy.pass(MINUTE).await;
    assert_rekeyed(&copy, &old);
    stage.refresh().await.unwrap();
    assert_eq!(stage.status().reason, Reason::Retired);
}

#[tokio::test(start_paused = true)]
async fn every_older_document_of_a_retired_key_stays_refused() {
    let (stage, copy) = forked().await;
    let held = copy.state().license.unwrap().text;
    stage.refresh().await.unwrap();
    stage.pass(MINUTE).await;
    let newest = stage.state().license.unwrap().text;
    copy.refresh().await.unwrap();
    assert_eq!(copy.install(held).await.unwrap_err().code(), "document-sequence");
    assert_eq!(copy.install(newest).await.unwrap_err().code(), "document-binding");
    assert_eq!(copy.status().reason, Reason::Retired);
    // It is no bar to another environment, whose sequences begin anew.
    let other = stage.portal.create_subscription("A customer", super::props::terms()).unwrap();
    let code = Some(other.activation_code);
    copy.change(Command::Activate { code, name: None, purpose: None }).await.unwrap();
    assert_eq!(copy.status().state, State::Active);
    let mut store = copy.store.clone();
    assert!(store.load().unwrap().retired.is_none());
}

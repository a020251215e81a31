//! What the portal is told of usage: nothing without the operator's word, figures alone, and no peak twice forgotten.

use super::{
    stage::*,
    usage::{report, report_users},
};
use crate::{
    api::{Command, Reply},
    license::{RequestKind, ToldLimit, ToldUsage},
    portal::{UsageRoad, UsageView},
};
use std::time::Duration;

/// An activated agent whose operator lets the portal know.
async fn telling() -> Stage {
    let mut stage = Stage::activated().await;
    stage.reports_usage = true;
    stage.restart().await;
    stage
}

/// What the last request that was sent tells.
fn told(stage: &Stage) -> Option<ToldUsage> {
    claims(stage.link.sent().last().unwrap()).usage
}

fn users(stage: &Stage) -> ToldLimit {
    told(stage).unwrap().limits["users"]
}

fn known(stage: &Stage) -> UsageView {
    stage.portal.usage(stage.subscription.id).unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_the_operator_s_word_nothing_is_told() {
    let stage = Stage::activated().await;
    report(&stage, "app", 42, DAY).await.unwrap();
    stage.refresh().await.unwrap();
    let by_hand = stage.request_by_hand(RequestKind::Refresh).await.unwrap();
    assert_eq!((told(&stage), claims(&by_hand).usage), (None, None));
    assert!(known(&stage).limits[0].environments.is_empty());
    assert!(!stage.events().iter().any(|event| event.detail.contains("what is used")));
    let asked = stage.call(Command::Usage).await;
    let Ok(Reply::Usage(overview)) = asked else { panic!("{asked:?}") };
    assert_eq!(overview.told_to_portal, Some(false));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_tells_sums_and_peaks_and_no_users() {
    let stage = telling().await;
    stage.refresh().await.unwrap();
    assert_eq!(told(&stage), None, "nobody has reported");
    report(&stage, "app", 40, DAY).await.unwrap();
    report_users(&stage, &["ada@example.org", "bob@example.org"], &[], HOUR).await.unwrap();
    stage.pass(HOUR * 2).await;
    stage.refresh().await.unwrap();
    let figures = users(&stage);
    assert_eq!((figures.used, figures.peak.map(|peak| peak.used)), (Some(40), Some(42)));
    let measured_at = told(&stage).unwrap().measured_at;
    let limit = known(&stage).limits.remove(0);
    let [environment] = &limit.environments[..] else { panic!("{limit:?}") };
    assert_eq!((environment.used, environment.peak), (Some(40), 42));
    assert_eq!((environment.measured_at, environment.road), (measured_at, UsageRoad::Online));
    let sent = format!("{:?}", claims(stage.link.sent().last().unwrap()));
    assert!(!sent.contains("ada@") && !sent.contains("app\""), "{sent}");
    let last = stage.events().into_iter().rfind(|event| event.action == "requested").unwrap();
    assert!(last.detail.ends_with(", tells what is used"), "{}", last.detail);
    let asked = stage.call(Command::Usage).await;
    let Ok(Reply::Usage(overview)) = asked else { panic!("{asked:?}") };
    assert_eq!(overview.told_to_portal, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_peak_is_told_until_a_day_after_its_own_is_answered() {
    let stage = telling().await;
    report(&stage, "app", 90, MINUTE).await.unwrap();
    stage.link.cut();
    stage.pass(DAY * 3).await;
    report(&stage, "app", 10, DAY).await.unwrap();
    stage.link.mend();
    // The request that waited was made before; the next one has all days since the last answer.
    stage.pass(DAY).await;
    stage.refresh().await.unwrap();
    let peaks: Vec<_> = stage.link.sent().iter().filter_map(|text| claims(text).usage).collect();
    assert!(peaks.iter().any(|told| told.limits["users"].peak.unwrap().used == 90), "{peaks:?}");
    stage.pass(DAY).await;
    report(&stage, "app", 11, DAY).await.unwrap();
    stage.refresh().await.unwrap();
    stage.refresh().await.unwrap();
    assert_eq!(users(&stage).peak.unwrap().used, 11);
}

#[tokio::test(start_paused = true)]
async fn by_hand_it_is_told_as_well_and_a_release_tells_nothing() {
    let mut stage = telling().await;
    stage.stop().await;
    stage.is_on_line = false;
    stage.start().await;
    report(&stage, "app", 7, DAY).await.unwrap();
    let request = stage.request_by_hand(RequestKind::Refresh).await.unwrap();
    assert_eq!(claims(&request).usage.unwrap().limits["users"].used, Some(7));
    let answer = stage.portal.handle_carried_request(request.as_bytes()).unwrap();
    stage.install(answer).await.unwrap();
    let limit = known(&stage).limits.remove(0);
    let told = &limit.environments[0];
    assert_eq!((told.used, told.road), (Some(7), UsageRoad::Courier));
    let release = stage.request_by_hand(RequestKind::Release).await.unwrap();
    assert_eq!(claims(&release).usage, None);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_keeps_no_request_back() {
    let stage = telling().await;
    stage.store.fail(true);
    report(&stage, "app", 7, DAY).await.unwrap();
    stage.pass(Duration::from_secs(1)).await;
    stage.refresh().await.unwrap();
    assert_eq!(users(&stage).used, Some(7));
    stage.store.fail(false);
    stage.pass(HOUR).await;
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

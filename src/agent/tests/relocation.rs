//! A controller that moves by one bundle, with an end at any step of it.

use super::{peril::Place, stage::*};
use crate::{
    api::{BundleOrder, Command, Done, ExportOrder, Problem, Reply},
    bundle::Contents,
    entitlement::{Reason, State},
    store::{MemberRecord, RosterChange, Store},
};
use uuid::Uuid;

async fn export(stage: &Stage) -> Result<Contents, Problem> {
    let order = ExportOrder { controllers: vec!["new.example".to_owned()], time_to_live: DAY * 7 };
    match stage.call(Command::Bundle(BundleOrder::Export(order))).await? {
        Reply::Bundle(contents) => Ok(*contents),
        other => panic!("expected a bundle, found {other:?}"),
    }
}

async fn import(stage: &Stage, contents: &Contents) -> Result<Done, Problem> {
    let contents = Box::new(contents.clone());
    stage.change(Command::Bundle(BundleOrder::Import { contents, by_hand: false })).await
}

/// A controller with a member, and a machine that is to be it.
async fn two() -> (Stage, Stage) {
    let mut old = Stage::activated().await;
    old.stop().await;
    old.directory.authority_key().unwrap();
    let at = old.world.truth();
    let member = RosterChange::Member(MemberRecord {
        id: Uuid::from_u128(5),
        name: "db1".to_owned(),
        address: "192.0.2.5".parse().unwrap(),
        joined_at: at,
        certificate_expires_at: at,
        token: None,
        removed_at: None,
    });
    old.store.clone().commit_with(&old.state(), &[], &[member]).unwrap();
    old.start().await;
    let mut new = old.beside();
    new.start().await;
    (old, new)
}

/// It is the controller, with a key that was never in the bundle.
async fn assert_arrived(old: &Stage, new: &Stage, contents: &Contents) {
    new.pass(MINUTE).await;
    let carried = crate::license::KeyPair::from_pem(&contents.key).unwrap().thumbprint();
    assert_ne!(new.keys().0, carried, "others may have read that one");
    let status = new.status();
    assert_eq!((status.state, status.conditions.as_slice()), (State::Active, &[][..]));
    let environment = new.environment();
    assert_eq!(environment.key.map(|key| key.thumbprint()), Some(new.keys().0));
    assert_eq!(Some(environment.serial_number), status.serial_number);
    let state = new.state();
    assert!(!new.keys().1 && state.arrival.is_none() && state.offer.is_none());
    let authority = |stage: &Stage| stage.directory.authority_key().unwrap().thumbprint();
    assert_eq!(authority(new), authority(old));
    assert_eq!(new.store.clone().roster().unwrap(), old.store.clone().roster().unwrap());
    assert!(new.directory.usage_key().unwrap() == old.directory.usage_key().unwrap());
    let code = new.directory.activation_code().unwrap();
    assert!(code == Some(old.subscription.activation_code.clone()));
    assert!(new.directory.staged().unwrap().is_none());
    new.assert_no_fork();
}

#[tokio::test(start_paused = true)]
async fn one_bundle_makes_a_machine_the_controller() {
    let (old, mut new) = two().await;
    let contents = export(&old).await.unwrap();
    assert_eq!(contents.controllers, ["new.example:7443"]);
    old.refresh().await.unwrap();
    assert!(old.status().entitled && !new.status().entitled);
    let done = import(&new, &contents).await.unwrap();
    assert!(done.message.contains("1 members wait"), "{}", done.message);
    assert_arrived(&old, &new, &contents).await;
    assert!(old.status().entitled, "it was not told yet");
    old.refresh().await.unwrap();
    let status = old.status();
    assert_eq!((status.state, status.reason), (State::Unlicensed, Reason::Retired));
    assert!(status.message.contains("shown the way to new.example:7443"), "{}", status.message);
    new.restart().await;
    new.refresh().await.unwrap();
    assert_arrived(&old, &new, &contents).await;
    // For the lease and no longer.
    old.idle(DAY * 31).await;
    assert!(!old.status().message.contains("new.example"), "{}", old.status().message);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_ends_within_an_import_goes_on_or_has_none() {
    let mut taken = 0;
    for (place, step, most) in
        [(Place::AtTheClock, 3, 90), (Place::BeforeCommit, 1, 6), (Place::AfterCommit, 1, 6)]
    {
        for after in (0..most).step_by(step) {
            let (old, mut new) = two().await;
            let contents = export(&old).await.unwrap();
            new.peril.await_at(place, after);
            let handle = new.handle().clone();
            let order = Command::Bundle(BundleOrder::Import {
                contents: Box::new(contents.clone()),
                by_hand: false,
            });
            let asked = tokio::spawn(async move { handle.call("tester".to_owned(), order).await });
            new.pass(MINUTE).await;
            asked.abort();
            new.peril.avert();
            if new.has_died() {
                new.bury().await;
                new.start().await;
            }
            new.pass(HOUR * 2).await;
            if new.status().entitled {
                taken += 1;
            } else {
                // It ended before anything was stored: nothing of the bundle may be left.
                assert!(new.state().arrival.is_none() && !new.keys().1, "{place:?} {after}");
                assert!(new.directory.staged().unwrap().is_none());
                assert!(old.refresh().await.is_ok() && old.status().entitled);
                import(&new, &contents).await.unwrap();
            }
            assert_arrived(&old, &new, &contents).await;
            old.refresh().await.unwrap();
            assert_eq!(old.status().reason, Reason::Retired, "{place:?} {after}");
        }
    }
    assert!(taken > 10, "the ends are within the import: {taken}");
}

/// Its key files could not be put in their place before the end.
#[tokio::test(start_paused = true)]
async fn key_files_take_their_place_at_the_start() {
    let (old, mut new) = two().await;
    let contents = export(&old).await.unwrap();
    // The place of one of them is taken by a folder, which no file replaces.
    let wall = new.directory.path().join("activation-code");
    std::fs::create_dir(&wall).unwrap();
    let refused = import(&new, &contents).await.unwrap_err();
    assert_eq!(refused.code(), "store-file", "{refused:?}");
    assert!(!new.status().entitled && new.state().arrival.is_some());
    std::fs::remove_dir(&wall).unwrap();
    new.restart().await;
    new.pass(HOUR).await;
    assert_arrived(&old, &new, &contents).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_and_an_expired_bundle_are_worth_nothing() {
    let (old, mut new) = two().await;
    assert_eq!(
        old.call(Command::Bundle(BundleOrder::Cancel)).await.unwrap_err().code(),
        "no-export"
    );
    let (first, second) = (export(&old).await.unwrap(), export(&old).await.unwrap());
    old.refresh().await.unwrap();
    assert_eq!(import(&new, &first).await.unwrap_err().code(), "request-overtaken");
    // Nothing of it is left, so that the next one may come.
    let state = new.state();
    assert!(state.arrival.is_none() && state.offer.is_none() && !new.keys().1);
    assert!(new.directory.activation_code().unwrap().is_none());
    let authority = |stage: &Stage| stage.directory.authority_key().unwrap().thumbprint();
    assert_ne!(authority(&new), authority(&old));
    assert_eq!(new.store.clone().roster().unwrap().members().count(), 0);
    old.change(Command::Bundle(BundleOrder::Cancel)).await.unwrap();
    assert_eq!(import(&new, &second).await.unwrap_err().code(), "request-overtaken");
    let third = export(&old).await.unwrap();
    old.idle(DAY * 8).await;
    assert_eq!(import(&new, &third).await.unwrap_err().code(), "consent-expired");
    let last = export(&old).await.unwrap();
    import(&new, &last).await.unwrap();
    assert_arrived(&old, &new, &last).await;
    new.restart().await;
    assert_eq!(import(&new, &last).await.unwrap_err().code(), "environment-here");
    // A bundle makes one machine the controller, and no second.
    let mut third_machine = old.beside();
    third_machine.start().await;
    import(&third_machine, &last).await.unwrap_err();
    third_machine.pass(HOUR * 3).await;
    assert!(!third_machine.status().entitled && third_machine.state().arrival.is_none());
    assert!(new.status().entitled);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_whose_parts_do_not_fit_is_refused_before_anything_is_stored() {
    let (old, new) = two().await;
    let contents = export(&old).await.unwrap();
    let other = export(&old).await.unwrap();
    let before = (new.state(), std::fs::read_dir(new.directory.path()).unwrap().count());
    let with = |change: fn(&mut Contents, &Contents)| {
        let mut changed = contents.clone();
        change(&mut changed, &other);
        changed
    };
    for (wrong, code) in [
        (with(|c, _| c.product = "other".to_owned()), "document-audience"),
        (with(|c, o| c.key = o.key.clone()), "document-request"),
        (with(|c, o| c.request = o.request), "document-request"),
        (with(|c, _| c.consent = c.license.clone()), "document-type"),
        (with(|c, _| c.license.push('A')), "document-"),
        (with(|c, _| c.trust = String::new()), "document-no-trust"),
        (with(|c, _| c.key = "no key".to_owned().into()), "document-"),
        (with(|c, _| c.activation_code = Some("no code".to_owned().into())), "document-request"),
    ] {
        let refused = import(&new, &wrong).await.unwrap_err();
        assert!(refused.code().starts_with(code), "{code}: {refused:?}");
    }
    let after = std::fs::read_dir(new.directory.path()).unwrap().count();
    let stored = |mut state: crate::store::AgentState| {
        (state.revision, state.time) = (0, crate::entitlement::TimeMark::default());
        state
    };
    assert_eq!((stored(new.state()), after), (stored(before.0), before.1));
    assert_eq!(export(&new).await.unwrap_err().code(), "not-activated");
    let order = ExportOrder { controllers: Vec::new(), time_to_live: DAY };
    let refused = old.call(Command::Bundle(BundleOrder::Export(order))).await.unwrap_err();
    assert_eq!(refused.code(), "no-address");
}

/// A portal that refuses for now is asked again.
#[tokio::test(start_paused = true)]
async fn an_import_that_waits_locks_out_what_would_make_another_environment() {
    let (old, new) = two().await;
    let contents = export(&old).await.unwrap();
    old.portal.suspend_subscription(old.subscription.id).unwrap();
    assert_eq!(import(&new, &contents).await.unwrap_err().code(), "subscription-suspended");
    assert_eq!(new.activate().await.unwrap_err().code(), "import-open");
    assert_eq!(new.rebind_by_code(None).await.unwrap_err().code(), "import-open");
    assert_eq!(new.call(Command::OfferMove).await.unwrap_err().code(), "import-open");
    let other = export(&old).await.unwrap();
    assert_eq!(import(&new, &other).await.unwrap_err().code(), "import-open");
    assert!(old.status().entitled);
    old.portal.resume_subscription(old.subscription.id).unwrap();
    new.pass(HOUR * 2).await;
    assert_arrived(&old, &new, &contents).await;
}

#[tokio::test(start_paused = true)]
async fn an_environment_moves_back_by_bundles() {
    let (mut old, new) = two().await;
    let contents = export(&old).await.unwrap();
    import(&new, &contents).await.unwrap();
    old.refresh().await.unwrap();
    let contents = export(&new).await.unwrap();
    import(&old, &contents).await.unwrap();
    assert_arrived(&new, &old, &contents).await;
    assert!(old.state().signpost.is_none(), "it is the controller again");
    new.refresh().await.unwrap();
    assert_eq!(new.status().reason, Reason::Retired);
    old.restart().await;
    assert!(old.status().entitled);
}

//! A disk that fails: what was fetched is served from memory, stored as soon as it can be, and asked for only once.

use super::stage::*;
use crate::{
    api::Command,
    entitlement::{ConditionType, State},
    license::Sequence,
    portal::domain::Terms,
    store::{SqliteStore, Store},
};
use rusqlite::Connection;

fn renew(stage: &Stage, edition: &'static str) {
    let edit = move |terms: &mut Terms| terms.edition = edition.to_owned();
    stage.portal.update_subscription(stage.subscription.id, edit).unwrap();
}

fn edition(stage: &Stage) -> String {
    stage.status().license.unwrap().edition
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_can_not_be_stored_is_served_and_stored_later() {
    let mut stage = Stage::activated().await;
    let stored = stage.state();
    let (entries, generation) = (stage.events().len(), stage.generation());
    stage.store.fail(true);
    renew(&stage, "ultimate");
    let status = stage.refresh().await.unwrap().status;
    assert_eq!((status.state, status.entitled), (State::Active, true));
    assert_eq!(edition(&stage), "ultimate");
    assert_eq!(stage.conditions(), [ConditionType::StoreDegraded]);
    assert_eq!(stage.state(), stored);
    // Another refresh meanwhile.
    stage.idle(DAY).await;
    stage.refresh().await.unwrap();
    assert_eq!(stage.conditions(), [ConditionType::StoreDegraded]);

    stage.store.fail(false);
    stage.pass(MINUTE).await;
    assert_eq!(stage.conditions(), []);
    assert_eq!(stage.state().floor, Some(Sequence(2)));
    assert!(stage.generation() > generation);
    let actions = stage.actions_after(entries);
    let count = |word| actions.iter().filter(|action| *action == word).count();
    assert_eq!(count("license-installed"), 1, "{actions:?}");
    assert_eq!(count("requested"), count("answered"), "{actions:?}");

    stage.refresh().await.unwrap();
    stage.restart().await;
    assert_eq!(edition(&stage), "ultimate");
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

/// Neither a second start on a disk that still refuses, nor answers that were lost on the way, make a copy of this machine.
#[tokio::test(start_paused = true)]
async fn a_crash_while_nothing_can_be_stored_is_no_fork() {
    for starts in 1..=3 {
        let mut stage = Stage::activated().await;
        stage.store.fail(true);
        for start in 0..starts {
            renew(&stage, if start % 2 == 0 { "ultimate" } else { "standard" });
            stage.refresh().await.unwrap();
            stage.link.lose_answers();
            stage.refresh().await.unwrap_err();
            stage.link.mend();
            for _ in 0..3 {
                stage.leap(DAY).await;
                stage.refresh().await.unwrap();
            }
            assert_eq!(stage.conditions(), [ConditionType::StoreDegraded]);
            stage.kill().await;
            stage.start().await;
            assert!(stage.status().entitled);
        }
        stage.kill().await;
        stage.store.fail(false);
        stage.start().await;
        stage.refresh().await.unwrap();
        assert_eq!(stage.conditions(), []);
        stage.restart().await;
        stage.refresh().await.unwrap();
        stage.assert_no_fork();
    }
}

/// Two processes, neither of which can store anything, draw from one reserve without knowing of each other.
#[tokio::test(start_paused = true)]
async fn an_id_that_an_earlier_process_used_is_passed_over() {
    let mut stage = Stage::activated().await;
    stage.store.fail(true);
    for refreshes in [20, 10] {
        for _ in 0..refreshes {
            stage.refresh().await.unwrap();
        }
        stage.kill().await;
        stage.start().await;
    }
    stage.store.fail(false);
    stage.restart().await;
    stage.refresh().await.unwrap();
    assert_eq!(stage.conditions(), []);
    stage.assert_no_fork();
    // More than are kept: nothing is locked, though a crash would be a fork.
    stage.store.fail(true);
    for _ in 0..40 {
        stage.refresh().await.unwrap();
    }
    stage.store.fail(false);
    stage.pass(MINUTE).await;
    stage.restart().await;
    stage.refresh().await.unwrap();
    stage.assert_no_fork();
}

/// The same for what an operator asks: it is not refused for an id that was nobody's choice.
#[tokio::test(start_paused = true)]
async fn an_id_that_an_earlier_process_used_refuses_no_release_and_no_activation() {
    let mut stage = Stage::activated().await;
    stage.store.fail(true);
    for _ in 0..28 {
        stage.refresh().await.unwrap();
    }
    stage.kill().await;
    stage.start().await;
    stage.change(Command::Release).await.unwrap();
    stage.activate().await.unwrap();
    assert_eq!(stage.status().state, State::Active);
    stage.store.fail(false);
    stage.pass(MINUTE).await;
    assert_eq!(stage.conditions(), []);
    stage.assert_no_fork();
}

/// The ids that are kept for such a disk hide no snapshot that was restored.
#[tokio::test(start_paused = true)]
async fn a_restored_snapshot_forks_all_the_same() {
    let mut stage = Stage::activated().await;
    let snapshot = stage.state();
    stage.refresh().await.unwrap();
    stage.kill().await;
    stage.store.clone().commit(&snapshot, &[]).unwrap();
    stage.start().await;
    stage.refresh().await.unwrap();
    assert_eq!(stage.conditions(), [ConditionType::CloneSuspected]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_commits_and_complains_is_told_of() {
    let stage = Stage::activated().await;
    let generation = stage.generation();
    stage.store.complain(true);
    stage.pass(MINUTE).await;
    assert_eq!(stage.conditions(), [ConditionType::StoreDegraded]);
    assert_eq!(stage.generation(), generation + 1);
    stage.pass(HOUR).await;
    assert_eq!(stage.generation(), generation + 1);
    stage.store.complain(false);
    stage.pass(MINUTE).await;
    assert_eq!((stage.conditions(), stage.generation()), (vec![], generation + 2));
}

/// The same on a real disk, whose database a trigger makes refuse.
struct Disk(Stage);

impl Disk {
    async fn activated() -> Self {
        let mut disk = Self(Stage::new());
        disk.start().await;
        disk.0.activate().await.unwrap();
        disk
    }

    async fn start(&mut self) {
        let opened = SqliteStore::open(&self.0.directory).unwrap();
        self.0.start_with(Box::new(opened.store), opened.recovered).await;
    }

    fn database(&self) -> std::path::PathBuf {
        self.0.directory.path().join("entitled.db")
    }

    fn execute(&self, sql: &str) {
        Connection::open(self.database()).unwrap().execute_batch(sql).unwrap();
    }

    fn refuse(&self) {
        self.execute(
            "CREATE TRIGGER no_events BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END;
             CREATE TRIGGER no_state BEFORE INSERT ON state BEGIN SELECT RAISE(ABORT, 'full'); END;",
        );
    }

    fn relent(&self) {
        self.execute("DROP TRIGGER no_events; DROP TRIGGER no_state");
    }

    fn details(&self) -> Vec<String> {
        let mut store = SqliteStore::open(&self.0.directory).unwrap().store;
        store.events(1_000).unwrap().into_iter().map(|event| event.detail).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_the_database_refused_outlives_a_crash() {
    let mut disk = Disk::activated().await;
    disk.refuse();
    renew(&disk.0, "ultimate");
    disk.0.refresh().await.unwrap();
    assert_eq!(disk.0.conditions(), [ConditionType::StoreDegraded]);
    disk.0.kill().await;
    // It still refuses when the next one starts.
    disk.start().await;
    assert_eq!((edition(&disk.0), disk.0.status().entitled), ("ultimate".to_owned(), true));
    assert_eq!(disk.0.conditions(), [ConditionType::StoreDegraded]);
    disk.0.refresh().await.unwrap();
    disk.relent();
    disk.0.pass(MINUTE).await;
    assert_eq!(disk.0.conditions(), []);
    disk.0.refresh().await.unwrap();
    disk.0.assert_no_fork();
    disk.0.stop().await;
    let details = disk.details();
    let mut once = details.clone();
    once.sort();
    once.dedup();
    let requests =
        |details: &[String]| details.iter().filter(|d| d.starts_with("refresh ")).count();
    assert_eq!(requests(&once), requests(&details), "{details:?}");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_was_lost_or_damaged_costs_history_and_no_fork() {
    for damage in [None, Some("garbage ".repeat(1_000))] {
        let mut disk = Disk::activated().await;
        disk.0.refresh().await.unwrap();
        let generation = disk.0.generation();
        disk.0.kill().await;
        match damage {
            None => std::fs::remove_file(disk.database()).unwrap(),
            Some(garbage) => std::fs::write(disk.database(), garbage).unwrap(),
        }
        disk.start().await;
        let status = disk.0.status();
        assert!(status.entitled);
        assert_eq!(disk.0.conditions(), [ConditionType::StoreDegraded]);
        assert_eq!(status.generation, generation + 1);
        disk.0.refresh().await.unwrap();
        disk.0.assert_no_fork();
    }
}

//! What a member's programs use: told to the controller without a stampede, and checked by its sums as long as they are fresh.

use super::*;
use crate::{
    api::{Problem, Reply, UsageReport, UserNames, UsersReport},
    entitlement::Allowance,
    license::{Enforcement, Limit},
    usage::{Batch, Figure, Figures, UserKey, check},
};
use zeroize::Zeroizing;

const HARD: Limit = Limit { limit: Some(100), enforcement: Enforcement::Hard };

fn limited() -> Stated {
    Stated::with(|stated| {
        stated.license.limits.insert("users".to_owned(), HARD);
    })
}

fn figures(used: u64) -> Figures {
    let limits = [("users".to_owned(), Figure { used, lowest: used })].into();
    Figures { limits, servers: 3, away: 0, settled: true }
}

impl Server {
    /// That hears a controller with a hard limit of 100 users.
    async fn counting() -> Self {
        let server = Self::started().await;
        server.hear(&limited()).await;
        server.say(Heard::Connected { address: "controller.example:7443".to_owned() }).await;
        server
    }

    async fn call(&self, command: Command) -> Result<Reply, Problem> {
        let answer = self.running().handle.call("a test".to_owned(), command).await;
        settle().await;
        answer
    }

    async fn gauge(&self, value: u64) -> Result<Reply, Problem> {
        let (limit, reporter) = ("users".to_owned(), "app".to_owned());
        let report = UsageReport { limit, reporter, value, time_to_live: HOUR };
        self.call(Command::ReportUsage(report)).await
    }

    async fn user(&self, name: &str) -> Result<Reply, Problem> {
        let users = UserNames(vec![Zeroizing::new(name.to_owned())]);
        let (limit, left) = ("users".to_owned(), UserNames(Vec::new()));
        self.call(Command::ReportUsers(UsersReport { limit, users, left, time_to_live: HOUR }))
            .await
    }

    /// The batches that were ordered since the last look.
    fn batches(&mut self) -> Vec<Batch> {
        let orders = &mut self.running.as_mut().unwrap().orders;
        let batch = |order| match order {
            Order::TellUsage { batch } => Some(batch),
            _ => None,
        };
        std::iter::from_fn(|| orders.try_recv().ok()).filter_map(batch).collect()
    }

    fn ask(&self, amount: u64) -> Allowance {
        let used = self.status().limits["users"].used;
        let knowledge = self.running().handle.usage.borrow().of("users", used);
        check("users", amount, Some(HARD), &knowledge, (true, 1))
    }
}

fn values(batches: &[Batch]) -> Vec<u64> {
    batches.iter().flat_map(|batch| &batch.gauges).map(|gauge| gauge.value).collect()
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_soon_and_at_most_once_a_second() {
    let mut server = Server::counting().await;
    assert_eq!(server.batches(), []);
    for value in 1..=5 {
        server.gauge(value).await.unwrap();
    }
    // The first at once; the others wait until that is taken, and for their second.
    assert_eq!(values(&server.batches()), [1]);
    assert!(server.ask(95).message.contains("5 of 100"), "{:?}", server.ask(95));
    server.say(Heard::UsageTold(Ok(figures(31)))).await;
    assert_eq!((server.batches().len(), server.status().limits["users"].used), (0, Some(31)));
    // What the controller does not know yet is counted beside its sum.
    assert_eq!(
        (server.ask(1).used, server.ask(65).allowed, server.ask(66).allowed),
        (Some(35), true, false)
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(values(&server.batches()), [5]);
    server.say(Heard::UsageTold(Ok(figures(35)))).await;
    assert_eq!(
        (server.ask(1).used, server.ask(65).allowed, server.ask(66).allowed),
        (Some(35), true, false)
    );
    tokio::time::sleep(MINUTE).await;
    assert_eq!(server.batches(), []);
    // A controller that takes nothing is asked again, and not without a pause.
    server.gauge(6).await.unwrap();
    assert_eq!(values(&server.batches()), [6]);
    let refused =
        |code: &str| MembersError::Refused { code: code.to_owned(), detail: String::new() };
    server.say(Heard::UsageTold(Err(refused("too-much-usage")))).await;
    assert_eq!(server.batches(), []);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(values(&server.batches()), [6]);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_connection_everything_is_told_again() {
    let mut server = Server::counting().await;
    server.gauge(7).await.unwrap();
    server.say(Heard::UsageTold(Ok(figures(7)))).await;
    server.batches();
    let lost = || MembersError::Unreachable { address: "a".to_owned(), reason: "b".to_owned() };
    server.say(Heard::Lost(lost())).await;
    server.gauge(8).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(server.batches(), []);
    server.say(Heard::Connected { address: "controller.example:7443".to_owned() }).await;
    assert_eq!(values(&server.batches()), [8]);
}

#[tokio::test(start_paused = true)]
async fn a_check_without_fresh_sums_allows_and_says_so() {
    let server = Server::counting().await;
    let stale = |answer: &Allowance| {
        assert_eq!(
            (answer.allowed, answer.fresh, &answer.reason[..]),
            (true, false, "figures-stale")
        );
        assert_eq!(answer.overshoot.at_most, None);
    };
    stale(&server.ask(1_000));
    assert_eq!(server.ask(1).age_seconds, None);
    server.say(Heard::Usage(figures(100))).await;
    let answer = server.ask(1);
    assert_eq!((answer.allowed, answer.fresh, answer.age_seconds), (false, true, Some(0)));
    assert_eq!(server.ask(0).overshoot.at_most, Some(0));
    // Its signs of life keep them fresh; silence for longer than their interval does not.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!server.ask(1).allowed);
        server.say(Heard::Beat).await;
    }
    tokio::time::sleep(Duration::from_secs(41)).await;
    stale(&server.ask(1));
    assert_eq!(server.ask(1).age_seconds, Some(41));
    server.say(Heard::Beat).await;
    assert!(!server.ask(1).allowed);
    let lost = MembersError::Unreachable { address: "a".to_owned(), reason: "b".to_owned() };
    server.say(Heard::Lost(lost)).await;
    stale(&server.ask(1));
    // What is shown stays as it was known last.
    assert_eq!(server.status().limits["users"].used, Some(100));
    server.say(Heard::Connected { address: "controller.example:7443".to_owned() }).await;
    server.hear(&limited()).await;
    stale(&server.ask(1));
    let starting = Figures { settled: false, ..figures(0) };
    server.say(Heard::Usage(starting)).await;
    stale(&server.ask(1));
    server.say(Heard::Usage(figures(99))).await;
    assert_eq!((server.ask(1).allowed, server.ask(2).allowed), (true, false));
}

#[tokio::test(start_paused = true)]
async fn users_wait_for_the_key_and_nothing_of_them_is_kept() {
    let mut server = Server::started().await;
    assert_eq!(server.gauge(1).await.unwrap_err().code(), "no-such-limit");
    server.hear(&limited()).await;
    server.say(Heard::Connected { address: "controller.example:7443".to_owned() }).await;
    let refused = server.user("ada").await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.status, refused.retry_after),
        ("usage-key-missing", 503, Some(5))
    );
    assert_eq!(server.batches(), []);
    server.say(Heard::UsageKey(UserKey::from_bytes([1; 32]))).await;
    server.user("ada").await.unwrap();
    let batches = server.batches();
    assert_eq!((batches.len(), batches[0].len()), (1, 1));
    server.say(Heard::UsageTold(Ok(figures(1)))).await;
    // The key is kept over a restart; what is counted is not.
    server.restart().await;
    server.say(Heard::Connected { address: "controller.example:7443".to_owned() }).await;
    server.user("ada").await.unwrap();
    let again = server.batches();
    assert_eq!(again[0].users[0].hashes, batches[0].users[0].hashes);
    server.say(Heard::UsageTold(Ok(figures(1)))).await;
    // With another key the hash is no one's: it leaves.
    server.say(Heard::UsageKey(UserKey::from_bytes([2; 32]))).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let gone = server.batches();
    assert_eq!(
        (gone[0].users[0].seconds, &gone[0].users[0].hashes),
        (0, &batches[0].users[0].hashes)
    );
    let file = server.folder.path().join("usage.key");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

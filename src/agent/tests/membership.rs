//! A member's loop, with a test in the controller's place: what it hears, what it makes of silence, and of clocks.

use super::{
    props::World,
    stage::{DAY, HOUR, MINUTE},
};
use crate::{
    agent::{Heard, MemberAgent, MemberParts, Order},
    api::{AgentHandle, Command, JoinOrder},
    entitlement::{ConditionType, Reason, State, Status},
    health::{Metrics, ServiceManager},
    license::Sequence,
    members::{
        MembersError,
        tests::stated::{ENVIRONMENT, PRODUCT, Stated, at, authority, key, revocation, roots},
    },
    store::{AgentState, Keeper, Membership, StateDirectory, Store, tests::FlakyStore},
};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;

mod usage;

/// A server that has joined, and the way to it.
struct Server {
    folder: TempDir,
    world: Arc<World>,
    store: FlakyStore,
    metrics: Arc<Metrics>,
    running: Option<Running>,
}

struct Running {
    handle: AgentHandle,
    heard: mpsc::Sender<Heard>,
    orders: mpsc::UnboundedReceiver<Order>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    fn new(clock: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Arc::new(World::new(at(clock)));
        let server = Self {
            folder,
            world,
            store: FlakyStore::default(),
            metrics: Arc::default(),
            running: None,
        };
        server.directory().keep_member_identity("not looked at here").unwrap();
        let membership = Membership {
            id: Uuid::from_u128(5),
            controllers: vec!["controller.example:7443".to_owned()],
            ca: authority(),
            environment_key: key(ENVIRONMENT).public(),
            certified_at: at(clock),
            certificate_life: 30 * 86_400,
            statement: None,
            lease: None,
            moved_to: Vec::new(),
            successors: Vec::new(),
            former: None,
        };
        let state = AgentState { membership: Some(membership), ..AgentState::default() };
        server.store.clone().commit(&state, &[]).unwrap();
        server
    }

    fn directory(&self) -> StateDirectory {
        StateDirectory::open(self.folder.path()).unwrap()
    }

    async fn started() -> Self {
        let mut server = Self::new("2026-03-02T00:00:00Z");
        server.start().await;
        server
    }

    /// The same with what the controller states by default.
    async fn entitled() -> Self {
        let server = Self::started().await;
        server.hear(&Stated::default()).await;
        assert_eq!(server.status().state, State::Active);
        server
    }

    async fn start(&mut self) {
        let (heard_sender, heard) = mpsc::channel(1);
        let (orders_sender, orders) = mpsc::unbounded_channel();
        let (agent, handle) = MemberAgent::new(MemberParts {
            product: PRODUCT.to_owned(),
            roots: roots(),
            directory: self.directory(),
            keeper: Keeper::load(Box::new(self.store.clone())).unwrap(),
            recovered: None,
            clock: Arc::clone(&self.world) as Arc<dyn crate::agent::Clock>,
            metrics: Arc::clone(&self.metrics),
            service_manager: ServiceManager::none(),
            standing: Vec::new(),
            controllers: Vec::new(),
            token_file: None,
            reloads: mpsc::channel(1).1,
            heard,
            orders: orders_sender,
            seed: 7,
            session: 8,
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(agent.run(async {
            let _ = stopped.await;
        }));
        self.running = Some(Running { handle, heard: heard_sender, orders, stop, task });
        settle().await;
    }

    async fn restart(&mut self) {
        let Running { stop, task, .. } = self.running.take().unwrap();
        stop.send(()).unwrap();
        task.await.unwrap();
        self.start().await;
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    async fn say(&self, heard: Heard) {
        assert!(self.running().heard.send(heard).await.is_ok());
        settle().await;
    }

    async fn hear(&self, stated: &Stated) {
        self.say(Heard::Statement(stated.sign())).await;
    }

    /// What was ordered so far, by its kind.
    fn orders(&mut self) -> Vec<&'static str> {
        let orders = &mut self.running.as_mut().unwrap().orders;
        let kind = |order| match order {
            Order::Join { .. } => "join",
            Order::Attach { .. } => "attach",
            Order::Identify { .. } => "identify",
            Order::Hold { .. } => "hold",
            Order::Present { .. } => "present",
            Order::TellUsage { .. } => "tell-usage",
            Order::Renew => "renew",
            Order::TryLater => "try-later",
            Order::Know { .. } => "know",
            Order::Follow { .. } => "follow",
            Order::Elsewhere => "elsewhere",
        };
        std::iter::from_fn(|| orders.try_recv().ok()).map(kind).collect()
    }

    fn status(&self) -> Status {
        self.running().handle.current().unwrap().status.clone()
    }

    fn conditions(&self) -> Vec<ConditionType> {
        self.status().conditions.iter().map(|condition| condition.kind).collect()
    }

    fn actions(&self) -> Vec<String> {
        let events = self.store.clone().events(10_000).unwrap();
        events
            .into_iter()
            .rev()
            .map(|event| format!("{}: {}", event.action, event.detail))
            .collect()
    }

    async fn leap_to(&self, time: &str) {
        let left = at(time).duration_since(self.world.truth());
        tokio::time::advance(Duration::try_from(left).unwrap()).await;
        // The longest pause of the loop.
        tokio::time::sleep(MINUTE).await;
    }
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_outlives_a_restart_and_needs_no_controller() {
    let mut server = Server::started().await;
    assert_eq!(
        (server.status().state, server.status().reason),
        (State::Unlicensed, Reason::NotActivated)
    );
    assert_eq!(server.orders(), ["attach"]);
    server.hear(&Stated::default()).await;
    let status = server.status();
    assert_eq!((status.state, status.entitled, status.generation), (State::Active, true, 7));
    assert_eq!(status.features["reports"], true);
    assert_eq!(server.orders(), ["hold"]);
    server.restart().await;
    assert_eq!(server.status(), status);
    assert_eq!(server.orders(), ["attach", "hold"]);
    let published = server.running().handle.current().unwrap();
    assert_eq!(published.statement.as_deref(), Some(&Stated::default().sign()[..]));
}

#[tokio::test(start_paused = true)]
async fn silence_is_warned_of_from_half_the_lease_and_restricts_at_its_end() {
    let server = Server::entitled().await;
    server.leap_to("2026-03-08T23:50:00Z").await;
    assert_eq!(server.conditions(), []);
    server.leap_to("2026-03-09T00:00:00Z").await;
    assert_eq!(server.conditions(), [ConditionType::LeaseAging]);
    assert_eq!(server.status().state, State::Active);
    server.leap_to("2026-03-15T23:50:00Z").await;
    assert!(server.status().entitled);
    server.leap_to("2026-03-16T00:00:00Z").await;
    let status = server.status();
    assert_eq!((status.state, status.reason), (State::Restricted, Reason::LeaseEnded));
    assert!(status.message.contains("2026-03-16T00:00:00Z"), "{}", status.message);
    server.hear(&Stated::default()).await;
    assert_eq!((server.status().state, server.conditions()), (State::Active, vec![]));
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_renew_the_lease_with_few_writes() {
    let mut server = Server::entitled().await;
    let commits = server.store.commits();
    for _ in 0..40 * 24 * 2 {
        tokio::time::advance(HOUR / 2).await;
        server.say(Heard::Beat).await;
    }
    assert_eq!((server.status().state, server.conditions()), (State::Active, vec![]));
    let writes = server.store.commits() - commits;
    assert!(writes < 40 * 31, "{writes} writes in 40 days");
    server.restart().await;
    assert!(server.status().entitled);
    server.leap_to("2026-04-24T17:00:00Z").await;
    assert!(server.status().entitled);
    server.leap_to("2026-04-25T02:00:00Z").await;
    assert_eq!(server.status().reason, Reason::LeaseEnded);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_named_counted_and_written_down_once() {
    let mut server = Server::entitled().await;
    let before = server.status();
    server.orders();
    for (stated, code, order) in [
        (
            Stated::with(|s| (s.environment, s.generation) = (11, 99)),
            "statement-forged",
            "try-later",
        ),
        (Stated::foreign(), "statement-foreign", "try-later"),
        (Stated::with(|s| s.generation = 6), "statement-older", "present"),
        (
            Stated::with(|s| {
                s.license.seq = Sequence(9);
                s.license.subscription.ends_at = at("2026-02-20T00:00:00Z");
                s.license.exp = at("2026-03-01T00:00:00Z");
            }),
            "statement-expired",
            "try-later",
        ),
    ] {
        for _ in 0..20 {
            server.hear(&stated).await;
        }
        assert_eq!(server.orders(), [order; 20], "{code}");
        let line = format!("entitled_member_refusals_total{{cause=\"{code}\"}} 20");
        assert!(server.metrics.render().contains(&line), "{code}");
        let told = server
            .actions()
            .iter()
            .filter(|line| line.starts_with(&format!("document-refused: {code}: ")))
            .count();
        assert_eq!(told, 1, "{:#?}", server.actions());
    }
    assert_eq!(server.status(), before);
    server.restart().await;
    assert_eq!(server.status(), before);
}

#[tokio::test(start_paused = true)]
async fn a_refused_controller_renews_no_lease() {
    let server = Server::entitled().await;
    server.leap_to("2026-03-14T00:00:00Z").await;
    server.hear(&Stated::foreign()).await;
    server.say(Heard::Beat).await;
    server.leap_to("2026-03-16T00:00:00Z").await;
    assert_eq!(server.status().reason, Reason::LeaseEnded);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_restricts_and_a_renewal_restores() {
    let server = Server::entitled().await;
    server.hear(&Stated::with(|s| (s.revocation, s.generation) = (Some(revocation()), 8))).await;
    assert_eq!(server.status().reason, Reason::Revoked);
    server.hear(&Stated::with(|s| (s.license.seq, s.generation) = (Sequence(5), 9))).await;
    assert_eq!(server.status().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn what_the_controller_alone_can_know_is_believed() {
    let server = Server::entitled().await;
    let restricted = |s: &mut Stated| {
        s.generation = 8;
        s.status.state = State::Restricted;
        s.status.entitled = false;
        s.status.reason = Reason::HardwareChanged;
        s.status.message = "other hardware".to_owned();
    };
    server.hear(&Stated::with(restricted)).await;
    let status = server.status();
    assert_eq!((status.state, status.reason), (State::Restricted, Reason::HardwareChanged));
    // But the calendar is this server's own.
    let early = |s: &mut Stated| {
        restricted(s);
        s.generation = 9;
        s.status.reason = Reason::GraceEnded;
    };
    server.hear(&Stated::with(early)).await;
    assert_eq!(server.status().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn the_controllers_clock_moves_nothing_here() {
    let server = Server::started().await;
    for made_at in ["1971-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        server.hear(&Stated::with(|s| s.made_at = at(made_at))).await;
        let status = server.status();
        assert_eq!((status.state, server.conditions()), (State::Active, vec![]), "{made_at}");
        assert_eq!(server.store.state().time.proven, Some(at("2026-02-01T00:00:00Z")));
    }
    let lease = server.store.state().membership.unwrap().lease.unwrap();
    assert_eq!(lease.received_at.duration_since(at("2026-03-02T00:00:00Z")).as_hours(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_members_clock_that_is_set_wrong_and_mended_leaves_no_trace() {
    let server = Server::entitled().await;
    let before = server.status();
    // A year ahead: by its own time the lease is over, and so is the license.
    server.world.set_clock(at("2027-03-02T00:00:00Z"));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(server.status().state, State::Restricted);
    // It hears the controller meanwhile.
    server.hear(&Stated::default()).await;
    server.say(Heard::Beat).await;
    server.world.mend_clock();
    tokio::time::sleep(MINUTE).await;
    let status = server.status();
    assert_eq!((status.state, &status.conditions), (State::Active, &before.conditions));
    // The lease is not longer for it.
    let lease_ends =
        |server: &Server| server.store.state().membership.unwrap().lease.unwrap().ends_at();
    let most = server.world.truth() + SignedDuration::from_hours(14 * 24);
    assert!(lease_ends(&server) <= most, "{} {most}", lease_ends(&server));
    // Before 1970: known times hold it, and the operator is told.
    server.world.set_clock(at("1969-01-01T00:00:00Z"));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(
        (server.status().state, server.conditions()),
        (State::Active, vec![ConditionType::ClockSkewed])
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_takes_nothing_from_a_member() {
    let mut server = Server::started().await;
    server.store.fail(true);
    server.hear(&Stated::default()).await;
    assert_eq!(
        (server.status().state, server.conditions()),
        (State::Active, vec![ConditionType::StoreDegraded])
    );
    server.store.fail(false);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(server.conditions(), []);
    server.restart().await;
    assert_eq!(server.status().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn the_certificate_is_renewed_from_half_its_life_on() {
    let mut server = Server::entitled().await;
    server.leap_to("2026-03-16T23:00:00Z").await;
    assert!(!server.orders().contains(&"renew"));
    server.leap_to("2026-03-20T00:00:00Z").await;
    // Once: the way to the controller tries until it has one.
    tokio::time::sleep(DAY).await;
    assert_eq!(server.orders(), ["renew"]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_member_is_told_and_goes_on_for_its_lease() {
    let server = Server::entitled().await;
    let removed = || {
        Heard::Lost(MembersError::Refused {
            code: "member-removed".to_owned(),
            detail: "this member was removed: join again".to_owned(),
        })
    };
    server.say(removed()).await;
    let status = server.status();
    assert_eq!((status.state, status.conditions[0].reason.as_str()), (State::Active, "Expelled"));
    let generation = status.generation;
    server.say(removed()).await;
    assert_eq!(server.status().generation, generation);
    server.leap_to("2026-03-16T00:00:00Z").await;
    assert_eq!(server.status().reason, Reason::LeaseEnded);
}

#[tokio::test(start_paused = true)]
async fn the_controllers_commands_are_for_the_controller() {
    let mut server = Server::entitled().await;
    for command in [Command::Refresh, Command::Release, Command::Members] {
        let problem = server.running().handle.call("tester".to_owned(), command).await.unwrap_err();
        assert_eq!(problem.code(), "not-a-controller");
    }
    let order = |token: &str| JoinOrder { controllers: Vec::new(), token: token.to_owned().into() };
    let handle = server.running().handle.clone();
    let problem = handle.call("tester".to_owned(), Command::Join(order("nonsense"))).await;
    assert_eq!(problem.unwrap_err().code(), "token-form");
    server.orders();
    assert_eq!(server.status().state, State::Active);
    let _: Timestamp = server.status().since;
}

//! A member's certificate over its life, with both real ends of the connection and clocks that are moved.

use super::props::World;
use crate::{
    agent::{MemberAgent, MemberParts, member::Uplink},
    api::AgentHandle,
    health::{Metrics, ServiceManager},
    members::tests::{
        ends::Controller,
        stated::{AUTHORITY, ENVIRONMENT, PRODUCT, Stated, at, authority, key, roots},
    },
    store::{AgentState, Keeper, Membership, StateDirectory, Store, tests::FlakyStore},
};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

/// Far more than loopback takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A member that has joined, and its controller.
struct Pair {
    controller: Controller,
    world: Arc<World>,
    folder: TempDir,
    store: FlakyStore,
    now: Timestamp,
    handle: Option<AgentHandle>,
    tasks: Vec<JoinHandle<()>>,
}

impl Pair {
    async fn joined() -> Self {
        let controller = Controller::start(AUTHORITY);
        let now = at("2026-03-02T00:00:00Z");
        controller.judge_by(now);
        controller.say_text(7, &Stated::default().sign());
        let (joined, identity) = controller.member().await;
        let folder = tempfile::tempdir().unwrap();
        let directory = StateDirectory::open(folder.path()).unwrap();
        directory.keep_member_identity(identity.pem()).unwrap();
        let membership = Membership {
            id: joined.id,
            controllers: vec![controller.address.clone()],
            ca: authority(),
            environment_key: key(ENVIRONMENT).public(),
            certified_at: now,
            certificate_life: joined.certificate.life_seconds,
            statement: None,
            lease: None,
            moved_to: Vec::new(),
            successors: Vec::new(),
            former: None,
        };
        let store = FlakyStore::default();
        let state = AgentState { membership: Some(membership), ..AgentState::default() };
        store.clone().commit(&state, &[]).unwrap();
        let world = Arc::new(World::new(now));
        let (handle, tasks) = (None, Vec::new());
        let mut pair = Self { controller, world, folder, store, now, handle, tasks };
        pair.start();
        pair.wait_for("entitled", Self::is_entitled).await;
        pair
    }

    fn start(&mut self) {
        let (heard_sender, heard) = mpsc::channel(1);
        let (orders, obeyed) = mpsc::unbounded_channel();
        let clock = Arc::clone(&self.world) as Arc<dyn crate::agent::Clock>;
        let (agent, handle) = MemberAgent::new(MemberParts {
            product: PRODUCT.to_owned(),
            roots: roots(),
            directory: StateDirectory::open(self.folder.path()).unwrap(),
            keeper: Keeper::load(Box::new(self.store.clone())).unwrap(),
            recovered: None,
            clock: Arc::clone(&clock),
            metrics: Arc::<Metrics>::default(),
            service_manager: ServiceManager::none(),
            standing: Vec::new(),
            controllers: Vec::new(),
            token_file: None,
            reloads: mpsc::channel(1).1,
            heard,
            orders,
            seed: 7,
            session: 8,
        });
        let uplink = Uplink::new(obeyed, heard_sender, clock, "test".to_owned());
        self.handle = Some(handle);
        self.tasks =
            vec![tokio::spawn(agent.run(std::future::pending())), tokio::spawn(uplink.run())];
    }

    /// The server is switched off.
    async fn stop(&mut self) {
        self.handle = None;
        for task in self.tasks.drain(..) {
            task.abort();
            // Cancelled, or ended by itself where nobody holds its handle any more.
            drop(task.await);
        }
    }

    /// Hours pass on both servers, and a sign of life after them.
    fn pass(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
        self.world.set_clock(self.now);
        self.controller.judge_by(self.now);
        self.controller.beat();
    }

    fn is_entitled(&self) -> bool {
        let current = self.handle.as_ref().and_then(|handle| handle.current().ok());
        current.is_some_and(|published| published.status.entitled)
    }

    /// Why the controller keeps it out, if it does.
    fn is_expelled(&self) -> bool {
        let current = self.handle.as_ref().and_then(|handle| handle.current().ok());
        current.is_some_and(|published| {
            published.status.conditions.iter().any(|condition| condition.reason == "Expelled")
        })
    }

    fn watching(&self) -> u64 {
        self.controller.metric("entitled_members_watching ")
    }

    fn handshakes(&self) -> u64 {
        self.controller.metric("entitled_member_handshakes_total ")
    }

    fn renewals(&self) -> usize {
        let events = self.store.clone().events(1_000).unwrap();
        events.iter().filter(|event| event.action == "certificate-renewed").count()
    }

    fn identity(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("member.pem")).unwrap()
    }

    /// Waits, with signs of life as they come.
    async fn wait_for(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let found = async {
            while !is(self) {
                self.controller.beat();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never {what}"));
    }
}

#[tokio::test]
async fn a_certificate_renews_itself_at_half_its_life_and_after_its_end() {
    let mut pair = Pair::joined().await;
    let first = pair.identity();
    for _ in 0..15 * 24 - 1 {
        pair.pass(1);
    }
    pair.wait_for("there", |pair| pair.watching() == 1).await;
    assert_eq!(pair.renewals(), 0);
    pair.pass(3 * 24);
    pair.wait_for("renewed", |pair| pair.renewals() == 1).await;
    assert_ne!(pair.identity(), first);
    // The first one ends, and with it the watch that was opened with it; the second one takes its place.
    let before = pair.handshakes();
    pair.pass(13 * 24);
    pair.wait_for("back", |pair| pair.handshakes() > before && pair.watching() == 1).await;
    pair.wait_for("entitled", Pair::is_entitled).await;
    assert_eq!(pair.renewals(), 1);

    // Off for forty days: the second is over, and renews itself first of all.
    pair.stop().await;
    pair.pass(40 * 24);
    pair.start();
    pair.wait_for("renewed after its end", |pair| pair.renewals() == 2).await;
    pair.wait_for("back", |pair| pair.watching() == 1 && pair.is_entitled()).await;

    // Off for longer than that may be: 30 days, the lease, and 30 more.
    pair.stop().await;
    pair.pass(91 * 24);
    pair.start();
    pair.wait_for("told that it is over", Pair::is_expelled).await;
    assert_eq!(pair.renewals(), 2);
}

//! The real loop before the real portal, on a stage: hardware, clock, disk and the way to the portal are props. Time is
//! tokio's and stands still while anybody works, so weeks pass in a moment and no test sleeps.

use super::{
    peril::{Peril, PerilousClock, PerilousStore},
    props::*,
};
use crate::{
    agent::{Agent, Parts, arrival::finish_import},
    api::{AgentHandle, Command, Done, Problem, Reply, RequestByHand},
    codes::ActivationCode,
    entitlement::{ConditionType, Status},
    health::{Metrics, ServiceManager},
    license::{
        KeyPair, Purpose, RebindCode, RequestClaims, RequestKind, Roots, Thumbprint, Unverified,
    },
    portal::{
        Options, Portal, Vendor,
        domain::{Environment, Subscription},
        store::WriterKind,
    },
    store::{AgentState, Keeper, StateDirectory, Store, StoredEvent, tests::FlakyStore},
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub(super) const PRODUCT: &str = "acme-erp";
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

pub(super) struct Stage {
    _folder: TempDir,
    restored_portal: Option<TempDir>,
    pub world: Arc<World>,
    pub portal: Portal,
    pub subscription: Subscription,
    pub link: Arc<Link>,
    /// A way to the portal in the place of the link.
    pub other_way: Option<Arc<dyn crate::upstream::Portal>>,
    /// Where the agent dies.
    pub peril: Arc<Peril>,
    /// The agent's own.
    pub seed: u64,
    /// How often the agent was started.
    starts: u64,
    pub hardware: Arc<Machine>,
    pub store: FlakyStore,
    pub directory: StateDirectory,
    /// The Activation Code of the settings.
    pub configured: Option<ActivationCode>,
    /// The override of the settings.
    pub overridden: Option<String>,
    /// Whether the settings name a portal.
    pub is_on_line: bool,
    /// Whether they let the portal be told what is used.
    pub reports_usage: bool,
    /// Whether the vendor's key files are there.
    pub has_roots: bool,
    running: Option<Running>,
}

struct Running {
    handle: AgentHandle,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A folder for the portal, in memory where there is such: thousands of its transactions wait for no disk.
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// A refusal says what mends it: a command, or what to do with the file.
#[track_caller]
pub(super) fn assert_names_mend(problem: &Problem) {
    let mends = ["`entitlectl ", "choose ", "again", "ask the vendor", "check ", "install "];
    assert!(mends.iter().any(|mend| problem.detail.contains(mend)), "{}", problem.detail);
}

impl Stage {
    /// A portal with a subscription, and a machine on which no agent has ever run.
    pub(super) fn new() -> Self {
        let folder = folder();
        let world = Arc::new(World::new(at("2026-03-01T00:00:00Z")));
        let clock = Arc::clone(&world);
        let clock = Arc::new(move || clock.portal_time());
        let vendor = Vendor { product: PRODUCT.to_owned(), issuer: "Acme".to_owned() };
        let place = folder.path().join("portal");
        Portal::init(&place, &vendor, &*clock).unwrap();
        let options = Options { actor: "vendor".to_owned(), writer: WriterKind::Inline };
        let portal = Portal::open(&place, options, clock).unwrap();
        let subscription = portal.create_subscription("A customer", terms()).unwrap();
        Self {
            world,
            link: Arc::new(Link::new(portal.clone())),
            other_way: None,
            peril: Arc::default(),
            seed: 7,
            starts: 0,
            portal,
            subscription,
            hardware: Arc::new(Machine::default()),
            store: FlakyStore::default(),
            directory: StateDirectory::open(&folder.path().join("agent")).unwrap(),
            configured: None,
            overridden: None,
            is_on_line: true,
            reports_usage: false,
            has_roots: true,
            running: None,
            restored_portal: None,
            _folder: folder,
        }
    }

    /// Another machine of the same customer, on which no agent has ever run.
    pub(super) fn beside(&self) -> Self {
        let folder = folder();
        let hardware = Machine::default();
        hardware.is_another();
        Self {
            world: Arc::clone(&self.world),
            link: Arc::new(Link::new(self.portal.clone())),
            other_way: None,
            peril: Arc::default(),
            seed: 8,
            overridden: None,
            starts: 0,
            portal: self.portal.clone(),
            subscription: self.subscription.clone(),
            hardware: Arc::new(hardware),
            store: FlakyStore::default(),
            directory: StateDirectory::open(&folder.path().join("agent")).unwrap(),
            configured: None,
            is_on_line: true,
            reports_usage: false,
            has_roots: true,
            running: None,
            restored_portal: None,
            _folder: folder,
        }
    }

    /// A copy of this machine with all that is stored.
    pub(super) fn copied(&self) -> Self {
        let copy = self.beside();
        copy.hardware.is_the_first();
        copy.store.clone().commit(&self.state(), &[]).unwrap();
        for file in std::fs::read_dir(self.directory.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.directory.path().join(file.file_name())).unwrap();
        }
        copy
    }

    /// The same with an agent that has read the hardware.
    pub(super) async fn started() -> Self {
        let mut stage = Self::new();
        stage.start().await;
        stage
    }

    /// The same with an environment that is activated.
    pub(super) async fn activated() -> Self {
        let stage = Self::started().await;
        stage.activate().await.unwrap();
        stage
    }

    pub(super) async fn start(&mut self) {
        let (store, peril) = (self.store.clone(), Arc::clone(&self.peril));
        self.start_with(Box::new(PerilousStore { store, peril }), None).await;
    }

    pub(super) async fn start_with(&mut self, store: Box<dyn Store>, recovered: Option<String>) {
        assert!(self.running.is_none(), "an agent runs already");
        self.starts += 1;
        let parts = self.parts(store, recovered);
        let (agent, handle) = Agent::new(parts);
        let (stop, stopped) = oneshot::channel::<()>();
        let run = agent.run(async {
            let _ = stopped.await;
        });
        let task = tokio::spawn(run);
        self.running = Some(Running { handle, stop, task });
        // Long enough for a survey, and for what is said at once.
        self.pass(Duration::from_millis(50)).await;
    }

    fn parts(&self, store: Box<dyn Store>, recovered: Option<String>) -> Parts {
        let keeper = Keeper::load(store).unwrap();
        finish_import(&self.directory, keeper.state()).unwrap();
        let link = Arc::clone(&self.link) as Arc<dyn crate::upstream::Portal>;
        let way = self.other_way.clone().unwrap_or(link);
        Parts {
            product: PRODUCT.to_owned(),
            environment_name: "Production".to_owned(),
            purpose: Purpose::Production,
            identity_override: self.overridden.clone(),
            configured_code: self.configured.clone(),
            roots: if self.has_roots { self.roots() } else { Roots::none() },
            key: self.directory.environment_key().unwrap(),
            secret: self.directory.local_secret().unwrap(),
            user_key: self.directory.usage_key().unwrap(),
            keeper,
            recovered,
            directory: Some(self.directory.clone()),
            hardware: Arc::clone(&self.hardware) as Arc<dyn crate::identity::Hardware>,
            portal: self.is_on_line.then_some(way),
            reports_usage: self.reports_usage,
            clock: self.clock(),
            metrics: Arc::new(Metrics::default()),
            service_manager: ServiceManager::none(),
            standing: Vec::new(),
            members: None,
            reloads: mpsc::channel(1).1,
            seed: self.seed,
            chance: (self.seed + self.starts).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    /// The agent's.
    fn clock(&self) -> Arc<dyn crate::agent::Clock> {
        let clock = Arc::clone(&self.world) as Arc<dyn crate::agent::Clock>;
        Arc::new(PerilousClock { clock, peril: Arc::clone(&self.peril) })
    }

    pub(super) async fn stop(&mut self) {
        let Running { handle, stop, task } = self.running.take().expect("no agent runs");
        drop(handle);
        let _ = stop.send(());
        task.await.unwrap();
    }

    /// Ends the agent wherever it is, as `kill -9` does.
    pub(super) async fn kill(&mut self) {
        let Running { task, .. } = self.running.take().expect("no agent runs");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    /// Whether it died of its peril.
    pub(super) fn has_died(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.task.is_finished())
    }

    /// Takes away what died of its peril.
    pub(super) async fn bury(&mut self) {
        let Running { task, .. } = self.running.take().expect("no agent ran");
        assert!(task.await.unwrap_err().is_panic());
    }

    pub(super) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// The system is installed anew: nothing is left of the agent's state.
    pub(super) async fn install_anew(&mut self) {
        self.stop().await;
        let path = self.directory.path().to_owned();
        std::fs::remove_dir_all(&path).unwrap();
        self.directory = StateDirectory::open(&path).unwrap();
        self.store = FlakyStore::default();
        self.start().await;
    }

    /// Lets time pass, with everything that is due within it.
    pub(super) async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Lets time pass at once, as a suspended machine sees it.
    pub(super) async fn leap(&self, duration: Duration) {
        // Long enough for a survey.
        let moment = Duration::from_millis(50);
        tokio::time::advance(duration.saturating_sub(moment)).await;
        self.pass(moment).await;
    }

    /// Lets days pass in steps of ten minutes: the loop turns a twentieth as often as it would.
    pub(super) async fn idle(&self, duration: Duration) {
        let step = MINUTE * 10;
        for _ in 0..duration.as_secs() / step.as_secs() {
            self.leap(step).await;
        }
    }

    /// The same up to a time.
    pub(super) async fn leap_to(&self, time: Timestamp) {
        let left = time.duration_since(self.world.truth());
        self.leap(left.try_into().expect("that is in the past")).await;
    }

    pub(super) fn handle(&self) -> &AgentHandle {
        &self.running.as_ref().expect("no agent runs").handle
    }

    pub(super) fn status(&self) -> Status {
        self.handle().current().unwrap().status.clone()
    }

    pub(super) fn generation(&self) -> u64 {
        self.status().generation
    }

    pub(super) fn conditions(&self) -> Vec<ConditionType> {
        self.status().conditions.iter().map(|condition| condition.kind).collect()
    }

    pub(super) async fn call(&self, command: Command) -> Result<Reply, Problem> {
        self.handle().call("tester".to_owned(), command).await
    }

    /// A call that changes something.
    pub(super) async fn change(&self, command: Command) -> Result<Done, Problem> {
        match self.call(command).await? {
            Reply::Done(done) => Ok(*done),
            other => panic!("expected a change, found {other:?}"),
        }
    }

    pub(super) async fn activate(&self) -> Result<Done, Problem> {
        let code = Some(self.subscription.activation_code.clone());
        self.change(Command::Activate { code, name: None, purpose: None }).await
    }

    pub(super) async fn rebind_by_code(
        &self,
        rebind_code: Option<RebindCode>,
    ) -> Result<Done, Problem> {
        let code = Some(self.subscription.activation_code.clone());
        self.change(Command::Rebind { code, rebind_code }).await
    }

    pub(super) async fn refresh(&self) -> Result<Done, Problem> {
        self.change(Command::Refresh).await
    }

    /// A call that makes a document.
    pub(super) async fn document(&self, command: Command) -> Result<String, Problem> {
        match self.call(command).await? {
            Reply::Document(text) => Ok(text),
            other => panic!("expected a document, found {other:?}"),
        }
    }

    /// A request for a courier, with what is kept here.
    pub(super) async fn request_by_hand(&self, kind: RequestKind) -> Result<String, Problem> {
        let (code, name, purpose, rebind_code) = (None, None, None, None);
        let request = RequestByHand { kind, code, name, purpose, rebind_code };
        self.document(Command::Request(request)).await
    }

    pub(super) async fn rebind(&self) -> Result<Done, Problem> {
        self.change(Command::Rebind { code: None, rebind_code: None }).await
    }

    /// The thumbprint of the key in the present key's file, and whether another waits beside it.
    pub(super) fn keys(&self) -> (Thumbprint, bool) {
        let next = self.directory.path().join("environment.key.next");
        (self.directory.environment_key().unwrap().thumbprint(), next.exists())
    }

    pub(super) async fn install(&self, text: impl Into<String>) -> Result<Done, Problem> {
        self.change(Command::Install { text: text.into() }).await
    }

    /// What is stored.
    pub(super) fn state(&self) -> AgentState {
        self.store.state()
    }

    /// The audit, oldest first.
    pub(super) fn events(&self) -> Vec<StoredEvent> {
        let mut events = self.store.clone().events(10_000).unwrap();
        events.reverse();
        events
    }

    /// The actions of the audit beyond the first so many entries.
    pub(super) fn actions_after(&self, entries: usize) -> Vec<String> {
        self.events().into_iter().skip(entries).map(|event| event.action).collect()
    }

    pub(super) fn roots(&self) -> Roots {
        let mut roots = Roots::none();
        let text = std::fs::read_to_string(self.portal.directory().roots()).unwrap();
        roots.add_key_set(&text).unwrap();
        roots
    }

    /// The key that the portal signs with.
    pub(super) fn portal_key(&self) -> KeyPair {
        self.portal.directory().read_signing_keys().unwrap().remove(0)
    }

    /// The environment as the portal knows it.
    pub(super) fn environment(&self) -> Environment {
        let mut environments = self.portal.environments(Some(self.subscription.id)).unwrap();
        assert_eq!(environments.len(), 1, "{environments:?}");
        environments.remove(0)
    }

    /// What the portal's audit says, oldest first.
    pub(super) fn portal_events(&self) -> Vec<String> {
        let entries = self.portal.audit(None, 10_000).unwrap();
        entries.into_iter().map(|entry| entry.event).collect()
    }

    /// A copy of the portal's database as it is now.
    pub(super) fn back_up_portal(&self) -> TempDir {
        let copy = folder();
        let source = rusqlite::Connection::open(self.portal.directory().database()).unwrap();
        let database = copy.path().join("portal.db").display().to_string();
        source.execute("VACUUM INTO ?1", [database]).unwrap();
        copy
    }

    /// The portal's database is what it was; its keys, which are kept apart from it, are those of today.
    pub(super) fn restore_portal(&mut self, copy: TempDir) {
        let (from, to) = (self.portal.directory().path().to_owned(), copy.path());
        std::fs::create_dir(to.join("keys")).unwrap();
        let keys = std::fs::read_dir(from.join("keys")).unwrap().map(|entry| entry.unwrap().path());
        let files = ["trust.jwt", "roots.jwks", "root-key.pem"].map(|name| from.join(name));
        for path in keys.chain(files) {
            std::fs::copy(&path, to.join(path.strip_prefix(&from).unwrap())).unwrap();
        }
        let world = Arc::clone(&self.world);
        let options = Options { actor: "vendor".to_owned(), writer: WriterKind::Inline };
        self.portal = Portal::open(to, options, Arc::new(move || world.portal_time())).unwrap();
        self.link.lead_to(self.portal.clone());
        self.restored_portal = Some(copy);
    }

    /// The portal must see one agent, which may have lost its state.
    #[track_caller]
    pub(super) fn assert_no_fork_but_restarts(&self) {
        assert!(!self.environment().chain.is_forked(), "{:?}", self.environment());
    }

    /// The portal must see one agent that has never been copied or restored.
    #[track_caller]
    pub(super) fn assert_no_fork(&self) {
        let events = self.portal_events();
        assert!(!self.environment().chain.is_forked(), "{events:?}");
        assert!(!events.iter().any(|event| event.starts_with("chain-")), "{events:?}");
    }
}

/// What a request says.
pub(super) fn claims(request: &str) -> RequestClaims {
    Unverified::parse(request).unwrap().peek().unwrap()
}

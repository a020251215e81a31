//! One agent as a process serves it: its state directory, its sockets, and the loop.

mod serving;

use super::{
    Agent, Clock, DaemonSettings, MemberAgent, MemberParts, Parts, Reload, arrival::finish_import,
    lookout::look_out, member::Uplink, notifying::Notifier, reload, sockets::Sockets,
};
use serving::{Serving, serve_from};

use crate::{
    api::AgentHandle,
    entitlement::{ConditionType, Finding, Role},
    health::{Metrics, ServiceManager},
    identity::Hardware,
    license::Roots,
    members::Listener,
    store::{DirectoryLock, Keeper, SqliteStore, StateDirectory, StoreError},
    upstream::{HttpPortal, Portal, Webhook, WebhookError, WebhookSettings, new_request_id},
    usage::UserKey,
};
use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

/// Why a daemon can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A socket.
    #[error(
        "could not {operation} the socket {path}: {source}: check that the directory exists, that its path is short enough (107 bytes), and its owner"
    )]
    Socket {
        /// What was tried.
        operation: &'static str,
        /// Which socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process answers on the socket.
    #[error("{path} is served by another process: stop that one, or choose another socket")]
    SocketInUse {
        /// Which socket.
        path: PathBuf,
    },
}

/// An agent with its sockets bound, ready to run.
pub struct Daemon {
    agent: Loop,
    handle: AgentHandle,
    sockets: Sockets,
    reloader: Reloader,
    notifier: Option<Notifier>,
    _lock: DirectoryLock,
}

/// The loop of a role, with what runs beside it.
enum Loop {
    Controller(Box<Agent>, Option<Serving>),
    Member(Box<MemberAgent>, Box<Uplink>),
}

/// How a running daemon is given new settings.
#[derive(Clone)]
pub struct Reloader {
    running: DaemonSettings,
    reloads: mpsc::Sender<Reload>,
}

impl Reloader {
    /// Hands new settings over, or the reason why they can't be used. Nothing happens where the daemon has ended.
    pub async fn reload(&self, settings: Result<DaemonSettings, String>) {
        let reload = match settings {
            Ok(settings) => Reload::of(settings, &self.running),
            Err(reason) => Reload::Refused(reason),
        };
        let _ = self.reloads.send(reload).await;
    }
}

/// What both roles begin with.
struct Beginning {
    settings: DaemonSettings,
    directory: StateDirectory,
    keeper: Keeper,
    recovered: Option<String>,
    roots: Roots,
    standing: Vec<Finding>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    service_manager: ServiceManager,
    reloads: mpsc::Receiver<Reload>,
}

impl Daemon {
    /// Opens the state and binds the sockets. Nothing is asked of the hardware, the portal or the controller yet.
    ///
    /// # Errors
    /// Where the state can't be opened, or a socket can't be bound.
    pub fn prepare(
        settings: DaemonSettings,
        hardware: Arc<dyn Hardware>,
        clock: Arc<dyn Clock>,
        service_manager: ServiceManager,
    ) -> Result<Self, DaemonError> {
        let directory = StateDirectory::open(&settings.state_directory)?;
        let lock = directory.lock()?;
        let opened = SqliteStore::open(&directory)?;
        let (roots, mut standing) = reload::roots(&settings.root_folders);
        standing.extend(settings.standing.iter().cloned());
        let health = settings.health_listen.and_then(|at| listen_for_monitors(at, &mut standing));
        let webhook = settings.webhook.as_ref().and_then(|hook| webhook(hook, &mut standing));
        let (reload_sender, reloads) = mpsc::channel(1);
        let reloader = Reloader { running: settings.clone(), reloads: reload_sender };
        let paths = settings.sockets.clone();
        let manager = service_manager;
        let metrics = Arc::new(Metrics::default());
        let told_of = (directory.clone(), Arc::clone(&metrics));
        let beginning = Beginning {
            directory,
            keeper: Keeper::load(Box::new(opened.store))?,
            recovered: opened.recovered,
            roots,
            standing,
            clock,
            metrics,
            service_manager,
            reloads,
            settings,
        };
        let (agent, handle) = match beginning.settings.role {
            Role::Controller => controller(beginning, hardware)?,
            Role::Member => member(beginning),
        };
        let sockets = Sockets::open(&paths, health, &handle, manager)?;
        let notifier = webhook.map(|webhook| {
            let (directory, metrics) = told_of;
            let seed = seed_of(&directory.path().to_string_lossy());
            Notifier::new(webhook, handle.published.clone(), directory, metrics, seed)
        });
        Ok(Self { agent, handle, sockets, reloader, notifier, _lock: lock })
    }

    /// How to give it new settings while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// How to reach the agent from within this process.
    pub fn handle(&self) -> AgentHandle {
        self.handle.clone()
    }

    /// Runs until `stop` is done, then lets answers under way end and removes the sockets.
    ///
    /// # Errors
    /// Where the sockets' thread can't be started.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { agent, handle, sockets, reloader, notifier, _lock } = self;
        drop((handle, reloader));
        let (order, stopped) = watch::channel(false);
        let stopped_members = stopped.clone();
        // A thread of their own: answers do not wait for the loop, which waits for the disk.
        let serving = thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || sockets.serve(&stopped))?;
        let notifying = notifier.map(|notifier| tokio::spawn(notifier.run()));
        let members = agent.run(stop, stopped_members).await;
        if let Some(notifying) = notifying {
            notifying.abort();
        }
        // The threads may have ended by themselves; then nobody listens.
        let _ = order.send(true);
        let joined = tokio::task::spawn_blocking(move || serving.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the sockets' thread ended badly");
        }
        if let Some(members) = members {
            let joined = tokio::task::spawn_blocking(move || members.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the members' thread ended badly");
            }
        }
        Ok(())
    }
}

impl Loop {
    /// Runs the loop until `stop` is done. Members have a thread of their own: a thousand handshakes keep neither the loop
    /// nor the sockets waiting. It ends when `stopped` says so, and is given back to be joined.
    async fn run(
        self,
        stop: impl Future<Output = ()>,
        stopped: watch::Receiver<bool>,
    ) -> Option<thread::JoinHandle<()>> {
        match self {
            Self::Controller(agent, serving) => {
                let members = serving.and_then(|Serving { listener, posts, asked }| {
                    // Ends with the loop, which holds the other end of its orders.
                    tokio::spawn(look_out(posts, asked));
                    let thread = thread::Builder::new().name("members".to_owned());
                    let serving = thread.spawn(move || serve_members(listener, stopped));
                    serving
                        .inspect_err(|error| tracing::error!(%error, "members can't be served"))
                        .ok()
                });
                agent.run(stop).await;
                members
            }
            Self::Member(agent, uplink) => {
                let uplink = tokio::spawn(uplink.run());
                agent.run(stop).await;
                uplink.abort();
                None
            }
        }
    }
}

fn serve_members(listener: Listener, mut stopped: watch::Receiver<bool>) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(listener.serve(async move {
            // An error means that the other end is gone, which is a stop as well.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        })),
        Err(error) => tracing::error!(%error, "members can't be served"),
    }
}

/// Binds the port for monitors. Nothing else depends on it: where it can't be bound, that is told.
fn listen_for_monitors(address: SocketAddr, standing: &mut Vec<Finding>) -> Option<TcpListener> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        tracing::info!(address = %listener.local_addr()?, "monitors are served");
        Ok(listener)
    });
    let told = |error| {
        let message = format!(
            "monitors can't be served at {address} ({error}): choose another address, [health] listen, and restart the agent"
        );
        tracing::error!("{message}");
        standing.push(Finding::new(ConditionType::ConfigInvalid, "Health", message));
    };
    bound.map_err(told).ok()
}

fn webhook(settings: &WebhookSettings, standing: &mut Vec<Finding>) -> Option<Webhook> {
    let told = |error: WebhookError| {
        tracing::error!("{error}");
        standing.push(Finding::new(ConditionType::ConfigInvalid, "Webhook", error.to_string()));
    };
    Webhook::new(settings).map_err(told).ok()
}

fn controller(
    beginning: Beginning,
    hardware: Arc<dyn Hardware>,
) -> Result<(Loop, AgentHandle), DaemonError> {
    let Beginning { settings, directory, mut standing, clock, metrics, .. } = beginning;
    let portal = settings.portal.as_ref().map(HttpPortal::new).transpose();
    // What is held is served all the same; `--check-config` and a reload refuse such settings.
    let portal = portal.unwrap_or_else(|error| {
        tracing::error!("{error}");
        let kind = ConditionType::ConfigInvalid;
        standing.push(Finding::new(kind, "Portal", error.to_string()));
        None
    });
    finish_import(&directory, beginning.keeper.state())?;
    let key = directory.environment_key()?;
    let seed = seed_of(key.thumbprint().as_str());
    let user_key = user_key(&directory)?;
    let served = settings.members_listen.map(|address| {
        serve_from(address, &directory, user_key.clone(), Arc::clone(&clock), Arc::clone(&metrics))
    });
    let (members, serving) = match served.transpose() {
        Ok(served) => served.unzip(),
        Err(error) => {
            tracing::error!("{error}");
            let kind = ConditionType::ConfigInvalid;
            standing.push(Finding::new(kind, "Members", error.to_string()));
            (None, None)
        }
    };
    let (agent, handle) = Agent::new(Parts {
        product: settings.product,
        environment_name: settings.environment_name,
        purpose: settings.purpose,
        identity_override: settings.identity_override,
        configured_code: settings.activation_code,
        roots: beginning.roots,
        key,
        secret: directory.local_secret()?,
        user_key,
        keeper: beginning.keeper,
        recovered: beginning.recovered,
        directory: Some(directory),
        hardware,
        portal: portal.map(|portal| Arc::new(portal) as Arc<dyn Portal>),
        reports_usage: settings.reports_usage,
        clock,
        metrics,
        service_manager: beginning.service_manager,
        standing,
        members,
        reloads: beginning.reloads,
        seed,
        chance: new_request_id().0.as_u64_pair().1,
    });
    Ok((Loop::Controller(Box::new(agent), serving), handle))
}

/// What users are hashed by. Where it can't be kept, it is another one after the next start: users are counted all the same.
fn user_key(directory: &StateDirectory) -> Result<UserKey, DaemonError> {
    directory.usage_key().or_else(|error| {
        tracing::error!(%error, "the key of user hashes can't be kept");
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(StoreError::Random)?;
        Ok(UserKey::from_bytes(*bytes))
    })
}

fn member(beginning: Beginning) -> (Loop, AgentHandle) {
    let Beginning { settings, directory, keeper, clock, .. } = beginning;
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let (heard_sender, heard) = mpsc::channel(1);
    let (orders, obeyed) = mpsc::unbounded_channel();
    let uplink = Uplink::new(obeyed, heard_sender, Arc::clone(&clock), name.clone());
    let id = keeper.state().membership.as_ref().map(|membership| membership.id.to_string());
    let (agent, handle) = MemberAgent::new(MemberParts {
        product: settings.product,
        roots: beginning.roots,
        directory,
        keeper,
        recovered: beginning.recovered,
        clock,
        metrics: beginning.metrics,
        service_manager: beginning.service_manager,
        standing: beginning.standing,
        controllers: settings.controllers,
        token_file: settings.token_file,
        reloads: beginning.reloads,
        heard,
        orders,
        seed: seed_of(id.as_ref().unwrap_or(&name)),
        session: new_request_id().0.as_u64_pair().1,
    });
    (Loop::Member(Box::new(agent), Box::new(uplink)), handle)
}

/// A number that differs between environments and stays the same for one.
fn seed_of(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

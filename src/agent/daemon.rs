//! One agent as a process serves it: its state directory, its sockets, and the loop.

use super::{Agent, Clock, DaemonSettings, Parts, Reload, reload, sockets::Sockets};
use crate::{
    api::AgentHandle,
    entitlement::{ConditionType, Finding},
    health::{Metrics, ServiceManager},
    identity::Hardware,
    store::{DirectoryLock, Keeper, SqliteStore, StateDirectory, StoreError},
    upstream::{HttpPortal, Portal, new_request_id},
};
use std::{future::Future, io, path::PathBuf, sync::Arc, thread};
use tokio::sync::{mpsc, watch};

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
    agent: Agent,
    handle: AgentHandle,
    sockets: Sockets,
    reloader: Reloader,
    _lock: DirectoryLock,
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

impl Daemon {
    /// Opens the state and binds the sockets. Nothing is asked of the hardware or the portal yet.
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
        let running = settings.clone();
        let (roots, mut standing) = reload::roots(&settings.root_folders);
        standing.extend(settings.standing);
        let portal = settings.portal.as_ref().map(HttpPortal::new).transpose();
        // What is held is served all the same; `--check-config` and a reload refuse such settings.
        let portal = portal.unwrap_or_else(|error| {
            tracing::error!("{error}");
            let kind = ConditionType::ConfigInvalid;
            standing.push(Finding::new(kind, "Portal", error.to_string()));
            None
        });
        let key = directory.environment_key()?;
        let seed = seed_of(&key.thumbprint());
        let (reload_sender, reloads) = mpsc::channel(1);
        let paths = settings.sockets;
        let (agent, handle) = Agent::new(Parts {
            product: settings.product,
            environment_name: settings.environment_name,
            purpose: settings.purpose,
            identity_override: settings.identity_override,
            configured_code: settings.activation_code,
            roots,
            key,
            secret: directory.local_secret()?,
            keeper: Keeper::load(Box::new(opened.store))?,
            recovered: opened.recovered,
            directory: Some(directory),
            hardware,
            portal: portal.map(|portal| Arc::new(portal) as Arc<dyn Portal>),
            clock,
            metrics: Arc::new(Metrics::default()),
            service_manager,
            standing,
            reloads,
            seed,
            chance: new_request_id().0.as_u64_pair().1,
        });
        let sockets = Sockets::open(&paths, &handle)?;
        let reloader = Reloader { running, reloads: reload_sender };
        Ok(Self { agent, handle, sockets, reloader, _lock: lock })
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
        let Self { agent, handle, sockets, reloader, _lock } = self;
        drop((handle, reloader));
        let (order, stopped) = watch::channel(false);
        // A thread of their own: answers do not wait for the loop, which waits for the disk.
        let serving = thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || sockets.serve(&stopped))?;
        agent.run(stop).await;
        // The thread may have ended by itself; then nobody listens.
        let _ = order.send(true);
        let joined = tokio::task::spawn_blocking(move || serving.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the sockets' thread ended badly");
        }
        Ok(())
    }
}

/// A number that differs between environments and stays the same for one.
fn seed_of(thumbprint: &crate::license::Thumbprint) -> u64 {
    thumbprint.as_str().bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

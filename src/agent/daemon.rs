//! One agent as a process serves it: its state directory, its sockets, and the loop.

use super::{Agent, Clock, Parts, read_roots};
use crate::{
    api::{AgentHandle, ServerOptions, admin_router, read_router, serve, usage_router},
    codes::ActivationCode,
    entitlement::{ConditionType, Finding},
    health::{Metrics, ServiceManager},
    identity::Hardware,
    license::Purpose,
    store::{DirectoryLock, Keeper, SqliteStore, StateDirectory, StoreError},
    upstream::{ExchangeError, HttpPortal, Portal, PortalSettings},
};
use axum::Router;
use std::{
    fs::{self, Permissions},
    future::Future,
    io,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};
use tokio::sync::watch;

/// The sockets of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPaths {
    /// For everyone, to read.
    pub read: PathBuf,
    /// For programs that report usage.
    pub usage: PathBuf,
    /// For operators.
    pub admin: PathBuf,
}

impl SocketPaths {
    /// `entitled.sock`, `usage.sock` and `admin.sock` of a directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self::beside(&directory.join("entitled.sock"))
    }

    /// The other sockets stand beside `entitled.sock`, whatever that is called.
    pub fn beside(read: &Path) -> Self {
        Self {
            read: read.to_owned(),
            usage: read.with_file_name("usage.sock"),
            admin: read.with_file_name("admin.sock"),
        }
    }
}

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// The product.
    pub product: String,
    /// The environment's name.
    pub environment_name: String,
    /// What the environment is for.
    pub purpose: Purpose,
    /// The operator's text in the place of hardware.
    pub identity_override: Option<String>,
    /// The Activation Code.
    pub activation_code: Option<ActivationCode>,
    /// The way to the portal; none where licenses are carried by hand.
    pub portal: Option<PortalSettings>,
    /// Folders of root keys.
    pub root_folders: Vec<PathBuf>,
    /// The state directory.
    pub state_directory: PathBuf,
    /// The sockets.
    pub sockets: SocketPaths,
}

/// Why a daemon can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings of the portal.
    #[error(transparent)]
    Portal(#[from] ExchangeError),
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
    sockets: Vec<(UnixListener, Router)>,
    paths: SocketPaths,
    _lock: DirectoryLock,
}

impl Daemon {
    /// Opens the state and binds the sockets. Nothing is asked of the hardware or the portal yet.
    ///
    /// # Errors
    /// Where the state can't be opened, the portal's settings can't be used, or a socket can't be bound.
    pub fn prepare(
        settings: DaemonSettings,
        hardware: Arc<dyn Hardware>,
        clock: Arc<dyn Clock>,
        service_manager: ServiceManager,
    ) -> Result<Self, DaemonError> {
        let directory = StateDirectory::open(&settings.state_directory)?;
        let lock = directory.lock()?;
        let opened = SqliteStore::open(&directory)?;
        let (roots, complaints) = read_roots(&settings.root_folders);
        let portal = settings.portal.as_ref().map(HttpPortal::new).transpose()?;
        let key = directory.environment_key()?;
        let seed = seed_of(&key.thumbprint());
        let mut standing = Vec::new();
        if !complaints.is_empty() {
            let message = complaints.join("; ");
            tracing::error!("{message}");
            standing.push(Finding::new(ConditionType::ConfigInvalid, "RootKeys", message));
        }
        if roots.is_empty() {
            tracing::warn!(folders = ?settings.root_folders, "there are no root keys of the vendor: no license can be verified");
        }
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
            seed,
        });
        make_directory_of(&paths.read)?;
        let sockets = vec![
            (bind(&paths.read, 0o666, None)?, read_router(handle.clone())),
            (bind(&paths.usage, 0o660, Some("entitled-usage"))?, usage_router(handle.clone())),
            (bind(&paths.admin, 0o660, Some("entitled-admin"))?, admin_router(handle.clone())),
        ];
        Ok(Self { agent, handle, sockets, paths, _lock: lock })
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
        let Self { agent, handle, sockets, paths, _lock } = self;
        drop(handle);
        let (order, stopped) = watch::channel(false);
        // A thread of their own: answers do not wait for the loop, which waits for the disk.
        let serving = thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || serve_all(sockets, &stopped))?;
        agent.run(stop).await;
        // The thread may have ended by itself; then nobody listens.
        let _ = order.send(true);
        let joined = tokio::task::spawn_blocking(move || serving.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the sockets' thread ended badly");
        }
        for path in [paths.read, paths.usage, paths.admin] {
            // The next start removes what is left.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

/// Serves all sockets in this thread.
fn serve_all(sockets: Vec<(UnixListener, Router)>, stopped: &watch::Receiver<bool>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the sockets can't be served");
            return;
        }
    };
    runtime.block_on(async {
        let mut serving = tokio::task::JoinSet::new();
        for (listener, router) in sockets {
            match tokio::net::UnixListener::from_std(listener) {
                Ok(listener) => {
                    let mut stopped = stopped.clone();
                    let stop = async move {
                        // An error means that the other end is gone, which is a stop as well.
                        let _ = stopped.wait_for(|stopped| *stopped).await;
                    };
                    serving.spawn(serve(listener, router, ServerOptions::within_limits(), stop));
                }
                Err(error) => tracing::error!(%error, "a socket can't be served"),
            }
        }
        serving.join_all().await;
    });
}

/// Makes the directory of the sockets where it is missing: open to everyone, as `entitled.sock` is.
fn make_directory_of(socket: &Path) -> Result<(), DaemonError> {
    let Some(directory) = socket.parent().filter(|directory| !directory.exists()) else {
        return Ok(());
    };
    let made = fs::create_dir_all(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o755)));
    made.map_err(|source| DaemonError::Socket {
        operation: "make the directory of",
        path: socket.to_owned(),
        source,
    })
}

/// Binds a socket, in the place of one that a dead process left.
fn bind(path: &Path, mode: u32, group: Option<&str>) -> Result<UnixListener, DaemonError> {
    let error =
        |operation| move |source| DaemonError::Socket { operation, path: path.to_owned(), source };
    if path.exists() {
        if UnixStream::connect(path).is_ok() {
            return Err(DaemonError::SocketInUse { path: path.to_owned() });
        }
        fs::remove_file(path).map_err(error("replace"))?;
    }
    let listener = UnixListener::bind(path).map_err(error("bind"))?;
    if let Some(gid) = group.and_then(group_id) {
        // Only root and the group's members may; for others the socket stays theirs.
        if let Err(error) = chown(path, None, Some(gid)) {
            tracing::debug!(%error, path = %path.display(), "the socket's group could not be set");
        }
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(error("protect"))?;
    listener.set_nonblocking(true).map_err(error("set up"))?;
    Ok(listener)
}

/// The id of a group in /etc/group, where packages make theirs.
fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// A number that differs between environments and stays the same for one.
fn seed_of(thumbprint: &crate::license::Thumbprint) -> u64 {
    thumbprint.as_str().bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

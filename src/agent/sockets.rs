//! The local sockets: made here or inherited from the service manager, and served in a thread of their own.

use super::DaemonError;
use crate::{
    api::{
        AgentHandle, Published, Resumed, ServerOptions, admin_router, health_router, read_router,
        serve, serve_status, usage_router,
    },
    health::{Inherited, ServiceManager},
};
use axum::Router;
use std::{
    fs::{self, Permissions},
    io,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{PermissionsExt, chown},
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// What the port for monitors may take: it is open to a network.
const MONITORS: ServerOptions = ServerOptions {
    connections: 64,
    share: 16,
    head_timeout: Duration::from_secs(10),
    stop_timeout: Duration::from_secs(2),
    hand_over: false,
};
/// A start from a stored license takes a fraction of it; without one, the first answer is that the hardware is being read.
const FIRST_STATUS: Duration = Duration::from_secs(1);

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

/// The sockets of an agent, each with its routes.
pub(super) struct Sockets {
    listeners: Vec<Socket>,
    /// The port for monitors, with its routes.
    health: Option<(TcpListener, Router)>,
    /// Those that this process made, and removes.
    own_paths: Vec<PathBuf>,
    published: watch::Receiver<Option<Arc<Published>>>,
    service_manager: ServiceManager,
}

struct Socket {
    listener: UnixListener,
    /// What the process before left of it.
    connections: Vec<UnixStream>,
    router: Router,
    /// What is answered in front of the router, where the status is among its routes.
    status: Option<watch::Receiver<Option<Arc<Published>>>>,
}

impl Sockets {
    /// Takes over what the service manager made, and makes the rest.
    pub(super) fn open(
        paths: &SocketPaths,
        health: Option<TcpListener>,
        agent: &AgentHandle,
        service_manager: ServiceManager,
    ) -> Result<Self, DaemonError> {
        let mut inherited = Inherited::unix();
        service_manager.kept_were_taken();
        let mut own_paths = Vec::new();
        let mut socket = |path: &Path, mode, group, router, status| {
            let listener = match take(&mut inherited.listeners, path) {
                Some(listener) => Ok(listener),
                None => bind(path, mode, group).inspect(|_| own_paths.push(path.to_owned())),
            };
            let connections =
                inherited.connections.extract_if(.., |c| is_at(&c.local_addr(), path));
            listener.map(|listener| {
                let connections = connections.filter(|c| c.set_nonblocking(true).is_ok()).collect();
                Socket { listener, connections, router, status }
            })
        };
        let (usage, admin) = (Some("entitled-usage"), Some("entitled-admin"));
        let status = Some(agent.published.clone());
        let listeners = vec![
            socket(&paths.read, 0o666, None, read_router(agent.clone()), status.clone())?,
            socket(&paths.usage, 0o660, usage, usage_router(agent.clone()), None)?,
            socket(&paths.admin, 0o660, admin, admin_router(agent.clone()), status)?,
        ];
        let health = health.map(|listener| (listener, health_router(agent.clone())));
        let published = agent.published.clone();
        Ok(Self { listeners, health, own_paths, published, service_manager })
    }

    /// Serves in this thread until told to stop, then removes what was made here. Connections that wait for their next
    /// request are left with the service manager, for the next process: whoever asks at that moment just waits a little.
    pub(super) fn serve(self, stopped: &watch::Receiver<bool>) {
        let options = ServerOptions {
            hand_over: self.service_manager.keeps_connections(),
            ..ServerOptions::within_limits()
        };
        let idle = serve_all(self.listeners, self.health, self.published, options, stopped);
        self.service_manager.keep(&idle);
        for path in self.own_paths {
            // The next start removes what is left.
            let _ = fs::remove_file(path);
        }
    }
}

/// Serves all sockets in this thread; gives back what waits at the end, where the options want it.
fn serve_all(
    sockets: Vec<Socket>,
    health: Option<(TcpListener, Router)>,
    mut published: watch::Receiver<Option<Arc<Published>>>,
    options: ServerOptions,
    stopped: &watch::Receiver<bool>,
) -> Vec<OwnedFd> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the sockets can't be served");
            return Vec::new();
        }
    };
    runtime.block_on(async {
        // Who asks while the agent starts is answered from the stored license, and not refused.
        let _ = tokio::time::timeout(FIRST_STATUS, published.wait_for(Option::is_some)).await;
        let mut serving = tokio::task::JoinSet::new();
        let stop = || {
            let mut stopped = stopped.clone();
            async move {
                // An error means that the other end is gone, which is a stop as well.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }
        };
        if let Some((listener, router)) = health {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    serving.spawn(serve(listener, router, MONITORS, stop()));
                }
                Err(error) => tracing::error!(%error, "the port for monitors can't be served"),
            }
        }
        for Socket { listener, connections, router, status } in sockets {
            match resumed(listener, connections) {
                Ok(listener) => {
                    let stop = stop();
                    match status {
                        Some(status) => {
                            serving.spawn(serve_status(listener, router, status, options, stop))
                        }
                        None => serving.spawn(serve(listener, router, options, stop)),
                    };
                }
                Err(error) => tracing::error!(%error, "a socket can't be served"),
            }
        }
        serving.join_all().await.into_iter().flatten().collect()
    })
}

/// A listener with the connections that were left, in this runtime.
fn resumed(
    listener: UnixListener,
    connections: Vec<UnixStream>,
) -> io::Result<Resumed<tokio::net::UnixListener>> {
    let connections =
        connections.into_iter().filter_map(|c| tokio::net::UnixStream::from_std(c).ok());
    Ok(Resumed::new(tokio::net::UnixListener::from_std(listener)?, connections.collect()))
}

/// Whether that is the address of the socket at `path`.
fn is_at(address: &io::Result<SocketAddr>, path: &Path) -> bool {
    address.as_ref().is_ok_and(|address| address.as_pathname() == Some(path))
}

/// The inherited socket at `path`.
fn take(inherited: &mut Vec<UnixListener>, path: &Path) -> Option<UnixListener> {
    let found = inherited.iter().position(|listener| is_at(&listener.local_addr(), path))?;
    let listener = inherited.swap_remove(found);
    listener.set_nonblocking(true).ok()?;
    Some(listener)
}

/// Makes the directory of a socket, which everyone may enter: each socket says itself who may speak.
fn make_directory(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() && !directory.exists() => {
            fs::create_dir_all(directory)?;
            fs::set_permissions(directory, Permissions::from_mode(0o755))
        }
        _ => Ok(()),
    }
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
    make_directory(path).map_err(error("make the directory of"))?;
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

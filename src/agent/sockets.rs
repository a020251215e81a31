//! The local sockets: made here or inherited from the service manager, and served in a thread of their own.

use super::DaemonError;
use crate::api::{
    AgentHandle, Published, ServerOptions, admin_router, health_router, read_router, serve,
    serve_status, usage_router,
};
use axum::Router;
use listenfd::ListenFd;
use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::{UnixListener, UnixStream},
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
};

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
}

struct Socket {
    listener: UnixListener,
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
    ) -> Result<Self, DaemonError> {
        let mut inherited = inherited_listeners();
        let mut own_paths = Vec::new();
        let mut listener = |path: &Path, mode, group| match take(&mut inherited, path) {
            Some(listener) => Ok(listener),
            None => bind(path, mode, group).inspect(|_| own_paths.push(path.to_owned())),
        };
        let status = Some(agent.published.clone());
        let listeners = vec![
            Socket {
                listener: listener(&paths.read, 0o666, None)?,
                router: read_router(agent.clone()),
                status: status.clone(),
            },
            Socket {
                listener: listener(&paths.usage, 0o660, Some("entitled-usage"))?,
                router: usage_router(agent.clone()),
                status: None,
            },
            Socket {
                listener: listener(&paths.admin, 0o660, Some("entitled-admin"))?,
                router: admin_router(agent.clone()),
                status,
            },
        ];
        let health = health.map(|listener| (listener, health_router(agent.clone())));
        Ok(Self { listeners, health, own_paths })
    }

    /// Serves in this thread until told to stop, then removes what was made here.
    pub(super) fn serve(self, stopped: &watch::Receiver<bool>) {
        serve_all(self.listeners, self.health, stopped);
        for path in self.own_paths {
            // The next start removes what is left.
            let _ = fs::remove_file(path);
        }
    }
}

/// Serves all sockets in this thread.
fn serve_all(
    sockets: Vec<Socket>,
    health: Option<(TcpListener, Router)>,
    stopped: &watch::Receiver<bool>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the sockets can't be served");
            return;
        }
    };
    runtime.block_on(async {
        let mut serving = tokio::task::JoinSet::new();
        let options = ServerOptions::within_limits();
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
        for Socket { listener, router, status } in sockets {
            match tokio::net::UnixListener::from_std(listener) {
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
        serving.join_all().await;
    });
}

/// The sockets that the service manager made (`sd_listen_fds(3)`): it keeps them over restarts, so that no query is
/// refused meanwhile.
fn inherited_listeners() -> Vec<UnixListener> {
    let mut given = ListenFd::from_env();
    (0..given.len())
        .filter_map(|i| {
            given.take_unix_listener(i).unwrap_or_else(|error| {
                tracing::warn!(%error, "a socket of the service manager's can't be used");
                None
            })
        })
        .collect()
}

/// The inherited socket at `path`.
fn take(inherited: &mut Vec<UnixListener>, path: &Path) -> Option<UnixListener> {
    let is_it = |listener: &UnixListener| {
        listener.local_addr().is_ok_and(|address| address.as_pathname() == Some(path))
    };
    let found = inherited.iter().position(is_it)?;
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

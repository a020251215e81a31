//! Serves a router on a listener, so that no client can hold the server up: a cap on connections, a share of them for each
//! user, a time limit on the head of each request, and a graceful end.

use super::{
    Published, connection,
    crowd::{Crowd, Seat},
    front::{Ended, Front},
};
use axum::Router;
use std::{future::Future, io, io::Cursor, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// Who is at the other end of a connection; in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine, as the kernel knew it when it connected (`SO_PEERCRED`).
    Process {
        /// Its process id, where the kernel gives it.
        pid: Option<i32>,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// An address.
    Address(SocketAddr),
}

/// What a listener must do to be served.
pub trait Listener: Send {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection and who is at its other end.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Listener for UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        let peer = stream.peer_cred()?;
        Ok((stream, Peer::Process { pid: peer.pid(), uid: peer.uid(), gid: peer.gid() }))
    }
}

impl Listener for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, Peer::Address(address)))
    }
}

/// What one client may take.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections of one user at once.
    pub share: usize,
    /// From the first wait for a request to the end of its head.
    pub head_timeout: Duration,
    /// From the order to stop to the end of the last answer.
    pub stop_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connections: 4_096,
            share: 1_024,
            head_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

impl ServerOptions {
    /// The default, or less where this process may not have enough files open at once for several such servers.
    pub fn within_limits() -> Self {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let most = files.and_then(|files| usize::try_from(files / 4).ok()).unwrap_or(usize::MAX);
        let default = Self::default();
        Self {
            connections: default.connections.min(most),
            share: default.share.min(most / 2),
            ..default
        }
    }
}

/// Serves until `stop` is done, then lets answers under way end. Never returns for a failed connection.
pub async fn serve<L: Listener>(
    listener: L,
    router: Router,
    options: ServerOptions,
    stop: impl Future<Output = ()> + Send,
) {
    let server = Server::new(router, options);
    let attend = {
        let server = server.clone();
        move |stream, peer, seat| connection::speak_http(server.clone(), stream, peer, seat)
    };
    server.admit_all(listener, attend, stop).await;
}

/// Serves an agent's socket: as [`serve`] does, with the status in front.
pub async fn serve_status(
    listener: UnixListener,
    router: Router,
    published: watch::Receiver<Option<Arc<Published>>>,
    options: ServerOptions,
    stop: impl Future<Output = ()> + Send,
) {
    let server = Server::new(router, options);
    let front = Front::new(published);
    let attend = {
        let server = server.clone();
        move |stream, peer, seat: Arc<Seat>| {
            let (server, front) = (server.clone(), Arc::clone(&front));
            async move {
                seat.sweepable(true);
                let patience = server.options.head_timeout;
                let ended = front.attend(stream, patience, || seat.speak()).await;
                seat.sweepable(false);
                if let Ended::Other(stream, read) = ended {
                    let (reader, writer) = stream.into_split();
                    let replayed = tokio::io::join(Cursor::new(read).chain(reader), writer);
                    // On the heap: every connection in front would carry its size otherwise.
                    Box::pin(connection::speak_http(server, replayed, peer, seat)).await;
                }
            }
        }
    };
    server.admit_all(listener, attend, stop).await;
}

/// What the connections of one listener share.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) options: ServerOptions,
    crowd: Arc<Crowd>,
    /// True from the order to stop on.
    pub(super) stopping: watch::Sender<bool>,
}

impl Server {
    fn new(router: Router, options: ServerOptions) -> Self {
        let crowd = Crowd::new(options.share);
        Self { router, options, crowd, stopping: watch::Sender::new(false) }
    }

    /// Accepts until `stop` is done, and gives each connection to `attend` in a task of its own.
    async fn admit_all<L: Listener, F: Future<Output = ()> + Send + 'static>(
        self,
        listener: L,
        attend: impl Fn(L::Stream, Peer, Arc<Seat>) -> F + Send,
        stop: impl Future<Output = ()> + Send,
    ) {
        let places = Arc::new(Semaphore::new(self.options.connections));
        let mut tasks = JoinSet::new();
        let mut sweep = tokio::time::interval(self.options.head_timeout);
        tokio::pin!(stop);
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, accept(&listener).await)
            };
            let (place, accepted) = tokio::select! {
                () = &mut stop => break,
                _ = sweep.tick() => {
                    self.crowd.sweep();
                    continue;
                }
                next = next => next,
            };
            let Some((stream, peer)) = accepted else { continue };
            let Some(seat) = self.crowd.admit(peer) else {
                tracing::debug!(?peer, "its user has too many connections: it was closed");
                continue;
            };
            // Those that ended give their memory back.
            while tasks.try_join_next().is_some() {}
            let seat = Arc::new(seat);
            let attended = attend(stream, peer, Arc::clone(&seat));
            tasks.spawn(async move {
                let _place = place;
                tokio::select! {
                    biased;
                    () = attended => {}
                    () = seat.left() => tracing::debug!(?peer, "a silent connection made room"),
                }
            });
        }
        drop(listener);
        self.end(tasks).await;
    }

    /// Lets the connections end; those that do not in time are closed.
    async fn end(self, mut tasks: JoinSet<()>) {
        self.stopping.send_replace(true);
        self.crowd.dismiss();
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.stop_timeout, ended).await.is_err() {
            tracing::debug!("connections were still open when the server stopped");
        }
    }
}

/// The next connection; nothing where one could not be accepted.
async fn accept<L: Listener>(listener: &L) -> Option<(L::Stream, Peer)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::debug!(%error, "a connection could not be accepted");
            // Out of file descriptors, say: without a pause this would be a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}

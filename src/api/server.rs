//! Serves a router on a listener, so that no client can hold the server up: a cap on connections, a share of them for each
//! user, a time limit on the head of each request, and a graceful end.

use super::crowd::Crowd;
use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};
use tower::ServiceExt;

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
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.head_timeout).max_headers(64);
    let places = Arc::new(Semaphore::new(options.connections));
    let crowd = Crowd::new(options.share);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                // Out of file descriptors, say: without a pause this would be a busy loop.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let Some(seat) = crowd.admit(peer) else {
            tracing::debug!(?peer, "its user has too many connections: it was closed");
            continue;
        };
        let spoke = seat.speaker();
        let service = router.clone().map_request(
            move |mut request: axum::http::Request<hyper::body::Incoming>| {
                spoke();
                request.extensions_mut().insert(peer);
                request
            },
        );
        let connection =
            http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = seat.left() => tracing::debug!(?peer, "a silent connection made room"),
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(options.stop_timeout, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections were still open when the server stopped");
    }
}
